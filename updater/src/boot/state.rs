//! Finds the state partition and mounts it at /var; else a tmpfs.
//!
//! Only the disk that the root is on is looked at, and only by the partition's GUID: a second disk
//! with a copy of ours is never taken. Neither udev nor any tool but e2fsck is needed.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edeploy_format::boot::{Options, PartUuid};
use rustix::mount::MountFlags;

use crate::disk::fs::{Tool, ToolError};
use crate::disk::gpt::{self, GptError};

/// Without it in the tree the kernel replays the journal, and nobody repairs.
const E2FSCK: &str = "usr/sbin/e2fsck";

/// Why there is no state partition at /var.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    /// The root is not on a partition of a disk.
    #[error("finding the disk that the root is on, by {}", .path.display())]
    Disk {
        /// What was looked at.
        path: PathBuf,
        /// What went wrong with it.
        #[source]
        source: io::Error,
    },
    /// Its table is not ours.
    #[error("the partition table of {}", .disk.display())]
    Table {
        /// The disk.
        disk: PathBuf,
        /// What is wrong.
        #[source]
        source: GptError,
    },
    /// The state partition is another one than the boot entry says.
    #[error("the state partition of {} is {found}, the boot entry names {expected}", .disk.display())]
    Other {
        /// The disk.
        disk: PathBuf,
        /// In its table.
        found: String,
        /// On the command line.
        expected: PartUuid,
    },
    /// e2fsck could not repair it by itself.
    #[error("the file system needs an operator")]
    Check(#[source] ToolError),
    /// Mounting failed.
    #[error("mounting {} at /var", .device.display())]
    Mount {
        /// The partition.
        device: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Checks and mounts the state partition; nothing if /var is a mount already.
///
/// # Errors
/// [`StateError`]: /var is as it was.
pub(super) fn mount(root: &Path, options: &Options) -> Result<(), StateError> {
    let var = root.join("var");
    if is_mount_point(&var) {
        return Ok(());
    }
    let device = find(root, options)?;
    if root.join(E2FSCK).exists() {
        Tool::Recover.run(&device).map_err(StateError::Check)?;
    }
    mount_at(&device, &var, c"ext4", None).map_err(|source| StateError::Mount { device, source })
}

/// Mounts an empty tmpfs at /var.
///
/// # Errors
/// What the kernel says.
pub(super) fn mount_volatile(root: &Path) -> io::Result<()> {
    mount_at(Path::new("edeploy-volatile"), &root.join("var"), c"tmpfs", Some(c"mode=0755,size=25%"))
}

fn mount_at(device: &Path, at: &Path, kind: &CStr, options: Option<&CStr>) -> io::Result<()> {
    Ok(rustix::mount::mount(device, at, kind, MountFlags::empty(), options)?)
}

/// Whether something is mounted exactly there.
pub(super) fn is_mount_point(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())
        .is_ok_and(|s| s.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// The device of the state partition, on the disk that holds the root.
fn find(root: &Path, options: &Options) -> Result<PathBuf, StateError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Disk { path, source }
    };
    let device = fs::metadata(root).map_err(at(root))?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let link = root.join(format!("sys/dev/block/{major}:{minor}"));
    let partition = fs::canonicalize(&link).map_err(at(&link))?;
    // A whole disk or a mapped device has no such file, and then no table of ours either.
    fs::metadata(partition.join("partition")).map_err(at(&partition.join("partition")))?;
    let block = partition.parent().ok_or_else(|| at(&partition)(io::ErrorKind::NotFound.into()))?;
    let disk = device_of(root, block);
    let file = File::open(&disk).map_err(at(&disk))?;
    let layout = gpt::read(file).map_err(|source| StateError::Table { disk: disk.clone(), source })?;
    if layout.state.uuid.parse() != Ok(options.state) {
        return Err(StateError::Other { disk, found: layout.state.uuid, expected: options.state });
    }
    let state = with_number(block, layout.state.number).map_err(at(block))?;
    Ok(device_of(root, &state))
}

/// The kernel's device node of a folder in /sys.
fn device_of(root: &Path, block: &Path) -> PathBuf {
    root.join("dev").join(block.file_name().unwrap_or_default())
}

/// The partition `number` among the folders in `block`.
fn with_number(block: &Path, number: u32) -> io::Result<PathBuf> {
    for entry in fs::read_dir(block)? {
        let path = entry?.path();
        let found = fs::read_to_string(path.join("partition")).unwrap_or_default();
        if found.trim().parse() == Ok(number) {
            return Ok(path);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("the kernel has no partition {number} there")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_found_by_its_number_not_by_its_name() {
        let block = tempfile::tempdir().unwrap();
        for (name, number) in [("nvme0n1p1", "1\n"), ("nvme0n1p12", "12\n"), ("nvme0n1p2", "2\n")] {
            fs::create_dir(block.path().join(name)).unwrap();
            fs::write(block.path().join(name).join("partition"), number).unwrap();
        }
        fs::create_dir(block.path().join("queue")).unwrap();
        assert_eq!(with_number(block.path(), 12).unwrap(), block.path().join("nvme0n1p12"));
        let missing = with_number(block.path(), 3).unwrap_err();
        assert_eq!(missing.to_string(), "the kernel has no partition 3 there");
    }

    #[test]
    fn a_mount_point_is_told_from_a_folder() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
        assert!(!is_mount_point(Path::new("/nonexistent")));
    }
}
