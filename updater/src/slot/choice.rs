//! Which contents the delta makes, and which the pack brings: whatever is fewer bytes.
//!
//! All by the delta, all by the pack, or a mix. For the mix a frame of the pack costs each content that is needed of it a
//! share by its length; a frame of the delta is fetched for all that is needed of it or for nothing, and frames that
//! a content spans are one such *stretch*. Near frames are fetched with what lies between, so it is the sums that decide.

use std::fs::File;

use edeploy_format::digest::Digest;
use edeploy_format::repack::Form;
use edeploy_format::{delta, pack};

use super::frames::{FramesError, Wants, cost, read};
use super::index::Index;

/// The contents that the delta makes, by the first bytes of their digests.
#[derive(Debug, Default)]
pub(super) struct Choice(Vec<u64>);

impl Choice {
    pub(super) fn has(&self, content: &Digest) -> bool {
        self.has_prefix(content.prefix())
    }

    pub(super) fn has_prefix(&self, prefix: u64) -> bool {
        self.0.binary_search(&prefix).is_ok()
    }

    /// Chooses among what is wanted of delta and pack. Scratch files may take `room` at once.
    pub(super) fn new(
        delta: &Offer<'_>,
        pack: (&File, Wants<'_, pack::Piece>),
        room: u64,
    ) -> Result<Self, FramesError> {
        let mix = Self::of(delta, room, &prices(pack)?)?;
        let all = Self::of(delta, room, &[])?;
        let (mut least, mut best) = (u64::MAX, Self::default());
        for choice in [Self::default(), all, mix] {
            let by_delta =
                |piece: &delta::Piece| Ok(choice.has(&piece.view.content) && (delta.wants)(piece)?);
            let by_pack = |piece: &pack::Piece| Ok(!choice.has(&piece.content) && pack.1(piece)?);
            let bytes = cost(delta.index, &by_delta)?.bytes + cost(pack.0, &by_pack)?.bytes;
            if bytes < least {
                (least, best) = (bytes, choice);
            }
        }
        Ok(best)
    }

    /// The contents of stretches that cost less than their `prices`; all where there are no prices.
    fn of(offer: &Offer<'_>, room: u64, prices: &[(u64, u64)]) -> Result<Self, FramesError> {
        let (mut chosen, mut stretch) = (Vec::new(), Stretch::default());
        let mut frames = read::<delta::Piece>(offer.index)?;
        while let Some(frame) = frames.next_frame()? {
            let first = frame.pieces.first().map(|piece| piece.view.content);
            if first != stretch.last {
                stretch.end(room, prices, &mut chosen);
            }
            stretch.last = frame.pieces.last().map(|piece| piece.view.content);
            let mut fetched = false;
            for piece in &frame.pieces {
                if (offer.wants)(piece)? {
                    fetched |= stretch.add(piece, offer.has_bases(piece));
                }
            }
            stretch.cost += if fetched { u64::from(frame.compressed) } else { 0 };
        }
        stretch.end(room, prices, &mut chosen);
        chosen.sort_unstable();
        Ok(Self(chosen))
    }
}

/// A delta, to be chosen from.
pub(super) struct Offer<'w> {
    pub(super) index: &'w File,
    pub(super) wants: Wants<'w, delta::Piece>,
    /// The first bytes of contents that are no bases: the machine's own may lie in their place.
    withheld: Vec<u64>,
}

impl<'w> Offer<'w> {
    /// For a machine on which this runs, if anything does, and the manifest of what comes.
    pub(super) fn new(
        index: &'w File,
        wants: Wants<'w, delta::Piece>,
        running: Option<&Index<'_>>,
        manifest: &File,
    ) -> Result<Self, FramesError> {
        let withheld = running.map_or(Ok(Vec::new()), |running| running.withheld(manifest))?;
        Ok(Self { index, wants, withheld })
    }

    /// Whether the bases may be patched, as far as is known without reading them.
    fn has_bases(&self, piece: &delta::Piece) -> bool {
        let withheld = |base: &delta::View| self.withheld.binary_search(&base.content.prefix()).is_ok();
        !piece.bases.iter().any(withheld)
    }
}

/// Bytes of the unpacked forms that a piece is made of and belongs to.
fn scratch(piece: &delta::Piece) -> u64 {
    let unpacked = |view: &delta::View| view.form.as_ref().map_or(0, Form::length);
    piece.bases.iter().chain([&piece.view]).map(unpacked).sum()
}

/// Frames of the delta that are fetched together or not at all.
#[derive(Default)]
struct Stretch {
    contents: Vec<u64>,
    cost: u64,
    scratch: u64,
    last: Option<Digest>,
    /// A content that cannot be made.
    without: Option<u64>,
}

impl Stretch {
    /// Adds the content of a piece, unless some piece of it cannot be made; whether it did.
    fn add(&mut self, piece: &delta::Piece, can_be_made: bool) -> bool {
        let content = piece.view.content.prefix();
        if !can_be_made {
            self.without = Some(content);
            self.contents.retain(|other| *other != content);
        }
        if self.without == Some(content) {
            return false;
        }
        self.contents.push(content);
        self.scratch = self.scratch.max(scratch(piece));
        true
    }

    /// Its contents are chosen if it costs less than the pack would for them, and there is room.
    fn end(&mut self, room: u64, prices: &[(u64, u64)], chosen: &mut Vec<u64>) {
        let Self { mut contents, cost, scratch, .. } = std::mem::take(self);
        contents.dedup();
        let price = |content: &u64| {
            let at = prices.binary_search_by_key(content, |(content, _)| *content);
            at.map_or(0, |at| prices[at].1)
        };
        if scratch <= room && (prices.is_empty() || cost < contents.iter().map(price).sum()) {
            chosen.append(&mut contents);
        }
    }
}

/// What each wanted content costs of the pack, sorted.
fn prices((index, wants): (&File, Wants<'_, pack::Piece>)) -> Result<Vec<(u64, u64)>, FramesError> {
    let mut prices: Vec<(u64, u64)> = Vec::new();
    let mut frames = read::<pack::Piece>(index)?;
    while let Some(frame) = frames.next_frame()? {
        let mut needed = Vec::new();
        for piece in &frame.pieces {
            if wants(piece)? {
                needed.push((piece.content.prefix(), u64::from(piece.length)));
            }
        }
        let all: u64 = needed.iter().map(|(_, length)| length).sum();
        let share = |length: u64| u64::from(frame.compressed) * length / all;
        prices.extend(needed.into_iter().map(|(content, length)| (content, share(length))));
    }
    prices.sort_unstable();
    prices.dedup_by(|next, one| {
        let same = next.0 == one.0;
        one.1 += if same { next.1 } else { 0 };
        same
    });
    Ok(prices)
}
