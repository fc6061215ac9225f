//! Is a slot what its manifest says? Everything is read, and every difference is told.
//!
//! The same for the cold read-back before a slot is armed, which must find nothing, and for the
//! `verify` command, which leaves alone what the slot's own rules cover. Content is hashed on two
//! threads; memory is flat, but for one small entry for each group of hard links that is not complete.
//! Not compared: the root folder's own metadata, for which manifests have no record, the mode of
//! symbolic links, which Linux does not keep, and the time of the updater's own folder.

mod links;

use std::fs::File;
use std::io;

use edeploy_format::manifest::{Kind, Record, SLOT_FOLDER, Xattr};

use super::drift::{Difference, Drift};
use super::entry::{Entry, Found, Shape, shown};
use super::hashing::{Done, HashError, Hashers, Job, with_hashers};
use super::index::manifest;
use super::kept::{Kept, KeptInOrder};
use super::merge::{Merge, MergeError, Pair};
use super::restore::Meta;
use super::tree::{Fault, Tree, is_below};
use super::xattrs::file_xattrs;
use crate::progress::Progress;
use links::{Links, Name};

/// What the stage is called in which a slot is read back.
pub const READING_BACK: &str = "reading the slot back";

/// What is held against what.
pub struct Verifying<'a> {
    /// The mounted slot.
    pub slot: &'a Tree,
    /// The verified manifest.
    pub manifest: &'a File,
    /// What is left alone.
    pub kept: &'a Kept,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Records of the manifest that were compared.
    pub paths: u64,
    /// Bytes of content that were hashed.
    pub bytes: u64,
    /// Paths left alone.
    pub kept: u64,
    /// Differences told.
    pub drifts: u64,
}

impl Verifying<'_> {
    /// Compares everything, and tells `drift` of each difference, in no strict order.
    ///
    /// # Errors
    /// [`MergeError`] when manifest or slot cannot be read on; an unreadable file is a difference.
    pub fn run(&self, drift: &mut dyn FnMut(Drift)) -> Result<Verified, MergeError> {
        let reader = manifest(self.manifest)?;
        self.progress.stage(READING_BACK, reader.head().bytes);
        let verified = with_hashers(|hashers| {
            let mut merge = Merge::new(reader, self.slot.walk());
            let told = Told { sum: Verified::default(), drift, progress: self.progress };
            let mut comparison = Comparison {
                slot: self.slot,
                rules: self.kept,
                kept: self.kept.in_order(),
                hashers,
                links: Links::default(),
                extra_folders: Vec::new(),
                told,
            };
            while let Some(pair) = merge.next_pair()? {
                comparison.pair(pair, &mut merge)?;
            }
            Ok::<_, MergeError>(comparison.end())
        })?;
        self.progress.done();
        Ok(verified)
    }
}

/// Where differences go.
struct Told<'a> {
    sum: Verified,
    drift: &'a mut dyn FnMut(Drift),
    progress: &'a dyn Progress,
}

impl Told<'_> {
    fn tell(&mut self, path: &[u8], what: Difference) {
        self.sum.drifts += 1;
        (self.drift)(Drift { path: shown(path), what });
    }

    fn settle(&mut self, (job, found): Done) {
        let Some((size, digest)) = job.record.content() else { return };
        let path = job.record.path.as_bytes();
        self.progress.advance(size);
        match found {
            Ok(found) if found == digest => self.sum.bytes += size,
            Ok(_) => self.tell(path, Difference::Content),
            Err(HashError::Read(e) | HashError::Write(e)) => {
                self.tell(path, Difference::Unreadable { reason: e.to_string() });
            }
        }
    }
}

struct Comparison<'a> {
    slot: &'a Tree,
    rules: &'a Kept,
    kept: KeptInOrder<'a>,
    hashers: Hashers,
    links: Links,
    /// Folders around the path at hand that the manifest has not: told when nothing kept was in them.
    extra_folders: Vec<Vec<u8>>,
    told: Told<'a>,
}

