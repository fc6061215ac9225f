//! What lies at a path of a slot.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use edeploy_format::manifest::{Kind, Owner, Record};
use rustix::fs::{FileType, Stat};

/// The kind of a path, as far as a folder's listing tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A device node, socket or FIFO: no tree holds one.
    Special,
}

impl Shape {
    pub(super) fn of(kind: FileType) -> Self {
        match kind {
            FileType::Directory => Self::Folder,
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Symlink,
            _ => Self::Special,
        }
    }

    /// The shape that `record` wants.
    #[must_use]
    pub fn wanted(record: &Record) -> Self {
        match record.kind {
            Kind::Folder => Self::Folder,
            Kind::File { .. } | Kind::HardLink { .. } => Self::File,
            Kind::Symlink { .. } => Self::Symlink,
        }
    }

    /// The word for it in messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::File => "file",
            Self::Symlink => "symbolic link",
            Self::Special => "special file",
        }
    }
}

/// One step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path below the slot's root, which need not be UTF-8.
    pub path: Vec<u8>,
    /// What the listing says it is.
    pub shape: Shape,
}

/// What `stat` says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub shape: Shape,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// Seconds since 1970, and nanoseconds.
    pub mtime: (i64, u32),
    /// Length in bytes.
    pub size: u64,
    /// The inode's number.
    pub inode: u64,
    /// How many names the inode has.
    pub links: u64,
}

impl From<Stat> for Found {
    fn from(stat: Stat) -> Self {
        Self {
            shape: Shape::of(FileType::from_raw_mode(stat.st_mode)),
            mode: stat.st_mode & 0o7777,
            owner: Owner { uid: stat.st_uid, gid: stat.st_gid },
            mtime: (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            inode: stat.st_ino,
            links: stat.st_nlink,
        }
    }
}

/// A path for messages: from the root, in one line.
pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", OsStr::from_bytes(path).display()).replace(|c: char| c.is_control(), "\u{fffd}")
}
