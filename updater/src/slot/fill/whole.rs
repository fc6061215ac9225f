//! Contents that come in one go: each is written to its first path, held to its digest there, and copied to the others.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};
use std::thread;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::{ManifestError, Record};

use super::{BUFFER, FillError};
use crate::slot::beside;
use crate::slot::entry::Shape;
use crate::slot::index::Index;
use crate::slot::restore::{Meta, restore_file};
use crate::slot::sparse;
use crate::slot::tree::{Fault, Tree, fault};

/// Where contents go, and what came of them.
pub(super) struct Wholes<'a> {
    pub(super) slot: &'a Tree,
    pub(super) needs: &'a Index<'a>,
    pub(super) written: Written,
    pub(super) buffer: Vec<u8>,
}

/// Files completed, and their bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Written {
    pub(super) files: usize,
    pub(super) bytes: u64,
}

impl Written {
    fn add(&mut self, more: Self) {
        self.files += more.files;
        self.bytes += more.bytes;
    }
}

impl<'a> Wholes<'a> {
    pub(super) fn new(slot: &'a Tree, needs: &'a Index<'a>) -> Self {
        Self { slot, needs, written: Written::default(), buffer: vec![0; BUFFER] }
    }

    /// The first path that needs the content, if one does.
    pub(super) fn first(&self, content: &Digest) -> Result<Option<Record>, ManifestError> {
        self.needs.find(content).next().transpose()
    }

    /// Writes each of these contents, which goes to the path of its record first; on two threads, as that takes longer
    /// than unpacking does.
    pub(super) fn write(&mut self, contents: Vec<(Record, &[u8])>) -> Result<(), FillError> {
        if contents.len() < 2 {
            return self.take(&Mutex::new(contents.into_iter()));
        }
        let root = self.slot.root().try_clone_to_owned().map_err(fault("opening", b""))?;
        let needs = self.needs;
        let contents = Mutex::new(contents.into_iter());
        let mut beside = Ok(Written::default());
        thread::scope(|scope| {
            let there = || {
                let slot = Tree::new(root);
                let mut wholes = Wholes::new(&slot, needs);
                beside = wholes.take(&contents).map(|()| wholes.written);
            };
            // Where no thread can be made, this one takes all of them.
            beside::start(scope, Box::new(there));
            self.take(&contents)
        })?;
        self.written.add(beside?);
        Ok(())
    }

    /// Writes contents of which another thread takes some as well.
    fn take<'b>(
        &mut self,
        contents: &Mutex<impl Iterator<Item = (Record, &'b [u8])>>,
    ) -> Result<(), FillError> {
        let next = || contents.lock().unwrap_or_else(PoisonError::into_inner).next();
        while let Some((record, bytes)) = next() {
            self.make(&record, |to| Ok(to.write_all(bytes)?))?;
        }
        Ok(())
    }

    /// A content that `write` writes all of, and that goes to the path of `record` first.
    pub(super) fn make(
        &mut self,
        record: &Record,
        write: impl FnOnce(&mut Whole<'_>) -> Result<(), FillError>,
    ) -> Result<(), FillError> {
        let path = record.path.as_bytes();
        let Some((size, digest)) = record.content() else { return Ok(()) };
        let file = self.slot.create(path)?;
        file.set_len(size).map_err(fault("sizing", path))?;
        let mut whole = Whole { file: &file, hasher: Hasher::new(), at: 0, size, too_long: false };
        let written = write(&mut whole);
        let right = !whole.too_long && (whole.at, whole.hasher.finish()) == (size, digest);
        if written.is_err() || !right {
            self.slot.remove(path, Shape::File)?;
            written?;
            return Err(FillError::Content(record.path.clone()));
        }
        self.complete(record, &file)?;
        Ok(restore_file(&file, path, &Meta::from(record))?)
    }

    /// The content is right in `file`: that is the first path's, or will be; the others get copies.
    pub(super) fn complete(&mut self, first: &Record, file: &File) -> Result<(), FillError> {
        let Some((size, digest)) = first.content() else { return Ok(()) };
        self.count(size);
        for other in self.needs.find(&digest).skip(1) {
            let other = other?;
            self.copy(file, size, other.path.as_bytes())?;
            self.slot.restore_new(other.path.as_bytes(), &Meta::from(&other))?;
            self.count(size);
        }
        Ok(())
    }

    fn count(&mut self, size: u64) {
        self.written.add(Written { files: 1, bytes: size });
    }

    /// Copies a file that was just written and checked.
    fn copy(&mut self, from: &File, size: u64, path: &[u8]) -> Result<(), Fault> {
        let to = self.slot.create(path)?;
        to.set_len(size).map_err(fault("sizing", path))?;
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(self.buffer.len());
            let bytes = &mut self.buffer[..length];
            from.read_exact_at(bytes, at).map_err(fault("reading back for", path))?;
            sparse::write_at(&to, bytes, at).map_err(fault("writing", path))?;
            at += length as u64;
        }
        Ok(())
    }
}

/// A file that is written from its beginning to its end, and hashed.
pub(super) struct Whole<'f> {
    file: &'f File,
    hasher: Hasher,
    at: u64,
    size: u64,
    too_long: bool,
}

impl Write for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // What is more than the manifest says is dropped, and the content is not right then.
        self.too_long |= bytes.len() as u64 > self.size - self.at;
        if self.too_long {
            return Ok(bytes.len());
        }
        self.hasher.update(bytes);
        sparse::write_at(self.file, bytes, self.at)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
