//! Mounted slots.
//!
//! Everything is mounted in a mount namespace of our own ([`private_namespace`]), so that nothing
//! outside sees it and nothing outlives the process. A mount is undone by [`Mount::unmount`], which
//! fails while a file in it is open; with no other mount of it left, what is read back afterwards is really read
//! from the disk.
//! Dropping one detaches it, for the paths of errors.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, open, syncfs};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, mount_remount, unmount,
};

use super::ioctl::unshare_mounts;

/// A process that was killed, or is about to run a program, may hold what it had open for a moment.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What may be done with a device or a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Only reading.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

/// A mounted file system.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
    live: bool,
}

/// Why a mount failed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// No namespace of our own.
    #[error("making a private mount namespace (are you root?)")]
    Namespace(#[source] io::Error),
    /// A step on a mount point.
    #[error("{doing} {at}")]
    Step {
        /// The step.
        doing: String,
        /// The mount point.
        at: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Moves this process to a mount namespace of its own, which still sees what others mount later.
///
/// Must be called before a second thread is made: the namespace belongs to a thread.
///
/// # Errors
/// [`MountError::Namespace`].
pub fn private_namespace() -> Result<(), MountError> {
    unshare_mounts().map_err(MountError::Namespace)?;
    let flags = MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM;
    mount_change("/", flags).map_err(|e| MountError::Namespace(e.into()))
}

impl Mount {
    /// Mounts the ext4 file system of `device` at the folder `at`, which is made where missing. For reading
    /// only, nothing is written to the device: a journal that a power cut left is not replayed.
    ///
    /// Programs in it that are set-user-id gain nothing, and device nodes in it are none.
    ///
    /// # Errors
    /// [`MountError::Step`].
    pub fn ext4(device: &Path, at: &Path, access: Access) -> Result<Self, MountError> {
        make_folder(at)?;
        let quiet = MountFlags::NOATIME | MountFlags::NODEV | MountFlags::NOSUID;
        let (flags, options) = match access {
            Access::ReadOnly => (quiet | MountFlags::RDONLY, c"noload"),
            Access::ReadWrite => (quiet, c"errors=remount-ro"),
        };
        mount(device, at, c"ext4", flags, Some(options))
            .map_err(|e| step(format!("mounting {} at", device.display()), at, e))?;
        Ok(Self { at: at.to_owned(), live: true })
    }

    /// Shows the file system that holds the folder `of` at `at`, read-only and without what is mounted
    /// below it: the running root as its slot has it, free of bind mounts and /var.
    ///
    /// # Errors
    /// [`MountError::Step`].
    pub fn alone(of: &Path, at: &Path) -> Result<Self, MountError> {
        make_folder(at)?;
        mount_bind(of, at).map_err(|e| step(format!("binding {} to", of.display()), at, e))?;
        let bound = Self { at: at.to_owned(), live: true };
        mount_remount(at, MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOATIME, c"")
            .map_err(|e| step("making read-only".to_owned(), at, e))?;
        Ok(bound)
    }

    /// Where it is mounted.
    #[must_use]
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Its root folder.
    ///
    /// # Errors
    /// [`MountError::Step`].
    pub fn root(&self) -> Result<OwnedFd, MountError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        open(&self.at, flags, Mode::empty()).map_err(|e| step("opening".to_owned(), &self.at, e))
    }

    /// Brings all that was written in it to the disk.
    ///
    /// # Errors
    /// [`MountError::Step`].
    pub fn sync(&self) -> Result<(), MountError> {
        let root = self.root()?;
        syncfs(&root).map_err(|e| step("syncing".to_owned(), &self.at, e))
    }

    /// Unmounts it; when this returns, no file of it is open through this mount any more. A process in another
    /// mount namespace, as a hook is, may have a mount of its own of the file system until it ends: `program::run` sees to that.
    ///
    /// # Errors
    /// [`MountError::Step`], with `EBUSY` if a file in it stays open.
    pub fn unmount(mut self) -> Result<(), MountError> {
        let patience = Instant::now() + LETTING_GO;
        while let Err(e) = unmount(&self.at, UnmountFlags::NOFOLLOW) {
            if e != Errno::BUSY || Instant::now() > patience {
                return Err(step("unmounting".to_owned(), &self.at, e));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        self.live = false;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.live {
            // The error that led here is what the caller reports.
            let _ = unmount(&self.at, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
    }
}

fn make_folder(at: &Path) -> Result<(), MountError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(at);
    made.map_err(|source| MountError::Step { doing: "making".to_owned(), at: at.to_owned(), source })
}

fn step(doing: String, at: &Path, source: Errno) -> MountError {
    MountError::Step { doing, at: at.to_owned(), source: source.into() }
}
