//! The peers, one file each: what they are called and how they are asked for the same work.

pub mod archive;
pub mod bsdiff;
pub mod casync;
pub mod image;
pub mod ostree;

use std::path::Path;

use crate::error::{Error, Result};
use crate::run::Call;

/// The programs and the packages that have them.
const PROGRAMS: [(&str, &str); 14] = [
    ("b3sum", "b3sum"),
    ("bsdiff", "bsdiff"),
    ("casync", "casync"),
    ("cpio", "cpio"),
    ("losetup", "mount"),
    ("mksquashfs", "squashfs-tools"),
    ("mmdebstrap", "mmdebstrap"),
    ("nginx", "nginx-light"),
    ("ostree", "ostree"),
    ("rsync", "rsync"),
    ("sfdisk", "fdisk"),
    ("time", "time"),
    ("xdelta3", "xdelta3"),
    ("zstd", "zstd"),
];

/// Checks that all are there.
///
/// # Errors
/// One that names what is missing, in a line for apt.
pub fn ready() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (programs, packages): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    Err(Error::Missing { program: programs.join(" "), package: packages.join(" ") })
}

/// The versions of the packages, as dpkg knows them.
///
/// # Errors
/// When dpkg fails.
pub fn versions() -> Result<Vec<String>> {
    let packages = PROGRAMS.iter().map(|(_, package)| package);
    let told =
        Call::new("dpkg-query").words("-W -f ${Package}=${Version}\\n").args(packages).or_code(1).run()?;
    Ok(told.lines().map(str::to_owned).collect())
}

/// `find | xargs b3sum`, two at a time, on a folder.
pub fn b3sum(folder: &Path) -> Call {
    Call::shell(
        "cd \"$1\"; find . -xdev -type f -print0 | xargs -0 -P2 -n 512 b3sum --num-threads 1 >/dev/null",
    )
    .arg(folder)
}
