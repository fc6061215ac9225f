//! First pass: what is not exactly right is removed, so that what exists afterwards is right.

use std::fs::File;
use std::io;

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Kind, Record};

use super::{FillError, Filled, Filling};
use crate::slot::entry::{Entry, Shape};
use crate::slot::hashing::{Hashers, with_hashers};
use crate::slot::index::manifest;
use crate::slot::merge::{Merge, Pair};
use crate::slot::tree::{Fault, fault};

/// A file that has the right size.
struct Candidate {
    path: Vec<u8>,
    size: u64,
    digest: Digest,
}

/// What is to be done with a path that manifest and slot both have.
enum Judged {
    Right,
    Wrong,
    /// Right if it hashes right.
    Hash(Candidate, File),
}

impl Filling<'_> {
    pub(super) fn clear(&self, filled: &mut Filled) -> Result<(), FillError> {
        with_hashers(|hashers: Hashers<Candidate>| {
            let mut merge = Merge::new(manifest(self.manifest)?, self.slot.walk());
            while let Some(pair) = merge.next_pair()? {
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
                        Judged::Hash(candidate, file) => hashers.submit(candidate, file),
                    },
                }
                hashers
                    .finished()
                    .try_for_each(|(candidate, digest)| self.settle(&candidate, digest, filled))?;
            }
            hashers.rest().try_for_each(|(candidate, digest)| self.settle(&candidate, digest, filled))
        })
    }

    fn judge(&self, record: &Record, entry: &Entry) -> Result<Judged, Fault> {
        let path = &entry.path;
        Ok(match (&record.kind, entry.shape) {
            (Kind::Folder, Shape::Folder) => Judged::Right,
            (Kind::Symlink { target }, Shape::Symlink) if self.slot.target(path)? == target.as_bytes() => {
                Judged::Right
            }
            (Kind::File { size, digest }, Shape::File) => {
                let file = self.slot.open(path)?;
                let length = file.metadata().map_err(fault("looking at", path))?.len();
                if length == *size {
                    let candidate = Candidate { path: path.clone(), size: *size, digest: *digest };
                    Judged::Hash(candidate, file)
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

    fn settle(
        &self,
        candidate: &Candidate,
        digest: io::Result<Digest>,
        filled: &mut Filled,
    ) -> Result<(), FillError> {
        self.progress.advance(candidate.size);
        if digest.map_err(fault("reading", &candidate.path))? == candidate.digest {
            filled.kept += candidate.size;
        } else {
            self.slot.remove(&candidate.path, Shape::File)?;
        }
        Ok(())
    }
}
