//! The cheapest way to make one content: measured, never guessed.

use edeploy_format::delta::BASES;
use edeploy_format::digest::Digest;

use super::cut::{Cut, cut, whole};
use super::runs::Searched;

/// A content of which both sides are no longer than this is searched with a suffix array, five times as long.
pub const SEARCHED: usize = 96 << 20;
/// A piece takes no more of a frame than this.
pub const PIECE: usize = 4 << 20;
const _: () = assert!(PIECE <= edeploy_format::pack::FRAME_LIMIT as usize && BASES > 0);
/// The zstd level by which ways are compared.
const MEASURE: i32 = 3;
/// What one more base costs in the index: its digest does not compress.
const BASE: usize = 33;

/// How a content is made.
#[derive(Clone, Debug)]
pub struct Way {
    /// Its pieces.
    pub cuts: Vec<Cut>,
    /// The base, unless it is inserted whole.
    pub base: Option<Digest>,
    /// About so many bytes of the delta.
    pub cost: usize,
}

fn way(cuts: Vec<Cut>, base: Option<Digest>) -> Way {
    let streams: Vec<u8> =
        cuts.iter().flat_map(|cut| [&cut.control, &cut.difference, &cut.extra]).flatten().copied().collect();
    let compressed = zstd::bulk::compress(&streams, MEASURE).map_or(streams.len(), |bytes| bytes.len());
    Way { cuts, cost: compressed + base.map_or(0, |_| BASE), base }
}

/// The way that costs least: whole, or from one of the `bases`.
#[must_use]
pub fn best(new: &[u8], bases: &[(Digest, Vec<u8>)]) -> Way {
    let mut best = way(whole(new, PIECE), None);
    for (digest, base) in bases {
        if base.is_empty() || base.len().max(new.len()) > SEARCHED {
            continue;
        }
        let found = way(cut(&Searched::new(base).runs(new), base, new, PIECE), Some(*digest));
        if found.cost < best.cost {
            best = found;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_that_resembles_most_wins_and_none_beats_a_bad_one() {
        let noise = |seed: u64| {
            let mut seed = seed;
            let byte = move || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed.to_be_bytes()[0]
            };
            std::iter::repeat_with(byte).take(3000).collect::<Vec<u8>>()
        };
        let (one, two) = (noise(1), noise(2));
        let new = [&one[..], b"more"].concat();
        let digest = |bytes: &[u8]| Digest::of(bytes);
        let bases = [(digest(&two), two.clone()), (digest(&one), one.clone())];
        let found = best(&new, &bases);
        assert_eq!(found.base, Some(digest(&one)));
        assert!(found.cost < 100, "{}", found.cost);
        assert_eq!(best(&new, &bases[..1]).base, None);
    }
}
