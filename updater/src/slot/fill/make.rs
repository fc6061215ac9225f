//! Second pass: everything but hard links comes into being, as far as it can be had on the machine.
//!
//! What exists is right since the first pass. A file that still has several names shares its inode
//! with another file of the manifest, which the manifest keeps apart: it is made anew.

use std::fs::File;

use edeploy_format::manifest::{Kind, Record};
use edeploy_format::path::TreePath;

use super::clear::Left;
use super::{FillError, Filled, Filling, NAMED};
use crate::slot::entry::{Found, Shape};
use crate::slot::hashing::{Copy, Done, HashError, Hashers, Job, with_hashers};
use crate::slot::index::{Index, manifest};
use crate::slot::restore::{Meta, restore_file};
use crate::slot::tree::{Tree, fault};

impl<'a> Filling<'a> {
    /// Gives the files whose content must come from the pack.
    pub(super) fn make(&self, left: &Left, filled: &mut Filled) -> Result<Index<'a>, FillError> {
        with_hashers(|hashers| {
            let needs = Index::empty(self.manifest);
            let mut making = Making { filling: self, hashers, open: 0, needs, filled };
            let mut reader = manifest(self.manifest)?;
            for number in 0.. {
                let offset = reader.offset();
                let Some(record) = reader.next_record()? else { break };
                let found = if left.has(number) { self.slot.stat(record.path.as_bytes())? } else { None };
                making.path(record, offset, found)?;
                while let Some(done) = making.hashers.finished() {
                    making.settle(done)?;
                }
            }
            making.end()
        })
    }
}

struct Making<'f, 'a> {
    filling: &'f Filling<'a>,
    hashers: Hashers,
    /// Copies that are being made.
    open: usize,
    needs: Index<'a>,
    filled: &'f mut Filled,
}

impl<'a> Making<'_, 'a> {
    fn path(&mut self, record: Record, offset: u64, found: Option<Found>) -> Result<(), FillError> {
        let (slot, path) = (self.filling.slot, record.path.as_bytes());
        match &record.kind {
            // Their owners, modes and times come last.
            Kind::Folder if found.is_some() => {}
            Kind::Folder => slot.make_folder(path)?,
            Kind::HardLink { .. } => {}
            Kind::Symlink { target } => {
                if found.is_none() {
                    slot.make_symlink(path, target.as_bytes())?;
                }
                slot.restore_new(path, &Meta::from(&record))?;
            }
            Kind::File { size, .. } => {
                let size = *size;
                self.file(record, offset, found, size)?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        record: Record,
        offset: u64,
        found: Option<Found>,
        size: u64,
    ) -> Result<(), FillError> {
        let (slot, path) = (self.filling.slot, record.path.as_bytes());
        match found {
            Some(found) if found.links == 1 => {
                return Ok(slot.restore(path, &found, &Meta::from(&record))?);
            }
            Some(_) => {
                slot.remove(path, Shape::File)?;
                self.filled.kept -= size;
            }
            None => {}
        }
        if size == 0 {
            return Ok(restore_file(&slot.create(path)?, path, &Meta::from(&record))?);
        }
        self.copy(record, offset, 0)
    }

    /// Has the content copied from the running slot, if that holds it; `tried` files of it did not.
    fn copy(&mut self, record: Record, offset: u64, mut tried: usize) -> Result<(), FillError> {
        let Some((size, digest)) = record.content() else { return Ok(()) };
        if let Some(running) = self.filling.running {
            for source in running.index.find(&digest).skip(tried) {
                let source = source.map_err(FillError::Running)?.path;
                if let Some(file) = opened(running.tree, &source, size) {
                    let to = self.filling.slot.create(record.path.as_bytes())?;
                    self.open += 1;
                    self.hashers.submit(Job { record, file, copy: Some(Copy { to, source, offset, tried }) });
                    return Ok(());
                }
                self.drifted(&source, None);
                tried += 1;
            }
        }
        self.needs.push(&digest, offset);
        Ok(())
    }

    /// A copy that was made counts if what was read is right; else the next source is tried.
    fn settle(&mut self, (job, found): Done) -> Result<(), FillError> {
        let Job { record, copy, .. } = job;
        let (Some(copy), Some((size, digest))) = (copy, record.content()) else { return Ok(()) };
        self.open -= 1;
        let (slot, path) = (self.filling.slot, record.path.as_bytes());
        match found {
            Ok(found) if found == digest => {
                restore_file(&copy.to, path, &Meta::from(&record))?;
                self.filled.copied += size;
                self.filling.progress.advance(size);
                Ok(())
            }
            Err(HashError::Write(e)) => Err(fault("writing", path)(e).into()),
            // A running slot that cannot be read is one that drifted.
            Ok(_) | Err(HashError::Read(_)) => {
                slot.remove(path, Shape::File)?;
                self.drifted(&copy.source, found.err().as_ref());
                self.copy(record, copy.offset, copy.tried + 1)
            }
        }
    }

    fn drifted(&mut self, source: &TreePath, why: Option<&HashError>) {
        self.filled.drifted += 1;
        if self.filled.drifted <= NAMED {
            let what = match why {
                Some(HashError::Read(e)) => format!("cannot be read: {e}"),
                Some(HashError::Write(_)) | None => "is not what its manifest says".to_owned(),
            };
            self.filling.progress.note(&format!("/{source} of the running slot {what}"));
        }
    }

    fn end(mut self) -> Result<Index<'a>, FillError> {
        while self.open > 0 {
            let done = self.hashers.next();
            self.settle(done)?;
        }
        self.needs.sort();
        Ok(self.needs)
    }
}

/// The file at `path`, if it is one of that size.
fn opened(tree: &Tree, path: &TreePath, size: u64) -> Option<File> {
    let file = tree.open(path.as_bytes()).ok()?;
    file.metadata().is_ok_and(|found| found.is_file() && found.len() == size).then_some(file)
}
