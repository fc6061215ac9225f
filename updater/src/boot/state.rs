//! Finds the state partition and mounts it at /var; else a tmpfs.
//!
//! Only the disk that the root is on is looked at, and only by the partition's GUID: a second disk
//! with a copy of ours is never taken. Neither udev nor any tool but e2fsck is needed.

use std::ffi::CStr;
use std::io;
use std::path::{Path, PathBuf};

use edeploy_format::boot::{Options, PartUuid};
use rustix::mount::MountFlags;

use crate::disk::fs::{Tool, ToolError};
use crate::disk::mount::Access;
use crate::disk::place::{Place, PlaceError};

/// Without it in the tree the kernel replays the journal, and nobody repairs.
const E2FSCK: &str = "usr/sbin/e2fsck";

/// Why there is no state partition at /var.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    /// The disk of the root is not to be found, or not ours.
    #[error(transparent)]
    Place(#[from] PlaceError),
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
    let place = Place::running(root)?;
    let state = &place.layout.state;
    if state.uuid.parse() != Ok(options.state) {
        let (disk, found) = (place.disk().to_owned(), state.uuid.clone());
        return Err(StateError::Other { disk, found, expected: options.state });
    }
    Ok(place.volume(state, Access::ReadWrite)?.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_told_from_a_folder() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/proc/self")));
        assert!(!is_mount_point(Path::new("/nonexistent")));
    }
}
