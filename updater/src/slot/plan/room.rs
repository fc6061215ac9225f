//! What a tree takes of an ext4 file system, estimated from above.
//!
//! Everything that does not belong is removed before anything is written, so the whole tree beside
//! what the updater keeps for itself is the most there ever is. Holes are not counted as such.

use edeploy_format::manifest::{Kind, Record};
use edeploy_format::slot::Slot;

const BLOCK: u64 = 4096;
const INODE: u64 = 256;
/// ext4 keeps at most this part of a partition for itself: the journal, tables of groups.
const FILE_SYSTEM: u64 = 16;
/// A symbolic link shorter than this lies in its inode.
const FAST_SYMLINK: usize = 60;
/// What an inode of 256 bytes has left for attributes.
const INLINE_XATTRS: usize = 92;
/// Trust metadata, lists, and what nobody thought of.
const MARGIN: u64 = 4 << 20;
/// ext4's own inodes, and those of the updater's folder.
const OWN_INODES: u64 = 32;

/// What a slot must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Inodes.
    pub inodes: u64,
}

/// The slot is too small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "slot {slot} has room for {found} bytes, the version needs {needed}; slots keep the size that the first \
     version asked for"
)]
pub struct NoRoom {
    /// Which.
    pub slot: Slot,
    /// What the version needs.
    pub needed: u64,
    /// What the slot has in all.
    pub found: u64,
}

impl Need {
    pub(super) fn record(&mut self, record: &Record) {
        // Its name in a folder whose blocks are two thirds full.
        self.bytes += (record.path.name().len() as u64 + 11) * 3 / 2;
        let blocks = match &record.kind {
            Kind::Folder => 1,
            Kind::File { size, .. } => size.div_ceil(BLOCK) + size / (64 << 20),
            Kind::HardLink { .. } => return,
            Kind::Symlink { target } => u64::from(target.len() >= FAST_SYMLINK),
        };
        let xattrs: usize = record.xattrs.iter().map(|x| 20 + x.name.len() + x.value.len()).sum();
        self.bytes += (blocks + u64::from(xattrs > INLINE_XATTRS)) * BLOCK;
        self.inodes += 1;
    }

    pub(super) fn carried(&mut self, size: u64) {
        self.bytes += (1 + size.div_ceil(BLOCK)) * BLOCK;
        self.inodes += 1;
    }

    /// With the texts that describe the version, of so many bytes.
    pub(super) fn own_folder(&mut self, texts: u64) {
        self.bytes += texts + MARGIN;
        self.inodes += OWN_INODES;
    }

    /// Whether `slot`, a partition of so many bytes, has room for it once it is empty. Inodes are no matter
    /// but for their bytes: a file system with too few of them is made anew.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn fits(&self, slot: Slot, partition: u64) -> Result<(), NoRoom> {
        let (needed, found) = (self.needed(), usable(partition));
        if needed > found { Err(NoRoom { slot, needed, found }) } else { Ok(()) }
    }

    /// What such a partition has left for scratch files.
    pub(super) fn left(&self, partition: u64) -> u64 {
        usable(partition).saturating_sub(self.needed())
    }

    fn needed(&self) -> u64 {
        self.bytes + self.inodes * INODE
    }
}

/// What is left of a partition when it has a file system.
fn usable(partition: u64) -> u64 {
    partition - partition / FILE_SYSTEM
}
