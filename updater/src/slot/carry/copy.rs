//! Copying one file, and its metadata.

use std::fs::File;
use std::io::Read;

use edeploy_format::manifest::{Kind, Record};

use super::folders::Folders;
use super::{CarryError, Carrying};
use crate::slot::restore::Meta;
use crate::slot::sparse;
use crate::slot::tree::{Fault, fault};

const BUFFER: usize = 256 << 10;

impl Carrying<'_> {
    /// Copies the content of a file of the running slot, and gives its length.
    pub(super) fn copy(&self, path: &[u8]) -> Result<u64, CarryError> {
        let from = self.running.open(path).map_err(CarryError::Running)?;
        let to = self.slot.create(path)?;
        self.copy_bytes(&from, &to, path, CarryError::Running)
    }

    fn copy_bytes(
        &self,
        mut from: &File,
        to: &File,
        path: &[u8],
        unreadable: fn(Fault) -> CarryError,
    ) -> Result<u64, CarryError> {
        let length = from.metadata().map_err(fault("looking at", path)).map_err(unreadable)?.len();
        to.set_len(length).map_err(fault("sizing", path))?;
        let (mut buffer, mut at) = (vec![0; BUFFER], 0);
        loop {
            let n = from.by_ref().take(BUFFER as u64).read(&mut buffer);
            let n = n.map_err(fault("reading", path)).map_err(unreadable)?;
            if n == 0 {
                return Ok(at);
            }
            sparse::write_at(to, &buffer[..n], at).map_err(fault("writing", path))?;
            at += n as u64;
        }
    }

    /// Gives `path` of the new slot the metadata it has in the running one.
    pub(super) fn restore(&self, path: &[u8]) -> Result<(), CarryError> {
        let (found, xattrs) = self.meta(path)?;
        let meta = Meta { mode: found.mode, owner: found.owner, mtime: found.mtime, xattrs: &xattrs };
        Ok(self.slot.restore_new(path, &meta)?)
    }

    /// Makes a file of the tree that stays one of its own.
    pub(super) fn leave_group(&self, record: &Record, folders: &mut Folders<'_>) -> Result<(), CarryError> {
        let path = record.path.as_bytes();
        match record.kind {
            Kind::File { .. } | Kind::HardLink { .. } => {}
            Kind::Folder | Kind::Symlink { .. } => return Ok(()),
        }
        if self.slot.stat(path)?.is_none_or(|found| found.links == 1) {
            return Ok(());
        }
        // Still open, so its bytes stay within reach when the name goes.
        let from = self.slot.open(path)?;
        folders.vacate(path)?;
        let to = self.slot.create(path)?;
        self.copy_bytes(&from, &to, path, CarryError::Slot)?;
        Ok(self.slot.restore_new(path, &Meta::from(record))?)
    }
}
