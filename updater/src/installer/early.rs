//! What comes before everything else in an initrd without any other program: file systems of the kernel, the clock,
//! drivers.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::CWD;
use rustix::mount::{MountFlags, mount};
use rustix::time::{ClockId, Timespec, clock_settime};

/// What is mounted where, in this order: the source is the type.
const MOUNTS: [(&str, &str, &std::ffi::CStr); 5] = [
    ("proc", "/proc", c""),
    ("sysfs", "/sys", c""),
    ("devtmpfs", "/dev", c"mode=0755"),
    ("tmpfs", "/run", c"mode=0755"),
    ("tmpfs", "/tmp", c"mode=1777"),
];
/// So many aliases are handed to one call of modprobe.
const BATCH: usize = 200;

/// Mounts what the kernel shows, once.
///
/// # Errors
/// What could not be mounted, and why.
pub(super) fn mounts() -> io::Result<()> {
    for (kind, at, options) in MOUNTS {
        fs::create_dir_all(at)?;
        let flags =
            if kind == "devtmpfs" { MountFlags::NOSUID } else { MountFlags::NOSUID | MountFlags::NODEV };
        match mount(kind, at, kind, flags, Some(options)) {
            // The kernel may have done it: CONFIG_DEVTMPFS_MOUNT.
            Ok(()) | Err(rustix::io::Errno::BUSY) => {}
            Err(e) => return Err(io::Error::new(e.kind(), format!("mounting {at}: {e}"))),
        }
    }
    Ok(())
}

/// Whether the initrd whose root is `root` has the drivers of the kernel `release`: kernel and initrd are fetched one
/// after the other, and may be of two builds.
pub(super) fn has_drivers_of(root: &Path, release: &str) -> bool {
    root.join("usr/lib/modules").join(release).is_dir()
}

/// Sets the clock to `floor`, in seconds since 1970, if it shows an earlier time.
///
/// # Errors
/// If it cannot be set.
pub(super) fn clock(floor: u64) -> io::Result<bool> {
    let shown = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    if shown >= floor {
        return Ok(false);
    }
    let seconds = i64::try_from(floor).map_err(io::Error::other)?;
    clock_settime(ClockId::Realtime, Timespec { tv_sec: seconds, tv_nsec: 0 })?;
    Ok(true)
}

/// Loads the drivers of all devices that show themselves below `sys`, until no new ones do: a driver of a bus brings
/// further devices. Returns how many aliases there were.
///
/// # Errors
/// If /sys cannot be read or modprobe cannot be started. A driver that is not in the initrd is none.
pub(super) fn drivers(sys: &Path) -> io::Result<usize> {
    let mut known = BTreeSet::new();
    loop {
        let mut found = BTreeSet::new();
        aliases(&sys.join("devices"), &mut found)?;
        let new: Vec<&String> = found.difference(&known).collect();
        if new.is_empty() {
            return Ok(known.len());
        }
        for batch in new.chunks(BATCH) {
            modprobe(batch)?;
        }
        known.extend(found);
    }
}

/// The names by which the devices below `folder` ask for drivers.
fn aliases(folder: &Path, found: &mut BTreeSet<String>) -> io::Result<()> {
    // Devices may come and go while they are looked at.
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            aliases(&path, found)?;
        } else if entry.file_name() == "modalias" {
            let alias = fs::read_to_string(&path).unwrap_or_default();
            let alias = alias.trim();
            if !alias.is_empty() && !alias.starts_with('-') {
                found.insert(alias.to_owned());
            }
        }
    }
    Ok(())
}

/// Has kmod load what these names ask for; what it knows no driver for is passed over.
///
/// # Errors
/// If it cannot be started.
pub(super) fn modprobe(names: &[&String]) -> io::Result<()> {
    let mut command = Command::new("/usr/sbin/modprobe");
    command.args(["-a", "-b", "-q", "--"]).args(names);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(())
}

/// Turns off the kernel's messages on the console below errors, so that ours can be read.
pub(super) fn quiet() {
    // Where that does not work, more is said.
    let _ = rustix::fs::openat(
        CWD,
        "/proc/sys/kernel/printk",
        rustix::fs::OFlags::WRONLY,
        rustix::fs::Mode::empty(),
    )
    .and_then(|file| rustix::io::write(&file, b"4"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_initrd_of_another_build_than_the_kernels_is_known() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/modules/6.1.0-42-amd64")).unwrap();
        let has = ["6.1.0-42-amd64", "6.1.0-41-amd64"].map(|release| has_drivers_of(root.path(), release));
        assert_eq!(has, [true, false]);
    }

    #[test]
    fn devices_are_asked_for_their_drivers_once_each() {
        let sys = tempfile::tempdir().unwrap();
        for (device, alias) in [
            ("pci0/0000:00:02.0", "pci:v00001AF4d00001000\n"),
            ("pci0/0000:00:02.0/virtio0", "virtio:d00000001v00001AF4\n"),
            ("pci0/0000:00:03.0", "pci:v00001AF4d00001000\n"),
            ("pci0/0000:00:04.0", "\n"),
            ("pci0/0000:00:05.0", "-r"),
        ] {
            let folder = sys.path().join("devices").join(device);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("modalias"), alias).unwrap();
        }
        let mut found = BTreeSet::new();
        aliases(&sys.path().join("devices"), &mut found).unwrap();
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["pci:v00001AF4d00001000", "virtio:d00000001v00001AF4"]);
    }
}
