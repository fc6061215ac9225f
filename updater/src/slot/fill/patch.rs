//! Fourth pass: what the machine can make itself, contents of the delta, from those that it has.
//!
//! A base is hashed before it is patched, and what comes out is held to the manifest as everything else is. A
//! content whose base cannot be had is left to the pack.

use std::cell::Cell;
use std::io::Seek;

use edeploy_format::delta::patch::Patch;
use edeploy_format::delta::{Piece, patches};
use edeploy_format::digest::Digest;
use edeploy_format::pack;
use edeploy_format::repack::{self, Form, RepackError};

use super::base::Bases;
use super::contents::Contents;
use super::half::{self, Half, Lefts};
use super::{FillError, Filled, Filling};
use crate::failure::Failure;
use crate::slot::choice::{Choice, Offer};
use crate::slot::frames::{Frames, FramesError, Made, cost, read};
use crate::slot::index::Index;
use crate::slot::tree::{Tree, fault};

impl<'a> Filling<'a> {
    /// What of `needs` the delta makes, with the scratch files that the slot has room for.
    pub(super) fn choice(&self, needs: &Index<'a>, lefts: &Lefts) -> Result<Choice, FillError> {
        let Some(delta) = self.delta else { return Ok(Choice::default()) };
        let found = self.slot.room()?;
        let mut room = found.f_bavail.saturating_mul(found.f_frsize);
        for record in needs.records() {
            let size = record?.content().map_or(0, |(size, _)| size);
            room = room.saturating_sub(size.next_multiple_of(found.f_frsize.max(1)));
        }
        let by_delta = |piece: &Piece| Ok(!lefts.has(piece) && needs.has(&piece.view.content));
        let by_pack = |piece: &pack::Piece| Ok(!lefts.has(piece) && needs.has(&piece.content));
        let running = self.running.map(|running| running.index);
        let offer = Offer::new(delta.index, &by_delta, running, self.manifest)?;
        Ok(Choice::new(&offer, (self.pack.index, &by_pack), room)?)
    }

    /// Makes what the delta makes of `needs`; whether it does. Where it does not, the pack will.
    pub(super) fn patch(
        &self,
        needs: &Index<'a>,
        lefts: &Lefts,
        filled: &mut Filled,
    ) -> Result<bool, FillError> {
        let (Some(delta), false) = (self.delta, needs.is_empty()) else { return Ok(false) };
        match self.patch_by(delta, needs, lefts, filled) {
            Err(error) if error.is_of_the_delta() => {
                let error = Failure::from(error);
                self.progress.note(&format!("not patched, fetched whole: {error}"));
                half::sweep(self.slot)?;
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// The first bytes of those contents of `needs` that the delta makes of others of them, sorted.
    pub(super) fn made_of_each_other(&self, needs: &Index<'a>) -> Result<Vec<u64>, FillError> {
        let mut made = Vec::new();
        let Some(delta) = self.delta else { return Ok(made) };
        let mut frames = read::<Piece>(delta.index)?;
        while let Some(frame) = frames.next_frame().map_err(FramesError::from)? {
            let of_needs = |piece: &&Piece| {
                needs.has(&piece.view.content) && piece.bases.iter().any(|base| needs.has(&base.content))
            };
            made.extend(frame.pieces.iter().filter(of_needs).map(|piece| piece.view.content.prefix()));
        }
        made.sort_unstable();
        Ok(made)
    }

    fn patch_by(
        &self,
        delta: Frames<'_>,
        needs: &Index<'a>,
        lefts: &Lefts,
        filled: &mut Filled,
    ) -> Result<(), FillError> {
        let wants = |piece: &Piece| Ok(!lefts.has(piece) && needs.has(&piece.view.content));
        let download = cost(delta.index, &wants)?.bytes;
        self.progress.stage("patching", download);
        let mut patching = Patching {
            slot: self.slot,
            contents: Contents::new(self.slot, needs, lefts.clone()),
            bases: Bases::new(self, delta.index, &wants, filled.drifted)?,
            without: None,
            made: Vec::new(),
            lefts: lefts.clone(),
            half: None,
        };
        let came = Cell::new(0);
        let fetched = delta.fetch::<Piece, FillError>(
            &wants,
            |bytes| {
                came.set(came.get() + bytes);
                self.progress.advance(bytes);
            },
            |frame, streams| {
                patches(frame, streams).try_for_each(|(piece, patch)| {
                    if wants(piece)? { patching.piece(piece, patch) } else { Ok(()) }
                })
            },
        );
        // Also where the delta does not do: that came, and what was made of it stays.
        filled.patched += patching.contents.bytes();
        filled.drifted = patching.bases.drifted;
        filled.downloaded += came.get();
        fetched?;
        patching.abandon()?;
        self.progress.done();
        Ok(())
    }
}

struct Patching<'a> {
    slot: &'a Tree,
    contents: Contents<'a>,
    bases: Bases<'a>,
    /// A content whose bases cannot be had.
    without: Option<Digest>,
    made: Vec<u8>,
    /// What earlier runs left half made.
    lefts: Lefts,
    /// The unpacked form that is being made.
    half: Option<Half>,
}

impl Patching<'_> {
    fn piece(&mut self, piece: &Piece, patch: Patch<'_>) -> Result<(), FillError> {
        let content = piece.view.content;
        if self.without == Some(content) {
            return Ok(());
        }
        if !self.bases.open(&piece.bases)? {
            self.without = Some(content);
            return self.abandon();
        }
        self.made.clear();
        patch.apply(&self.bases.files, &mut self.made).map_err(FillError::Patch)?;
        if piece.proof.is_some_and(|proof| proof != Digest::of(&self.made)) {
            return Err(FillError::Piece(content));
        }
        match &piece.view.form {
            None => self.contents.put(piece, &self.made),
            Some(form) => self.unpacked(&content, form, piece.offset),
        }
    }

    /// What was made belongs to the unpacked form of a content, which is packed when it is whole.
    fn unpacked(&mut self, content: &Digest, form: &Form, offset: u64) -> Result<(), FillError> {
        let made = Made { content: *content, is_unpacked: true };
        let goes_on = |half: &Half| half.made == made && half.at == offset;
        let mut half = match self.half.take() {
            Some(half) if goes_on(&half) => half,
            Some(_) => return Err(FillError::Piece(*content)),
            None => match self.lefts.take::<Piece>(self.slot, made, offset)? {
                Some(half) => half,
                None if offset == 0 => Half::new(self.slot, made)?,
                None => return Err(FillError::Piece(*content)),
            },
        };
        if offset + self.made.len() as u64 > form.length() {
            return Err(FillError::Piece(*content));
        }
        half.append(&self.made)?;
        if half.at < form.length() {
            self.half = Some(half);
            return Ok(());
        }
        let path = half::path(made);
        half.file.rewind().map_err(fault("reading", &path))?;
        let packed = self.contents.make(content, |to| {
            repack::repack(form, &mut half.file, to).map_err(|source| packing(*content, source))
        });
        Half::remove(self.slot, made)?;
        packed
    }

    /// Gives up what was begun and not ended.
    fn abandon(&mut self) -> Result<(), FillError> {
        if let Some(half) = self.half.take() {
            Half::remove(self.slot, half.made)?;
        }
        Ok(self.contents.abandon()?)
    }
}

/// What went wrong between a content and its unpacked form.
pub(super) fn packing(content: Digest, source: RepackError) -> FillError {
    match source {
        RepackError::Read(source) | RepackError::Write(source) => FillError::Scratch(source),
        RepackError::Length | RepackError::Member => FillError::Form { content, source },
    }
}
