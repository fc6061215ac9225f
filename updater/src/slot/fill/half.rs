//! What a run that was killed left half made: it goes on at a piece, so that at most one frame is fetched again.
//!
//! What comes in several pieces is gathered under its digest in the updater's own folder of the slot, and gets its
//! path when it is whole. A file there is as long as what was made of it; that it was made right is shown by the
//! proofs of its pieces, where they have them, and in the end by its digest.

use std::fs::File;
use std::os::unix::fs::FileExt;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::SLOT_FOLDER;
use edeploy_format::{delta, pack};

use super::{FillError, Filling};
use crate::slot::entry::Shape;
use crate::slot::frames::{FramesError, Made, Part, read};
use crate::slot::sparse;
use crate::slot::tree::{Fault, Tree, fault};

const PREFIX: &str = "half-";

/// Something that is being made from its beginning on.
pub(super) struct Half {
    pub(super) made: Made,
    pub(super) file: File,
    /// So much of it is made.
    pub(super) at: u64,
}

fn name(made: Made) -> String {
    let form = if made.is_unpacked { "-unpacked" } else { "" };
    format!("{PREFIX}{}{form}", made.content)
}

pub(super) fn path(made: Made) -> Vec<u8> {
    format!("{SLOT_FOLDER}/{}", name(made)).into_bytes()
}

impl Half {
    /// Nothing of it yet.
    pub(super) fn new(slot: &Tree, made: Made) -> Result<Self, Fault> {
        if let Some(found) = slot.stat(&path(made))? {
            slot.remove(&path(made), found.shape)?;
        }
        Ok(Self { made, file: slot.create(&path(made))?, at: 0 })
    }

    /// What an earlier run left, as far as it is to be kept.
    fn resume(slot: &Tree, made: Made, at: u64) -> Result<Self, Fault> {
        let file = slot.reopen(&path(made))?;
        file.set_len(at).map_err(fault("cutting", &path(made)))?;
        Ok(Self { made, file, at })
    }

    pub(super) fn remove(slot: &Tree, made: Made) -> Result<(), Fault> {
        slot.remove(&path(made), Shape::File)
    }

    /// Appends bytes; a block of zeros becomes a hole.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let end = self.at + bytes.len() as u64;
        let written = sparse::write_at(&self.file, bytes, self.at);
        // The length is what counts when this is interrupted: it comes last.
        written.and_then(|()| self.file.set_len(end)).map_err(fault("writing", &path(self.made)))?;
        self.at = end;
        Ok(())
    }

    /// The hash of what is there.
    pub(super) fn hasher(&self, buffer: &mut [u8]) -> Result<Hasher, Fault> {
        let (mut hasher, mut at) = (Hasher::new(), 0);
        while at < self.at {
            let left = usize::try_from(self.at - at).unwrap_or(usize::MAX).min(buffer.len());
            self.file.read_exact_at(&mut buffer[..left], at).map_err(fault("reading", &path(self.made)))?;
            hasher.update(&buffer[..left]);
            at += left as u64;
        }
        Ok(hasher)
    }
}

/// What earlier runs left, and how much of it is of use: to the pack, to the delta.
#[derive(Clone, Default)]
pub(super) struct Lefts(Vec<(Made, [u64; 2])>);

impl Lefts {
    /// Looks at what is there; what nothing goes on with is removed.
    pub(super) fn find(filling: &Filling<'_>) -> Result<Self, FillError> {
        let mut lefts = Vec::new();
        for made in found(filling.slot)? {
            let by_pack = usable::<pack::Piece>(filling.slot, made, filling.pack.index)?;
            let by_delta = match filling.delta {
                Some(delta) => usable::<delta::Piece>(filling.slot, made, delta.index)?,
                None => 0,
            };
            if by_pack + by_delta == 0 {
                Half::remove(filling.slot, made)?;
            } else {
                lefts.push((made, [by_pack, by_delta]));
            }
        }
        Ok(Self(lefts))
    }

    fn at<P: Part>(&self, made: Made) -> u64 {
        let left = self.0.iter().find(|(one, _)| *one == made);
        left.map_or(0, |(_, [by_pack, by_delta])| if P::NEEDS_PROOF { *by_delta } else { *by_pack })
    }

    /// Whether what a piece makes is there.
    pub(super) fn has<P: Part>(&self, piece: &P) -> bool {
        piece.span().end <= self.at::<P>(piece.made())
    }

    /// The one that goes on at `offset`.
    pub(super) fn take<P: Part>(
        &mut self,
        slot: &Tree,
        made: Made,
        offset: u64,
    ) -> Result<Option<Half>, Fault> {
        if offset == 0 || self.at::<P>(made) != offset {
            return Ok(None);
        }
        self.0.retain(|(one, _)| *one != made);
        Half::resume(slot, made, offset).map(Some)
    }
}

/// How much of what is there are pieces of `index` that are there and right, but not the last of all, so that there
/// is one to go on with.
fn usable<P: Part>(slot: &Tree, made: Made, index: &File) -> Result<u64, FillError> {
    let file = slot.open(&path(made))?;
    let length = file.metadata().map_err(fault("looking at", &path(made)))?.len();
    let (mut before, mut at, mut goes_on, mut bytes) = (0, 0, false, Vec::new());
    let mut frames = read::<P>(index)?;
    while let Some(frame) = frames.next_frame().map_err(FramesError::from)? {
        for piece in frame.pieces.iter().filter(|piece| piece.made() == made) {
            let span = piece.span();
            if span.start == at && span.end <= length && is_right(piece, &file, &mut bytes) {
                (before, at) = (at, span.end);
            } else {
                goes_on = true;
            }
        }
    }
    Ok(if goes_on { at } else { before })
}

fn is_right<P: Part>(piece: &P, file: &File, bytes: &mut Vec<u8>) -> bool {
    let Some(proof) = piece.proof() else { return !P::NEEDS_PROOF };
    let span = piece.span();
    bytes.resize(usize::try_from(span.end - span.start).unwrap_or(0), 0);
    file.read_exact_at(bytes, span.start).is_ok() && Digest::of(bytes) == proof
}

/// All that are there; what has such a name and is none goes.
fn found(slot: &Tree) -> Result<Vec<Made>, Fault> {
    let mut halves = Vec::new();
    if slot.stat(SLOT_FOLDER.as_bytes())?.is_none_or(|found| found.shape != Shape::Folder) {
        return Ok(halves);
    }
    for (name, shape) in &slot.list(SLOT_FOLDER.as_bytes())? {
        let Some(rest) = name.strip_prefix(PREFIX.as_bytes()) else { continue };
        let text = std::str::from_utf8(rest).unwrap_or_default();
        let (content, is_unpacked) =
            text.strip_suffix("-unpacked").map_or((text, false), |text| (text, true));
        match content.parse() {
            Ok(content) if shape == Shape::File => halves.push(Made { content, is_unpacked }),
            _ => slot.remove(&[SLOT_FOLDER.as_bytes(), b"/", name].concat(), shape)?,
        }
    }
    Ok(halves)
}

/// Removes what nothing goes on with.
pub(super) fn sweep(slot: &Tree) -> Result<(), Fault> {
    found(slot)?.into_iter().try_for_each(|made| Half::remove(slot, made))
}