impl Comparison<'_> {
    fn pair<R: io::BufRead>(&mut self, pair: Pair, merge: &mut Merge<'_, R>) -> Result<(), MergeError> {
        let (path, shape) = match &pair {
            Pair::Both(record, _) | Pair::Missing(record) => (record.path.as_bytes(), Shape::wanted(record)),
            Pair::Extra(entry) => (&entry.path[..], entry.shape),
        };
        self.leave_extra_folders(path);
        let covered = self.kept.judge(path, shape == Shape::Folder);
        match pair {
            Pair::Both(..) | Pair::Missing(_) if covered.by_either() => self.told.sum.kept += 1,
            Pair::Missing(record) => {
                self.told.sum.paths += 1;
                self.told.progress.advance(record.content().map_or(0, |(size, _)| size));
                self.told.tell(record.path.as_bytes(), Difference::Missing);
            }
            Pair::Both(record, entry) => {
                self.told.sum.paths += 1;
                if entry.shape == shape {
                    self.compare(record)?;
                } else {
                    let what = Difference::Shape { expected: shape, found: entry.shape };
                    self.told.tell(&entry.path, what);
                    merge.skip();
                }
            }
            Pair::Extra(_) if covered.excluded => {
                self.told.sum.kept += 1;
                // The folders above are there for its sake.
                self.extra_folders.clear();
            }
            Pair::Extra(Entry { path, shape: Shape::Folder }) => self.extra_folders.push(path),
            Pair::Extra(entry) => self.told.tell(&entry.path, Difference::Extra),
        }
        while let Some(done) = self.hashers.finished() {
            self.told.settle(done);
        }
        Ok(())
    }

    /// Tells of the extra folders that `path` is not in.
    fn leave_extra_folders(&mut self, path: &[u8]) {
        while let Some(folder) = self.extra_folders.pop_if(|folder| !is_below(path, folder)) {
            self.told.tell(&folder, Difference::Extra);
        }
    }

    /// Compares a path that has the right shape.
    fn compare(&mut self, record: Record) -> Result<(), Fault> {
        let path = record.path.as_bytes();
        let Some(found) = self.slot.stat(path)? else {
            self.told.tell(path, Difference::Missing);
            return Ok(());
        };
        match &record.kind {
            Kind::Folder => {}
            Kind::Symlink { target } => {
                let points = self.slot.target(path)?;
                if points != target.as_bytes() {
                    let (expected, found) = (target.clone(), String::from_utf8_lossy(&points).into_owned());
                    self.told.tell(path, Difference::Target { expected, found });
                }
            }
            Kind::File { .. } => {
                if !self.links.file(&record, &found) {
                    self.told.tell(path, Difference::Links);
                }
            }
            Kind::HardLink { first, .. } => {
                let first_is_kept = self.rules.covers(first, false);
                match self.links.further(self.slot, &record, first, first_is_kept, &found)? {
                    Name::Same => return Ok(()),
                    Name::Leader => {}
                    Name::Other => self.told.tell(path, Difference::Links),
                }
            }
        }
        let opened = record.content().map(|_| self.slot.open(path));
        let xattrs = match &opened {
            Some(Ok(file)) => file_xattrs(file, path)?,
            Some(Err(_)) | None => self.slot.xattrs(path)?,
        };
        self.compare_meta(path, &found, &Meta::from(&record), xattrs);
        if let Some(opened) = opened {
            self.compare_content(record, found.size, opened);
        }
        Ok(())
    }

    fn compare_meta(&mut self, path: &[u8], found: &Found, meta: &Meta<'_>, xattrs: Vec<Xattr>) {
        if found.shape != Shape::Symlink && found.mode != meta.mode {
            self.told.tell(path, Difference::Mode { expected: meta.mode, found: found.mode });
        }
        if found.owner != meta.owner {
            self.told.tell(path, Difference::Owner { expected: meta.owner, found: found.owner });
        }
        if found.mtime != meta.mtime && path != SLOT_FOLDER.as_bytes() {
            self.told.tell(path, Difference::Mtime { expected: meta.mtime, found: found.mtime });
        }
        if xattrs != meta.xattrs {
            self.told.tell(path, Difference::Xattrs { expected: meta.xattrs.to_vec(), found: xattrs });
        }
    }

    fn compare_content(&mut self, record: Record, found: u64, opened: Result<File, Fault>) {
        let Some((size, _)) = record.content() else { return };
        let path = record.path.as_bytes();
        if found != size {
            self.told.progress.advance(size);
            self.told.tell(path, Difference::Content);
            return;
        }
        match opened {
            Ok(file) => self.hashers.submit(Job { record, file, copy: None }),
            Err(fault) => self.told.tell(path, Difference::Unreadable { reason: fault.source.to_string() }),
        }
    }

    fn end(mut self) -> Verified {
        self.leave_extra_folders(b"");
        let Self { hashers, links, mut told, .. } = self;
        hashers.rest().for_each(|done| told.settle(done));
        links.incomplete().for_each(|path| told.tell(path.as_bytes(), Difference::Links));
        told.sum
    }
}
