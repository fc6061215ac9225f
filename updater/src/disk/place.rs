//! The disk a command works on: the one the machine runs from, or an image.
//!
//! Only one disk is ever looked at: the one that holds the running root, found through /sys by its
//! device number, or the one named on the command line. A second disk with a copy of ours, or with
//! partitions of the same name, is never touched. Neither udev nor any tool is needed.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::cold::{ColdError, forget_device, forget_loop};
use super::gpt::{self, GptError, Layout, Partition};
use super::loopdev::{LoopDevice, LoopError, Window};
use super::mount::Access;

/// The length of a sector of every disk of ours.
const SECTOR: u32 = 512;

/// A disk with our four partitions.
#[derive(Debug)]
pub struct Place {
    /// What lies where.
    pub layout: Layout,
    disk: PathBuf,
    /// The folder of the disk in /sys, when its partitions have nodes of their own.
    block: Option<PathBuf>,
    root: PathBuf,
    /// Keeps everybody else off a disk that was named, the machine that runs from it above all.
    _alone: Option<File>,
}

/// A partition as a block device.
#[derive(Debug)]
pub enum Volume {
    /// The kernel's own node.
    Node(PathBuf),
    /// A window of an image.
    Loop(LoopDevice),
}

/// Why there is no disk to work on.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The root is not on a partition of a disk.
    #[error("finding the disk that the root is on, by {}", .path.display())]
    Disk {
        /// What was looked at.
        path: PathBuf,
        /// What went wrong with it.
        #[source]
        source: io::Error,
    },
    /// The disk cannot be opened.
    #[error("opening {}", .disk.display())]
    Open {
        /// The disk.
        disk: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Sectors that no file system of ours on the ESP fits.
    #[error("{} has sectors of {size} bytes; only those of {} are supported", .disk.display(), SECTOR)]
    Sectors {
        /// The disk.
        disk: PathBuf,
        /// Their length.
        size: u32,
    },
    /// Its table is not ours.
    #[error("{}", .disk.display())]
    Table {
        /// The disk.
        disk: PathBuf,
        /// What is wrong.
        #[source]
        source: GptError,
    },
    /// No block device for a window of an image.
    #[error(transparent)]
    Loop(#[from] LoopError),
}

impl Place {
    /// The disk that holds the root of the machine whose root is `root`.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn running(root: &Path) -> Result<Self, PlaceError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| PlaceError::Disk { path, source }
        };
        let device = fs::metadata(root).map_err(at(root))?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let link = root.join(format!("sys/dev/block/{major}:{minor}"));
        let partition = fs::canonicalize(&link).map_err(at(&link))?;
        // A whole disk or a mapped device has no such file, and then no table of ours either.
        fs::metadata(partition.join("partition")).map_err(at(&partition.join("partition")))?;
        let block = partition.parent().ok_or_else(|| at(&partition)(io::ErrorKind::NotFound.into()))?;
        let disk = device_of(root, block);
        let layout = read_layout(&disk)?;
        Ok(Self { layout, disk, block: Some(block.to_owned()), root: root.to_owned(), _alone: None })
    }

    /// The disk or image at `path`, whose partitions are reached through loop devices. Nothing of a disk may be
    /// mounted.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn image(path: &Path) -> Result<Self, PlaceError> {
        let alone = open_with(path, OpenOptions::new().read(true).custom_flags(alone()))?;
        let layout = read_layout(path)?;
        Ok(Self { layout, disk: path.to_owned(), block: None, root: PathBuf::from("/"), _alone: Some(alone) })
    }

    /// The same with the table as it is now.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn read_again(self) -> Result<Self, PlaceError> {
        Ok(Self { layout: read_layout(&self.disk)?, ..self })
    }

    /// The disk or image file.
    #[must_use]
    pub fn disk(&self) -> &Path {
        &self.disk
    }

    /// `partition` as a block device.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn volume(&self, partition: &Partition, access: Access) -> Result<Volume, PlaceError> {
        match &self.block {
            Some(block) => {
                let folder = with_number(block, partition.number)
                    .map_err(|source| PlaceError::Disk { path: block.clone(), source })?;
                Ok(Volume::Node(device_of(&self.root, &folder)))
            }
            None => {
                let window = Window { offset: partition.offset, size: partition.size };
                Ok(Volume::Loop(LoopDevice::attach(&self.disk, window, access)?))
            }
        }
    }
}

impl Place {
    /// `partition` as a block device that cannot be written, not even by its file system.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn looked_at(&self, partition: &Partition) -> Result<Volume, PlaceError> {
        match self.volume(partition, Access::ReadOnly)? {
            Volume::Node(node) => {
                let window = Window { offset: 0, size: partition.size };
                Ok(Volume::Loop(LoopDevice::attach(&node, window, Access::ReadOnly)?))
            }
            volume @ Volume::Loop(_) => Ok(volume),
        }
    }
}

impl Volume {
    /// Its node.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Node(path) => path,
            Self::Loop(device) => device.path(),
        }
    }

    /// Writes out and forgets what is cached of it, so that the next read comes from the disk.
    ///
    /// # Errors
    /// [`ColdError`], if it is mounted.
    pub fn forget(&self) -> Result<(), ColdError> {
        match self {
            Self::Node(path) => forget_device(path),
            Self::Loop(device) => forget_loop(device),
        }
    }
}

fn read_layout(disk: &Path) -> Result<Layout, PlaceError> {
    let file = open(disk, Access::ReadOnly)?;
    gpt::read(file).map_err(|source| PlaceError::Table { disk: disk.to_owned(), source })
}

/// Opens a disk or image; for writing, only a disk of which nothing is mounted.
///
/// # Errors
/// [`PlaceError::Open`], with `EBUSY` for the disk that the machine runs from.
pub fn open(disk: &Path, access: Access) -> Result<File, PlaceError> {
    let write = access == Access::ReadWrite;
    let flags = if write { alone() } else { 0 };
    open_with(disk, OpenOptions::new().read(true).write(write).custom_flags(flags))
}

/// The kernel's meaning for a block device: nobody else may have it; none for a file.
fn alone() -> i32 {
    i32::try_from(OFlags::EXCL.bits()).expect("a flag of the kernel's")
}

fn open_with(disk: &Path, how: &OpenOptions) -> Result<File, PlaceError> {
    let failed = |source| PlaceError::Open { disk: disk.to_owned(), source };
    let file = how.open(disk).map_err(failed)?;
    if file.metadata().map_err(failed)?.file_type().is_block_device() {
        let size = rustix::fs::ioctl_blksszget(&file).map_err(|e| failed(e.into()))?;
        if size != SECTOR {
            return Err(PlaceError::Sectors { disk: disk.to_owned(), size });
        }
    }
    Ok(file)
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
    fn a_file_that_is_no_disk_of_ours_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(4 << 20).unwrap();
        let error = Place::image(file.path()).unwrap_err();
        assert!(matches!(&error, PlaceError::Table { disk, .. } if disk == file.path()), "{error:?}");
    }
}
