//! Finds in a block what stands at a place, as liblz4's "HC" levels do: chains of places with the same hash
//! of four bytes, of which at level 9 up to 256 are tried, and a short cut through runs of one byte.

use super::LEAST;

const HASH_BITS: u32 = 15;
/// How far away a match may be.
const FARTHEST: usize = 65535;
/// Places are counted from here on, so that those the tables begin with are farther away than any.
const ORIGIN: usize = PLACES;
const PLACES: usize = 1 << 16;
const TRIES: usize = 256;
/// No match reaches into so many last bytes.
pub(super) const LAST_LITERALS: usize = 5;

/// A match: `length` bytes at `start` that stand at `from`, too.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) from: usize,
    pub(super) length: usize,
}

impl Match {
    pub(super) fn end(&self) -> usize {
        self.start + self.length
    }

    /// Leaves out its first bytes.
    pub(super) fn shift(&mut self, by: usize) {
        self.start += by;
        self.from += by;
        self.length = self.length.saturating_sub(by);
    }
}

pub(super) struct Chains<'a> {
    bytes: &'a [u8],
    /// By hash, the last place with it.
    last: Vec<u32>,
    /// By place, modulo [`PLACES`], how far before it the last place with the same hash is.
    back: Box<[u16; PLACES]>,
    /// The first place that is not yet entered.
    next: usize,
}

