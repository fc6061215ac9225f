//! A window of a file as a block device.
//!
//! Partitions of a disk image are reached this way: the kernel is told offset and length, and needs
//! to know nothing of partition tables. Needs root, `/dev/loop-control`, and a devtmpfs on `/dev`
//! that makes the node of a new loop device. The kernel detaches the device when its last user (this
//! value, a mount) is gone, however this process ends.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock, openat};
use rustix::io::Errno;

use super::ioctl;
use super::mount::Access;

const CONTROL: &str = "/dev/loop-control";
/// Other programs may take a free device first this often.
const ATTEMPTS: u32 = 64;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it begins, in bytes; a multiple of 512.
    pub offset: u64,
    /// How long it is, in bytes; a multiple of 512, never 0.
    pub size: u64,
}

/// A loop device, attached as long as this value or a mount of it lives.
#[derive(Debug)]
pub struct LoopDevice {
    device: PathBuf,
    backing: File,
    window: Window,
    /// Keeps the device attached.
    _open: File,
}

/// Why a file cannot be had as a block device.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// The image cannot be opened.
    #[error("opening the image {path}")]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The window is not inside the image, or not of whole sectors.
    #[error("bytes {} to {} are no sectors of the image {path} of {length} bytes", window.offset, window.offset.saturating_add(window.size))]
    Window {
        /// The image.
        path: PathBuf,
        /// What was asked for.
        window: Window,
        /// How long the image is.
        length: u64,
    },
    /// No loop device can be had.
    #[error("attaching {path} to a loop device: {doing}")]
    Attach {
        /// The image.
        path: PathBuf,
        /// The step that failed.
        doing: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LoopDevice {
    /// Attaches a free loop device to `window` of the file `image`.
    ///
    /// # Errors
    /// [`LoopError`].
    pub fn attach(image: &Path, window: Window, access: Access) -> Result<Self, LoopError> {
        let write = access == Access::ReadWrite;
        let open = OpenOptions::new().read(true).write(write).open(image);
        // Metadata would call a block device empty.
        let length = open.and_then(|mut file| Ok((file.seek(SeekFrom::End(0))?, file)));
        let (length, backing) =
            length.map_err(|source| LoopError::Image { path: image.to_owned(), source })?;
        let whole = [window.offset, window.size].iter().all(|n| n.is_multiple_of(512)) && window.size > 0;
        if !whole || window.offset.checked_add(window.size).is_none_or(|end| end > length) {
            return Err(LoopError::Window { path: image.to_owned(), window, length });
        }
        for _ in 0..ATTEMPTS {
            if let Some((device, open)) = try_attach(image, &backing, window, write)? {
                return Ok(Self { device, backing, window, _open: open });
            }
        }
        let source = io::Error::other(format!("{ATTEMPTS} devices were taken by others"));
        Err(LoopError::Attach { path: image.to_owned(), doing: "finding a free one".to_owned(), source })
    }

    /// The device's node: `/dev/loop3`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.device
    }

    /// The file behind it.
    #[must_use]
    pub fn backing(&self) -> &File {
        &self.backing
    }

    /// The part of the file it shows.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }
}

/// One attempt; `None` if another process took the device that was free.
fn try_attach(
    image: &Path,
    backing: &File,
    window: Window,
    write: bool,
) -> Result<Option<(PathBuf, File)>, LoopError> {
    let failed = |doing: String| move |source| LoopError::Attach { path: image.to_owned(), doing, source };
    let control = File::open(CONTROL).map_err(failed(format!("opening {CONTROL}")))?;
    // Many of us at once would take the same device from one another for ever.
    flock(&control, FlockOperation::LockExclusive)
        .map_err(|e| failed(format!("locking {CONTROL}"))(e.into()))?;
    let number = ioctl::free_loop_number(&control).map_err(failed("finding a free one".to_owned()))?;
    let device = PathBuf::from(format!("/dev/loop{number}"));
    let flags = OFlags::CLOEXEC | if write { OFlags::RDWR } else { OFlags::RDONLY };
    let open = openat(rustix::fs::CWD, &device, flags, rustix::fs::Mode::empty())
        .map_err(|e| failed(format!("opening {}", device.display()))(e.into()))?;
    match ioctl::configure_loop(&open, backing.as_fd(), window.offset, window.size, !write) {
        Ok(()) => Ok(Some((device, open.into()))),
        Err(e) if e.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => Ok(None),
        Err(e) => Err(failed(format!("configuring {}", device.display()))(e)),
    }
}
