//! First pass: what is not exactly right is removed, so that what exists afterwards is right.

use std::fs::File;

use edeploy_format::manifest::{Kind, Record};

use super::{FillError, Filled, Filling};
use crate::slot::entry::{Entry, Shape};
use crate::slot::hashing::{Done, HashError, Job, with_hashers};
use crate::slot::index::manifest;
use crate::slot::merge::{Merge, Pair};
use crate::slot::tree::{Fault, fault};

/// What is to be done with a path that manifest and slot both have.
enum Judged {
    Right,
    Wrong,
    /// Right if it hashes right.
    Hash(File),
}

/// A bit for each record of a manifest, in its order.
#[derive(Default)]
pub(super) struct Left {
    records: usize,
    words: Vec<u64>,
}

impl Left {
    fn push(&mut self, is_left: bool) {
        let bit = self.records % 64;
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(is_left) << bit;
        }
        self.records += 1;
    }

    /// Whether there may be something at the path of record `number`, counted from 0.
    pub(super) fn has(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }
}

impl Filling<'_> {
    /// Gives the paths of the manifest at which something may be left; at all others nothing is.
    pub(super) fn clear(&self, filled: &mut Filled) -> Result<Left, FillError> {
        with_hashers(|hashers| {
            let mut left = Left::default();
            let mut merge = Merge::new(manifest(self.manifest)?, self.slot.walk());
            while let Some(pair) = merge.next_pair()? {
                match &pair {
                    Pair::Both(..) => left.push(true),
                    Pair::Missing(_) => left.push(false),
                    Pair::Extra(_) => {}
                }
                match pair {
                    Pair::Missing(record) => {
                        self.progress.advance(record.content().map_or(0, |(size, _)| size));
                    }
                    Pair::Extra(entry) => {
                        self.slot.remove(&entry.path, entry.shape)?;
                        filled.removed += 1;
                        merge.skip();
                    }
                    Pair::Both(record, entry) => match self.judge(&record, &entry)? {
                        Judged::Right => {}
                        Judged::Wrong => {
                            self.slot.remove(&entry.path, entry.shape)?;
                            merge.skip();
                        }
                        Judged::Hash(file) => hashers.submit(Job { record, file, copy: None }),
                    },
                }
                while let Some(done) = hashers.finished() {
                    self.settle(done, filled)?;
                }
            }
            hashers.rest().try_for_each(|done| self.settle(done, filled))?;
            Ok(left)
        })
    }

    fn judge(&self, record: &Record, entry: &Entry) -> Result<Judged, Fault> {
        let path = &entry.path;
        Ok(match (&record.kind, entry.shape) {
            (Kind::Folder, Shape::Folder) => Judged::Right,
            (Kind::Symlink { target }, Shape::Symlink) if self.slot.target(path)? == target.as_bytes() => {
                Judged::Right
            }
            (Kind::File { size, .. }, Shape::File) => {
                let file = self.slot.open(path)?;
                let length = file.metadata().map_err(fault("looking at", path))?.len();
                if length == *size {
                    Judged::Hash(file)
                } else {
                    self.progress.advance(*size);
                    Judged::Wrong
                }
            }
            // The name alone goes: hard links are made anew at the end.
            (Kind::HardLink { .. }, _) => Judged::Wrong,
            (Kind::Folder | Kind::Symlink { .. } | Kind::File { .. }, _) => Judged::Wrong,
        })
    }

    fn settle(&self, (job, found): Done, filled: &mut Filled) -> Result<(), FillError> {
        let Some((size, digest)) = job.record.content() else { return Ok(()) };
        let path = job.record.path.as_bytes();
        self.progress.advance(size);
        match found {
            Ok(found) if found == digest => filled.kept += size,
            Ok(_) => self.slot.remove(path, Shape::File)?,
            Err(HashError::Read(e) | HashError::Write(e)) => return Err(fault("reading", path)(e).into()),
        }
        Ok(())
    }
}
