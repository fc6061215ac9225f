//! What can go wrong on the ESP.

use std::io;

use edeploy_format::boot::EntryName;
use edeploy_format::digest::Digest;

/// Why something could not be done on the ESP.
#[derive(Debug, thiserror::Error)]
pub enum EspError {
    /// The device failed, or fatfs met something it does not take.
    #[error("the ESP: {action} {what}")]
    Io {
        /// Reading or writing.
        action: &'static str,
        /// Which file or part of the volume.
        what: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// There is no FAT32 volume, or one that reaches beyond its device.
    #[error("the ESP holds no FAT32 file system with 512-byte sectors")]
    NotFat32,
    /// Too small for FAT32.
    #[error("the ESP has {sectors} sectors: too few for FAT32")]
    TooSmall {
        /// What it has.
        sectors: u64,
    },
    /// Something that install made is gone or contradicts itself.
    #[error("the ESP is damaged: {what}")]
    Damaged {
        /// Which part.
        what: String,
    },
    /// A kernel or initrd that the new version shares with one that stays is another one now.
    #[error(
        "{object} on the ESP is damaged, and what boots now needs it too: \
         `edeploy-ab repair` puts it right, then upgrade"
    )]
    Rotten {
        /// The kernel or initrd.
        object: Digest,
    },
    /// Not enough room.
    #[error("the ESP has {have} bytes left for this, {need} are needed")]
    NoSpace {
        /// Bytes needed.
        need: u64,
        /// Bytes that may be taken: free, less the reserve for a rollback.
        have: u64,
    },
    /// No more names fit.
    #[error("the ESP's folder {folder} is full")]
    FolderFull {
        /// Which one.
        folder: String,
    },
    /// The content that was handed over is not the one it should be.
    #[error("a kernel or initrd for the ESP is {found:?}, not {expected:?}")]
    Content {
        /// Its digest by the manifest.
        expected: Digest,
        /// Its digest.
        found: Digest,
    },
    /// What was written came back otherwise.
    #[error("{what} does not read back from the ESP as it was written: the disk is bad")]
    ReadBack {
        /// Which file.
        what: String,
    },
    /// A kernel or initrd that an entry is to name is not there, or not whole.
    #[error("entry {name} cannot be written: {object:?} is not whole on the ESP")]
    Incomplete {
        /// The entry.
        name: EntryName,
        /// The kernel or initrd.
        object: Digest,
    },
    /// The change that makes an entry the next one to boot was begun, and neither ended nor taken back.
    #[error("whether {name} boots next is not known; `edeploy-ab status` may tell")]
    Unsure {
        /// The entry.
        name: EntryName,
        /// Why it did not end.
        #[source]
        source: Box<EspError>,
    },
}

impl EspError {
    /// For `map_err`: this was in the way of making the entry `name` the next one.
    pub(crate) fn unsure(self, name: EntryName) -> Self {
        Self::Unsure { name, source: Box::new(self) }
    }

    /// Did the device fail? Then nothing is known about what it holds.
    pub(crate) fn is_of_the_device(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.raw_os_error().is_some())
    }

    /// For `map_err`: reading `what` failed.
    pub(super) fn reading(what: &str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action: "reading", what: what.to_owned(), source }
    }

    /// For `map_err`: writing `what` failed.
    pub(super) fn writing(what: &str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { action: "writing", what: what.to_owned(), source }
    }
}
