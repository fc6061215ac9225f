//! Third pass: what the machine does not have comes from the pack, and goes to every path that needs it.
//!
//! A content's pieces follow one another in the pack; it is written to the first path as they come,
//! hashed on the way, and copied from there to the others once its digest is right. A file counts
//! as there only when the digest of all its bytes is that of the manifest.

use std::fs::File;
use std::os::unix::fs::FileExt;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;

use super::{BUFFER, FillError, Filled, Filling};
use crate::slot::entry::Shape;
use crate::slot::frames::{cost, fetch};
use crate::slot::index::Index;
use crate::slot::restore::Meta;
use crate::slot::sparse;
use crate::slot::tree::{Fault, Tree, fault};

/// A content of which the first pieces have come.
struct Partial {
    /// The first path that needs it.
    record: Record,
    size: u64,
    file: File,
    hasher: Hasher,
    at: u64,
}

/// Puts pieces where they belong.
pub(super) struct Contents<'a> {
    slot: &'a Tree,
    needs: &'a Index<'a>,
    partial: Option<Partial>,
    /// Files completed, and their bytes.
    files: usize,
    pub(super) bytes: u64,
    buffer: Vec<u8>,
}

impl Filling<'_> {
    pub(super) fn fetch(&self, needs: &Index<'_>, filled: &mut Filled) -> Result<(), FillError> {
        if needs.is_empty() {
            return Ok(());
        }
        let download = cost(self.pack.index, needs)?.bytes;
        filled.downloaded += download;
        self.progress.stage("fetching", download);
        let mut contents = Contents::new(self.slot, needs);
        fetch::<_, FillError>(
            (self.pack.fetch, self.pack.path),
            self.pack.frames()?,
            needs,
            |bytes| self.progress.advance(bytes),
            |frame, bytes| {
                let mut rest = bytes;
                for piece in &frame.pieces {
                    let (own, others) = rest.split_at(piece.length as usize);
                    contents.put(&piece.content, piece.offset, own)?;
                    rest = others;
                }
                Ok(())
            },
        )?;
        contents.check_complete()?;
        filled.fetched = contents.bytes;
        self.progress.done();
        Ok(())
    }
}

impl<'a> Contents<'a> {
    /// Nothing has come yet of `needs`.
    pub(super) fn new(slot: &'a Tree, needs: &'a Index<'a>) -> Self {
        Self { slot, needs, partial: None, files: 0, bytes: 0, buffer: vec![0; BUFFER] }
    }
}

impl Contents<'_> {
    /// The next bytes of a content; nothing is done with one that is not needed.
    pub(super) fn put(&mut self, content: &Digest, offset: u64, bytes: &[u8]) -> Result<(), FillError> {
        let mut partial = match self.partial.take() {
            Some(partial) if partial.is_next(content, offset) => partial,
            Some(partial) => return Err(FillError::Order(partial.record.path)),
            None => match self.begin(content, offset)? {
                Some(partial) => partial,
                None => return Ok(()),
            },
        };
        let path = partial.record.path.as_bytes();
        if partial.at + bytes.len() as u64 > partial.size {
            return Err(FillError::Content(partial.record.path));
        }
        partial.hasher.update(bytes);
        sparse::write_at(&partial.file, bytes, partial.at).map_err(fault("writing", path))?;
        partial.at += bytes.len() as u64;
        if partial.at < partial.size {
            self.partial = Some(partial);
            return Ok(());
        }
        self.complete(partial)
    }

    /// The first path that needs the content; `None` if none does.
    fn begin(&self, content: &Digest, offset: u64) -> Result<Option<Partial>, FillError> {
        let Some(record) = self.needs.find(content).next().transpose()? else { return Ok(None) };
        let (size, _) = record.content().expect("only files are needed");
        if offset != 0 {
            return Err(FillError::Order(record.path));
        }
        let path = record.path.as_bytes();
        let file = self.slot.create(path)?;
        file.set_len(size).map_err(fault("sizing", path))?;
        Ok(Some(Partial { record, size, file, hasher: Hasher::new(), at: 0 }))
    }

    fn complete(&mut self, partial: Partial) -> Result<(), FillError> {
        let Partial { record: first, size, file, hasher, .. } = partial;
        let digest = hasher.finish();
        if first.content() != Some((size, digest)) {
            self.slot.remove(first.path.as_bytes(), Shape::File)?;
            return Err(FillError::Content(first.path));
        }
        self.slot.restore_new(first.path.as_bytes(), &Meta::from(&first))?;
        self.count(size);
        for other in self.needs.find(&digest).skip(1) {
            let other = other?;
            self.copy(&file, size, other.path.as_bytes())?;
            self.slot.restore_new(other.path.as_bytes(), &Meta::from(&other))?;
            self.count(size);
        }
        Ok(())
    }

    /// Gives up what was begun and not ended: it is made otherwise.
    pub(super) fn abandon(&mut self) -> Result<(), Fault> {
        let Some(partial) = self.partial.take() else { return Ok(()) };
        self.slot.remove(partial.record.path.as_bytes(), Shape::File)
    }

    fn count(&mut self, size: u64) {
        self.files += 1;
        self.bytes += size;
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

    /// Names the first file that the pack did not bring.
    fn check_complete(&self) -> Result<(), FillError> {
        if let Some(partial) = &self.partial {
            return Err(FillError::Missing(partial.record.path.clone()));
        }
        if self.files == self.needs.len() {
            return Ok(());
        }
        for record in self.needs.records() {
            let record = record?;
            if self.slot.stat(record.path.as_bytes())?.is_none() {
                return Err(FillError::Missing(record.path));
            }
        }
        Ok(())
    }
}

impl Partial {
    fn is_next(&self, content: &Digest, offset: u64) -> bool {
        self.record.content() == Some((self.size, *content)) && self.at == offset
    }
}
