//! Which contents the delta makes, and which the pack brings: whatever is fewer bytes.
//!
//! All by the delta, all by the pack, or a mix. For the mix a frame of the pack costs each content that is needed of it a
//! share by its length; a frame of the delta is fetched for all that is needed of it or for nothing, and frames that
//! a content spans are one such *stretch*. Near frames are fetched with what lies between, so it is the sums that decide.

use std::fs::File;

use edeploy_format::digest::Digest;
use edeploy_format::{delta, pack};

use super::frames::{FramesError, Wants, cost, read};
use super::index::Index;

/// The contents that the delta makes, by the first bytes of their digests.
#[derive(Debug, Default)]
pub(super) struct Choice(Vec<u64>);

impl Choice {
    pub(super) fn has(&self, content: &Digest) -> bool {
        self.0.binary_search(&content.prefix()).is_ok()
    }

    /// Chooses for the contents of `needs`; `wants` are the pieces of the delta that would be fetched for them.
    pub(super) fn new(
        delta: &File,
        wants: Wants<'_, delta::Piece>,
        pack: &File,
        needs: &Index<'_>,
    ) -> Result<Self, FramesError> {
        let mix = Self::of(delta, wants, needs, &prices(pack, needs)?)?;
        let all = Self::of(delta, wants, needs, &[])?;
        let (mut least, mut best) = (u64::MAX, Self::default());
        for choice in [Self::default(), all, mix] {
            let by_delta = |piece: &delta::Piece| Ok(choice.has(&piece.view.content) && wants(piece)?);
            let by_pack = |piece: &pack::Piece| Ok(!choice.has(&piece.content) && needs.has(&piece.content)?);
            let bytes = cost(delta, &by_delta)?.bytes + cost(pack, &by_pack)?.bytes;
            if bytes < least {
                (least, best) = (bytes, choice);
            }
        }
        Ok(best)
    }

    /// The contents of stretches that cost less than their `prices`; all where there are no prices.
    fn of(
        delta: &File,
        wants: Wants<'_, delta::Piece>,
        needs: &Index<'_>,
        prices: &[(u64, u64)],
    ) -> Result<Self, FramesError> {
        let (mut chosen, mut stretch) = (Vec::new(), Stretch::default());
        let mut frames = read::<delta::Piece>(delta)?;
        while let Some(frame) = frames.next_frame()? {
            let first = frame.pieces.first().map(|piece| piece.view.content);
            if first != stretch.last {
                stretch.end(prices, &mut chosen);
            }
            stretch.last = frame.pieces.last().map(|piece| piece.view.content);
            let mut fetched = false;
            for piece in &frame.pieces {
                if needs.has(&piece.view.content)? {
                    stretch.contents.push(piece.view.content.prefix());
                    fetched |= wants(piece)?;
                }
            }
            stretch.cost += if fetched { u64::from(frame.compressed) } else { 0 };
        }
        stretch.end(prices, &mut chosen);
        chosen.sort_unstable();
        Ok(Self(chosen))
    }
}

/// Frames of the delta that are fetched together or not at all.
#[derive(Default)]
struct Stretch {
    contents: Vec<u64>,
    cost: u64,
    last: Option<Digest>,
}

impl Stretch {
    /// Its contents are chosen if it costs less than the pack would for them.
    fn end(&mut self, prices: &[(u64, u64)], chosen: &mut Vec<u64>) {
        let Self { mut contents, cost, .. } = std::mem::take(self);
        contents.dedup();
        let price = |content: &u64| {
            let at = prices.binary_search_by_key(content, |(content, _)| *content);
            at.map_or(0, |at| prices[at].1)
        };
        if prices.is_empty() || cost < contents.iter().map(price).sum() {
            chosen.append(&mut contents);
        }
    }
}

/// What each needed content costs of the pack, sorted.
fn prices(pack: &File, needs: &Index<'_>) -> Result<Vec<(u64, u64)>, FramesError> {
    let mut prices: Vec<(u64, u64)> = Vec::new();
    let mut frames = read::<pack::Piece>(pack)?;
    while let Some(frame) = frames.next_frame()? {
        let mut needed = Vec::new();
        for piece in &frame.pieces {
            if needs.has(&piece.content)? {
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
