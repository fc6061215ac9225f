//! Third pass: what the machine does not have comes from the pack, and goes to every path that needs it.
//!
//! A content's pieces follow one another in the pack; it is hashed as they come, gets its first path when it is whole,
//! and is copied from there to the others once its digest is right. A file counts as there only when the
//! digest of all its bytes is that of the manifest.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;
use edeploy_format::pack::Piece;

use super::half::{self, Half, Lefts};
use super::{BUFFER, FillError, Filled, Filling};
use crate::slot::entry::Shape;
use crate::slot::frames::{Made, Part, cost};
use crate::slot::index::Index;
use crate::slot::restore::{Meta, restore_file};
use crate::slot::sparse;
use crate::slot::tree::{Fault, Tree, fault};

/// A content of which the first pieces have come.
struct Partial {
    /// The first path that needs it.
    record: Record,
    size: u64,
    half: Half,
    hasher: Hasher,
    /// Whether an earlier run began it.
    resumed: bool,
}

/// Puts pieces where they belong.
pub(super) struct Contents<'a> {
    slot: &'a Tree,
    needs: &'a Index<'a>,
    /// What earlier runs left half made.
    lefts: Lefts,
    partial: Option<Partial>,
    /// Whether what an earlier run had begun came out wrong: it must be fetched again, from its beginning.
    pub(super) again: bool,
    /// Files completed, and their bytes.
    files: usize,
    pub(super) bytes: u64,
    buffer: Vec<u8>,
}

impl Filling<'_> {
    pub(super) fn fetch(
        &self,
        needs: &Index<'_>,
        lefts: &Lefts,
        filled: &mut Filled,
    ) -> Result<(), FillError> {
        if needs.is_empty() {
            return Ok(());
        }
        let wants = |piece: &Piece| Ok(!lefts.has(piece) && needs.has(&piece.content));
        let download = cost(self.pack.index, &wants)?.bytes;
        filled.downloaded += download;
        self.progress.stage("fetching", download);
        let mut contents = Contents::new(self.slot, needs, lefts.clone());
        self.pack.fetch::<Piece, FillError>(
            &wants,
            |bytes| self.progress.advance(bytes),
            |frame, bytes| {
                let mut rest = bytes;
                for piece in &frame.pieces {
                    let (own, others) = rest.split_at(piece.length as usize);
                    // Asked again, to the last byte of the digest.
                    if wants(piece)? && needs.find(&piece.content).next().is_some() {
                        contents.put(piece, own)?;
                    }
                    rest = others;
                }
                Ok(())
            },
        )?;
        filled.fetched += contents.bytes;
        if contents.again {
            let mut rest = needs.clone();
            self.missing(&mut rest)?;
            return self.fetch(&rest, &Lefts::default(), filled);
        }
        contents.check_complete()?;
        self.progress.done();
        Ok(())
    }

    /// Keeps what is not there yet.
    pub(super) fn missing(&self, needs: &mut Index<'_>) -> Result<(), FillError> {
        needs.retain(|record| Ok(self.slot.stat(record.path.as_bytes())?.is_none()))
    }
}

impl<'a> Contents<'a> {
    /// Nothing has come yet of `needs`, but what earlier runs left.
    pub(super) fn new(slot: &'a Tree, needs: &'a Index<'a>, lefts: Lefts) -> Self {
        let (partial, again, files, bytes, buffer) = (None, false, 0, 0, vec![0; BUFFER]);
        Self { slot, needs, lefts, partial, again, files, bytes, buffer }
    }
}

impl Contents<'_> {
    /// The bytes of the next piece of a content that is needed.
    pub(super) fn put<P: Part>(&mut self, piece: &P, bytes: &[u8]) -> Result<(), FillError> {
        let (content, offset) = (piece.content(), piece.span().start);
        let mut partial = match self.partial.take() {
            Some(partial) if partial.is_next(content, offset) => partial,
            Some(partial) => return Err(FillError::Order(partial.record.path)),
            None => match self.begin(piece)? {
                Some(partial) => partial,
                None => return self.make(content, |to| Ok(to.write_all(bytes)?)),
            },
        };
        if partial.half.at + bytes.len() as u64 > partial.size {
            return Err(FillError::Content(partial.record.path));
        }
        partial.hasher.update(bytes);
        partial.half.append(bytes)?;
        if partial.half.at < partial.size {
            self.partial = Some(partial);
            return Ok(());
        }
        self.end(partial)
    }

    /// What a content is gathered in; `None` if its first piece is all of it.
    fn begin<P: Part>(&mut self, piece: &P) -> Result<Option<Partial>, FillError> {
        let record = self.first(piece.content())?;
        let size = record.content().map_or(0, |(size, _)| size);
        let (made, span) = (Made { content: *piece.content(), is_unpacked: false }, piece.span());
        let half = match self.lefts.take::<P>(self.slot, made, span.start)? {
            Some(half) => half,
            None if span.start != 0 => return Err(FillError::Order(record.path)),
            None if span.end >= size => return Ok(None),
            None => Half::new(self.slot, made)?,
        };
        let (hasher, resumed) = (half.hasher(&mut self.buffer)?, span.start > 0);
        Ok(Some(Partial { record, size, half, hasher, resumed }))
    }

    /// The first path that needs the content.
    fn first(&self, content: &Digest) -> Result<Record, FillError> {
        let first = self.needs.find(content).next().transpose()?;
        first.ok_or(FillError::Piece(*content))
    }

    /// The half that is whole gets its path, after all others have their copies: until then it is there.
    fn end(&mut self, partial: Partial) -> Result<(), FillError> {
        let Partial { record, size, half, hasher, resumed } = partial;
        if record.content() == Some((size, hasher.finish())) {
            self.complete(&record, &half.file)?;
            self.slot.rename(&half::path(half.made), record.path.as_bytes())?;
            return Ok(self.slot.restore_new(record.path.as_bytes(), &Meta::from(&record))?);
        }
        Half::remove(self.slot, half.made)?;
        self.again |= resumed;
        if resumed { Ok(()) } else { Err(FillError::Content(record.path)) }
    }

    /// A content that `write` writes all of.
    pub(super) fn make(
        &mut self,
        content: &Digest,
        write: impl FnOnce(&mut Whole<'_>) -> Result<(), FillError>,
    ) -> Result<(), FillError> {
        let record = self.first(content)?;
        let path = record.path.as_bytes();
        let size = record.content().map_or(0, |(size, _)| size);
        let file = self.slot.create(path)?;
        file.set_len(size).map_err(fault("sizing", path))?;
        let mut whole = Whole { file: &file, hasher: Hasher::new(), at: 0, size, too_long: false };
        let written = write(&mut whole);
        let right = !whole.too_long && (whole.at, whole.hasher.finish()) == (size, *content);
        if written.is_err() || !right {
            self.slot.remove(path, Shape::File)?;
            written?;
            return Err(FillError::Content(record.path));
        }
        self.complete(&record, &file)?;
        Ok(restore_file(&file, path, &Meta::from(&record))?)
    }

    /// The content is right in `file`: that is the first path's, or will be; the others get copies.
    fn complete(&mut self, first: &Record, file: &File) -> Result<(), FillError> {
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

    /// Gives up what was begun and not ended: it is made otherwise.
    pub(super) fn abandon(&mut self) -> Result<(), Fault> {
        let Some(partial) = self.partial.take() else { return Ok(()) };
        Half::remove(self.slot, partial.half.made)
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
        self.record.content() == Some((self.size, *content)) && self.half.at == offset
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
