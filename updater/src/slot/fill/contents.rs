//! Third pass: what the machine does not have comes from the pack, and goes to every path that needs it.
//!
//! A content's pieces follow one another in the pack; it is hashed as they come, gets its first path when it is whole,
//! and is copied from there to the others once its digest is right. A file counts as there only when the
//! digest of all its bytes is that of the manifest.

use std::io::Write;
use std::mem::take;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::Record;
use edeploy_format::pack::{Frame, Piece};

use super::half::{self, Half, Lefts};
use super::whole::{Whole, Wholes};
use super::{FillError, Filled, Filling};
use crate::slot::frames::{FramesError, Made, Part, Wants, cost};
use crate::slot::index::Index;
use crate::slot::restore::Meta;
use crate::slot::tree::{Fault, Tree};

/// So many contents are written at a time, and no more than so many bytes of their attributes: a frame may hold very many
/// that are small, and each record is in memory.
const BATCH: (usize, usize) = (256, 1 << 20);

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
    wholes: Wholes<'a>,
    /// What earlier runs left half made.
    lefts: Lefts,
    partial: Option<Partial>,
    /// Whether what an earlier run had begun came out wrong: it must be fetched again, from its beginning.
    pub(super) again: bool,
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
            |frame, bytes| contents.put_all(frame, bytes, &wants),
        )?;
        filled.fetched += contents.bytes();
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
        Self { wholes: Wholes::new(slot, needs), lefts, partial: None, again: false }
    }
}

impl Contents<'_> {
    /// The bytes of the files that were completed.
    pub(super) fn bytes(&self) -> u64 {
        self.wholes.written.bytes
    }

    /// Those pieces of a frame that are wanted.
    fn put_all(&mut self, frame: &Frame, mut bytes: &[u8], wants: Wants<'_, Piece>) -> Result<(), FillError> {
        let (mut wholes, mut attributes) = (Vec::new(), 0);
        for piece in &frame.pieces {
            let (own, others) = bytes.split_at(piece.length as usize);
            bytes = others;
            if !wants(piece).map_err(FramesError::from)? {
                continue;
            }
            // Asked again, to the last byte of the digest.
            let Some(record) = self.wholes.first(&piece.content)? else { continue };
            let is_whole = record.content().is_some_and(|(size, _)| piece.span() == (0..size));
            if self.partial.is_some() || !is_whole {
                self.put(piece, own)?;
                continue;
            }
            attributes += record.xattrs.iter().map(|xattr| xattr.value.len()).sum::<usize>();
            wholes.push((record, own));
            if wholes.len() >= BATCH.0 || attributes >= BATCH.1 {
                self.wholes.write(take(&mut wholes))?;
                attributes = 0;
            }
        }
        self.wholes.write(wholes)
    }

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
        let half = match self.lefts.take::<P>(self.wholes.slot, made, span.start)? {
            Some(half) => half,
            None if span.start != 0 => return Err(FillError::Order(record.path)),
            None if span.end >= size => return Ok(None),
            None => Half::new(self.wholes.slot, made)?,
        };
        let (hasher, resumed) = (half.hasher(&mut self.wholes.buffer)?, span.start > 0);
        Ok(Some(Partial { record, size, half, hasher, resumed }))
    }

    fn first(&self, content: &Digest) -> Result<Record, FillError> {
        self.wholes.first(content)?.ok_or(FillError::Piece(*content))
    }

    /// A content that `write` writes all of.
    pub(super) fn make(
        &mut self,
        content: &Digest,
        write: impl FnOnce(&mut Whole<'_>) -> Result<(), FillError>,
    ) -> Result<(), FillError> {
        self.wholes.make(&self.first(content)?, write)
    }

    /// The half that is whole gets its path, after all others have their copies: until then it is there.
    fn end(&mut self, partial: Partial) -> Result<(), FillError> {
        let Partial { record, size, half, hasher, resumed } = partial;
        if record.content() == Some((size, hasher.finish())) {
            self.wholes.complete(&record, &half.file)?;
            self.wholes.slot.rename(&half::path(half.made), record.path.as_bytes())?;
            return Ok(self.wholes.slot.restore_new(record.path.as_bytes(), &Meta::from(&record))?);
        }
        Half::remove(self.wholes.slot, half.made)?;
        self.again |= resumed;
        if resumed { Ok(()) } else { Err(FillError::Content(record.path)) }
    }

    /// Gives up what was begun and not ended: it is made otherwise.
    pub(super) fn abandon(&mut self) -> Result<(), Fault> {
        let Some(partial) = self.partial.take() else { return Ok(()) };
        Half::remove(self.wholes.slot, partial.half.made)
    }

    /// Names the first file that the pack did not bring.
    fn check_complete(&self) -> Result<(), FillError> {
        if let Some(partial) = &self.partial {
            return Err(FillError::Missing(partial.record.path.clone()));
        }
        if self.wholes.written.files == self.wholes.needs.len() {
            return Ok(());
        }
        for record in self.wholes.needs.records() {
            let record = record?;
            if self.wholes.slot.stat(record.path.as_bytes())?.is_none() {
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