impl<'a> Chains<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let back = vec![0; PLACES].into_boxed_slice();
        let back = back.try_into().unwrap_or_else(|_| unreachable!("it was made so long"));
        Self { bytes, last: vec![0; 1 << HASH_BITS], back, next: 0 }
    }

    /// The bytes at a place as a number; 0 behind the end, where nothing is looked for.
    fn word(&self, at: usize) -> u32 {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
    }

    fn pair(&self, at: usize) -> Option<[u8; 2]> {
        self.bytes.get(at..).and_then(|rest| rest.first_chunk()).copied()
    }

    fn hash(&self, at: usize) -> usize {
        (self.word(at).wrapping_mul(2_654_435_761) >> (32 - HASH_BITS)) as usize
    }

    fn back(&self, place: usize) -> usize {
        usize::from(self.back[place % PLACES])
    }

    /// Enters all places before `end`.
    fn enter(&mut self, end: usize) {
        for at in self.next..end {
            let (place, hash) = (at + ORIGIN, self.hash(at));
            let distance = place - self.last[hash] as usize;
            self.back[place % PLACES] = distance.min(FARTHEST) as u16;
            self.last[hash] = place as u32;
        }
        self.next = self.next.max(end);
    }

    /// How many bytes are equal from both places on, up to the last literals.
    fn common(&self, at: usize, from: usize) -> usize {
        let end = self.bytes.len() - LAST_LITERALS;
        match (self.bytes.get(at..end), self.bytes.get(from..end)) {
            (Some(here), Some(there)) => super::super::common(here, there),
            (None, _) | (_, None) => 0,
        }
    }

    /// How many bytes are equal before both places, but not before `low`.
    fn common_before(&self, at: usize, from: usize, low: usize) -> usize {
        let these = self.bytes[low..at].iter().rev();
        these.zip(self.bytes[..from].iter().rev()).take_while(|(a, b)| a == b).count()
    }

    /// How often `byte` stands from `at` on, up to the last literals, as far as `most` times.
    fn run(&self, at: usize, byte: u8, most: usize) -> usize {
        let end = (self.bytes.len() - LAST_LITERALS).min(at.saturating_add(most));
        let (eights, rest) = self.bytes[at.min(end)..end].as_chunks::<8>();
        let full = eights.iter().take_while(|eight| **eight == [byte; 8]).count();
        let rest = eights.get(full).map_or(rest, |eight| &eight[..]);
        8 * full + rest.iter().take_while(|b| **b == byte).count()
    }

    /// How often `byte` stands before `at`, but not before `low`.
    fn run_before(&self, at: usize, byte: u8, low: usize) -> usize {
        let (rest, eights) = self.bytes[low..at].as_rchunks::<8>();
        let full = eights.iter().rev().take_while(|eight| **eight == [byte; 8]).count();
        let rest = eights.iter().rev().nth(full).map_or(rest, |eight| &eight[..]);
        8 * full + rest.iter().rev().take_while(|b| **b == byte).count()
    }

    /// The longest match that covers `at` and begins at `low` or later, if it is longer than `than`.
    pub(super) fn longest(&mut self, at: usize, low: usize, than: usize) -> Option<Match> {
        self.enter(at);
        let lowest = (at + ORIGIN).saturating_sub(FARTHEST).max(ORIGIN);
        let pattern = self.word(at);
        let byte = pattern as u8;
        if pattern != u32::from_ne_bytes([byte; 4]) {
            return self.longest_of_many(at, low, than, lowest);
        }
        // How often the byte stands here, once that is asked.
        let mut here = None;
        let mut best = Match { start: at, from: at, length: than };
        let mut last = self.last_of(&best, at, low);
        let mut place = self.last[self.hash(at)] as usize;
        for _ in 0..TRIES {
            if place < lowest || place >= at + ORIGIN {
                break;
            }
            let from = place - ORIGIN;
            if self.pair(from + last.0) == last.1 && self.word(from) == pattern {
                let found = self.widen(at, from, low);
                if found.length > best.length {
                    best = found;
                    last = self.last_of(&best, at, low);
                }
            }
            let before = place - 1;
            let back = self.back(place);
            if back != 1 || before < lowest || self.word(before - ORIGIN) != pattern {
                place -= back;
                continue;
            }
            // A run: its places are each other's neighbours in the chain, so it is looked at as a whole.
            let here = *here.get_or_insert_with(|| LEAST + self.run(at + LEAST, byte, usize::MAX));
            // Whether it is longer than here is all that counts.
            let after = LEAST + self.run(before - ORIGIN + LEAST, byte, here);
            let first = before - self.run_before(before - ORIGIN, byte, lowest - ORIGIN);
            let there = before - first + after;
            if there >= here && after <= here {
                // It is the longer one: from here it matches all of ours, and perhaps what follows.
                place = before + after - here;
                continue;
            }
            place = first;
            if at == low {
                let length = there.min(here);
                if best.length < length {
                    best = Match { start: at, from: place - ORIGIN, length };
                    last = self.last_of(&best, at, low);
                }
                place -= self.back(place);
            }
        }
        (best.length > than).then_some(best)
    }

    /// As [`Self::longest`], where no run of one byte begins: the places of the chain, one by one.
    fn longest_of_many(&self, at: usize, low: usize, than: usize, lowest: usize) -> Option<Match> {
        let pattern = self.word(at);
        let mut best = Match { start: at, from: at, length: than };
        let (mut ahead, mut last) = self.last_of(&best, at, low);
        let mut place = self.last[self.hash(at)] as usize;
        if place >= at + ORIGIN {
            return None;
        }
        let mut tries = TRIES;
        while tries > 0 && place >= lowest {
            let from = place - ORIGIN;
            if self.pair(from + ahead) == last && self.word(from) == pattern {
                let found = self.widen(at, from, low);
                if found.length > best.length {
                    best = found;
                    (ahead, last) = self.last_of(&best, at, low);
                }
            }
            place -= self.back(place);
            tries -= 1;
        }
        (best.length > than).then_some(best)
    }

    /// How far behind `at`, and what, the byte is that would make the match longer, and the one before it, were
    /// all equal from `low` on: what differs there is no better match.
    fn last_of(&self, best: &Match, at: usize, low: usize) -> (usize, Option<[u8; 2]>) {
        let last = low + best.length - 1;
        (last.saturating_sub(at), self.pair(last))
    }

    /// The match of `at` with `from`, with what is equal before.
    fn widen(&self, at: usize, from: usize, low: usize) -> Match {
        let before = self.common_before(at, from, low);
        let length = before + LEAST + self.common(at + LEAST, from + LEAST);
        Match { start: at - before, from: from - before, length }
    }
}
