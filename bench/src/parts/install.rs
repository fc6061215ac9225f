//! Part `install`: a first install onto an empty disk, against unpacking an archive of the same tree onto the same disk.
//!
//! Ours partitions, makes three file systems, unpacks, syncs, reads all of it back and writes the ESP. The peer unpacks
//! and syncs; its file system is made before. The site and the archive are files on the same disk, caches cold.

use std::path::Path;

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{self, Device, Mounted};
use crate::error::Result;
use crate::parts::machine::DISK;
use crate::run::{Call, drop_caches};
use crate::trees::{Pair, Trees};
use crate::{folder, ours};

/// The file system of the peer: as large as a slot is, in round numbers.
const SLOT: &str = "1G";

/// Measures the newer tree of a pair.
///
/// # Errors
/// When something fails.
pub(super) fn one(bench: &mut Bench, trees: &Trees, pair: Pair) -> Result<()> {
    let site = ours::site(bench, trees)?;
    let [image, slot, archive, mount] =
        ["install.img", "install.ext4", "install.tar.zst", "mnt"].map(|name| bench.path(name));
    bench.tell(&format!("install {}: making the archive", pair.to));
    packed(&trees.archive(pair.to), &archive)?;
    let ways = vec![
        Way::new("ours", || {
            drop_caches()?;
            Ok(Outcome::timed(&site.install(pair.role, pair.to, &image, DISK)?))
        }),
        Way::new("tar-zstd", || {
            disk::make(&slot, SLOT)?;
            let mounted = Mounted::new(Device::whole(&slot)?, mount.clone(), "rw")?;
            drop_caches()?;
            let script = "tar --zstd --xattrs --xattrs-include='*' -xpf \"$1\" -C \"$2\" && sync -f \"$2\"";
            let ended = Call::shell(script).arg(&archive).arg(mounted.folder()).measure()?;
            drop(mounted);
            Ok(Outcome::timed(&ended))
        }),
    ];
    bench.interleave(Part::Install, &pair.name(), ways)?;
    [&image, &slot, &archive, &mount].into_iter().try_for_each(|path| folder::remove(path))
}

/// The archive as servers hold such things.
fn packed(archive: &Path, to: &Path) -> Result<()> {
    Call::new("zstd").words("-q -f -T0 -9").arg(archive).arg("-o").arg(to).run().map(|_| ())
}
