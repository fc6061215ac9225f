//! Forgetting what the kernel has cached, so that the next read comes from the disk.
//!
//! A slot counts only after it was read back cold. That takes three steps: unmount (the mount's own
//! pages go), [`forget_device`] (those of the block device), and for an image behind a loop device
//! [`forget_loop`] (those of the file). The controller of the disk keeps its own cache; a flush
//! command brings that to stable storage, but nothing can be made to read around it.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, Mode, OFlags, fadvise, fdatasync, fsync, open};

use super::ioctl::flush_buffers;
use super::loopdev::LoopDevice;

/// A cache could not be dropped.
#[derive(Debug, thiserror::Error)]
#[error("dropping the cache of {path}: {doing}")]
pub struct ColdError {
    /// The device or file.
    pub path: PathBuf,
    /// The step that failed.
    pub doing: &'static str,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Writes out and forgets what is cached of the block device at `path`.
///
/// # Errors
/// [`ColdError`], with `EBUSY` if it is still mounted: then nothing read from it would be cold.
pub fn forget_device(path: &Path) -> Result<(), ColdError> {
    let failed = |doing| move |source: io::Error| ColdError { path: path.to_owned(), doing, source };
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC;
    let device = open(path, flags, Mode::empty()).map_err(|e| failed("opening it alone")(e.into()))?;
    fsync(&device).map_err(|e| failed("flushing it")(e.into()))?;
    flush_buffers(&device).map_err(failed("dropping its buffers"))
}

/// As [`forget_device`], and forgets what is cached of the file behind it.
///
/// # Errors
/// [`ColdError`].
pub fn forget_loop(device: &LoopDevice) -> Result<(), ColdError> {
    forget_device(device.path())?;
    let failed = |doing| {
        move |e: rustix::io::Errno| ColdError { path: device.path().to_owned(), doing, source: e.into() }
    };
    let (backing, window) = (device.backing(), device.window());
    // Dirty pages cannot be dropped.
    fdatasync(backing).map_err(failed("flushing the image"))?;
    let length = std::num::NonZero::new(window.size);
    fadvise(backing, window.offset, length, Advice::DontNeed).map_err(failed("dropping the image's pages"))
}
