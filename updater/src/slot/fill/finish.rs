//! Last pass: hard links, and the folders once nothing in them changes any more.

use edeploy_format::manifest::{Kind, Owner, Record};

use super::{FillError, Filling};
use crate::slot::index::manifest;
use crate::slot::restore::Meta;
use crate::slot::tree::Fault;

impl Filling<'_> {
    pub(super) fn finish(&self) -> Result<(), FillError> {
        // The folders around the record at hand.
        let mut open: Vec<Record> = Vec::new();
        let mut reader = manifest(self.manifest)?;
        while let Some(record) = reader.next_record()? {
            while let Some(folder) = open.pop_if(|folder| !record.path.is_below(folder.path.as_str())) {
                self.close(&folder)?;
            }
            match &record.kind {
                Kind::HardLink { first, .. } => self.slot.link(first.as_bytes(), record.path.as_bytes())?,
                Kind::Folder => open.push(record),
                Kind::File { .. } | Kind::Symlink { .. } => {}
            }
        }
        while let Some(folder) = open.pop() {
            self.close(&folder)?;
        }
        Ok(self.root()?)
    }

    fn close(&self, folder: &Record) -> Result<(), Fault> {
        self.slot.restore_new(folder.path.as_bytes(), &Meta::from(folder))
    }

    /// No manifest has a record for the root: it is everybody's to enter and root's to change.
    fn root(&self) -> Result<(), Fault> {
        self.slot.set_mode(b"", crate::slot::entry::Shape::Folder, 0o755)?;
        self.slot.set_root_owner(Owner { uid: 0, gid: 0 })
    }
}
