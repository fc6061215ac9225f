//! Finds where in a base some bytes are: the longest match, or quickly a good one.

use libsais::SuffixArrayConstruction;

/// A base that can be searched.
pub trait Search {
    /// The base.
    fn base(&self) -> &[u8];

    /// A match of the beginning of `wanted`: where in the base, and how long; of length 0 when there is none.
    fn longest(&self, wanted: &[u8]) -> (usize, usize);
}

/// The longest base of which a suffix array is made: it takes five times as much memory.
pub const LONGEST: usize = 96 << 20;

/// A base with its suffix array: finds the longest match.
pub struct Sorted<'a> {
    base: &'a [u8],
    suffixes: Vec<i32>,
}

impl<'a> Sorted<'a> {
    /// Sorts the suffixes of `base`, which is no longer than [`LONGEST`].
    #[must_use]
    pub fn new(base: &'a [u8]) -> Self {
        let sorted = SuffixArrayConstruction::for_text(base).in_owned_buffer32().single_threaded().run();
        let suffixes = sorted.expect("the text is not too long, and memory is there").into_vec();
        Self { base, suffixes }
    }

    fn suffix(&self, at: i32) -> (usize, &[u8]) {
        let at = usize::try_from(at).expect("an offset in the base");
        (at, &self.base[at..])
    }
}

impl Search for Sorted<'_> {
    fn base(&self) -> &[u8] {
        self.base
    }

    fn longest(&self, wanted: &[u8]) -> (usize, usize) {
        let smaller = |&at: &i32| {
            let suffix = self.suffix(at).1;
            let n = suffix.len().min(wanted.len());
            suffix[..n] < wanted[..n]
        };
        let next = self.suffixes.partition_point(smaller);
        // The best match stands beside the place where `wanted` would stand.
        let beside = &self.suffixes[next.saturating_sub(1)..self.suffixes.len().min(next + 1)];
        let matches = beside.iter().map(|&at| {
            let (at, suffix) = self.suffix(at);
            (at, common(suffix, wanted))
        });
        matches.max_by_key(|&(_, length)| length).unwrap_or((0, 0))
    }
}

/// Matches shorter than this are not found by their hash.
const WORD: usize = 8;
/// Every so many bytes of a base one place is remembered.
const STRIDE: usize = 4;

/// A base with a table of some of its places: finds one match of eleven bytes or more, mostly a long one.
pub struct Hashed<'a> {
    base: &'a [u8],
    /// A place + 1, by the hash of the word there; 0 where there is none.
    places: Vec<u32>,
    shift: u32,
}

impl<'a> Hashed<'a> {
    /// Remembers places of `base`, of its first 4 GiB.
    #[must_use]
    pub fn new(base: &'a [u8]) -> Self {
        let bits = (base.len() / STRIDE).max(1 << 10).next_power_of_two().ilog2();
        let mut searched = Self { base, places: vec![0; 1 << bits], shift: u64::BITS - bits };
        for at in (0..base.len()).step_by(STRIDE) {
            let (Some(word), Ok(place)) = (base[at..].first_chunk(), u32::try_from(at + 1)) else { break };
            let slot = searched.slot(word);
            if searched.places[slot] == 0 {
                searched.places[slot] = place;
            }
        }
        searched
    }

    fn slot(&self, word: &[u8; WORD]) -> usize {
        // Fibonacci hashing: 2^64 divided by the golden ratio.
        let hash = u64::from_le_bytes(*word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(hash >> self.shift).expect("an index of the table")
    }
}

impl Search for Hashed<'_> {
    fn base(&self) -> &[u8] {
        self.base
    }

    fn longest(&self, wanted: &[u8]) -> (usize, usize) {
        let place = wanted.first_chunk().map_or(0, |word| self.places[self.slot(word)]);
        let Some(at) = (place as usize).checked_sub(1) else { return (0, 0) };
        match common(&self.base[at..], wanted) {
            short if short < WORD => (0, 0),
            length => (at, length),
        }
    }
}

/// How many bytes two slices begin with in common.
fn common(a: &[u8], b: &[u8]) -> usize {
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0).take_while(|(a, b)| a == b).count();
    let same = words * 8;
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}
