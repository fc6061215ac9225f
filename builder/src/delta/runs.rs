//! How one content resembles another: runs of the base, each with what is inserted after it.
//!
//! The algorithm is that of bsdiff (Colin Percival, "Naive differences of executable code", 2003): where an exact
//! match is better than going on with the last one, a new run begins; each run is then grown both ways as long as
//! more than half of its bytes agree. What finds the matches is a [`Search`].

use std::ops::Range;

use super::search::Search;

/// A match that is not better by more than this does not end the run before it.
const MARGIN: usize = 8;

/// Bytes that resemble the base, and bytes after them that are new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which of the bases it is a run of.
    pub source: usize,
    /// Where in that base it begins.
    pub base: usize,
    /// Where in the new content it begins.
    pub at: usize,
    /// So many bytes resemble the base.
    pub add: usize,
    /// So many new bytes follow.
    pub insert: usize,
}

/// The runs of the searched base that make `new`; they cover it without gaps.
#[must_use]
pub fn runs(searched: &impl Search, new: &[u8]) -> Vec<Run> {
    let mut runs = Runs { base: searched.base(), new, found: Vec::new(), at: 0, from: 0 };
    // The open run goes on at `offset` from here; `length` is that of the last match.
    let (mut at, mut length, mut offset) = (0, 0, 0_isize);
    while at < new.len() {
        at += length;
        // Of the bytes of the match, so many agree with the open run as well.
        let (mut score, mut scored) = (0, at);
        let mut position = 0;
        while at < new.len() {
            (position, length) = searched.longest(&new[at..]);
            // A search that finds no match may still overlook a byte that agrees.
            let end = at + length.max(1);
            score += runs.agreeing(scored..end, offset);
            scored = scored.max(end);
            if (length == score && length > 0) || length > score + MARGIN {
                break;
            }
            score -= usize::from(runs.agrees(at, offset));
            at += 1;
        }
        if length != score || at == new.len() {
            runs.close(at, position);
            offset = position.cast_signed() - at.cast_signed();
        }
    }
    runs.found
}

/// The runs so far, and the beginning of the one that is open.
struct Runs<'a> {
    base: &'a [u8],
    new: &'a [u8],
    found: Vec<Run>,
    /// Where in the new content the open run begins.
    at: usize,
    /// Where in the base it begins.
    from: usize,
}

impl Runs<'_> {
    /// Whether the byte at `at` is the base's at `at + offset`.
    fn agrees(&self, at: usize, offset: isize) -> bool {
        let base = at.checked_add_signed(offset).and_then(|at| self.base.get(at));
        base.is_some() && base == self.new.get(at)
    }

    /// How many of those bytes agree.
    fn agreeing(&self, range: Range<usize>, offset: isize) -> usize {
        let begin = range.start.max(offset.saturating_neg().max(0).cast_unsigned()).min(range.end);
        let base = begin.checked_add_signed(offset).and_then(|at| self.base.get(at..)).unwrap_or_default();
        let new = &self.new[begin..range.end];
        if base.starts_with(new) {
            return new.len();
        }
        new.iter().zip(base).filter(|(new, base)| new == base).count()
    }

    /// Ends the open run; the next begins with the match of `new[at..]` at `position` of the base.
    fn close(&mut self, at: usize, position: usize) {
        let new = &self.new[self.at..at];
        let forward = forward(new, &self.base[self.from.min(self.base.len())..]);
        let backward = if at < self.new.len() { backward(new, &self.base[..position]) } else { 0 };
        let (forward, backward) = self.share(at, position, forward, backward);
        let insert = at - backward - self.at - forward;
        self.found.push(Run { source: 0, base: self.from, at: self.at, add: forward, insert });
        (self.at, self.from) = (at - backward, position - backward);
    }

    /// Where two runs overlap, each byte goes to the one it resembles more.
    fn share(&self, at: usize, position: usize, forward: usize, backward: usize) -> (usize, usize) {
        let overlap = (self.at + forward).saturating_sub(at - backward);
        let (mut score, mut best, mut kept) = (0_isize, 0, 0);
        for i in 0..overlap {
            let first = forward - overlap + i;
            let second = position - backward + i;
            let here = self.new[self.at + first];
            score += isize::from(here == self.base[self.from + first]);
            score -= isize::from(here == self.base[second]);
            if score > best {
                (best, kept) = (score, i + 1);
            }
        }
        (forward - overlap + kept, backward - kept)
    }
}

/// So many bytes are compared at once.
const BLOCK: usize = 64;

/// How far a run grows from its beginning.
fn forward(new: &[u8], base: &[u8]) -> usize {
    let length = new.len().min(base.len());
    let blocks = new[..length].chunks(BLOCK).zip(base[..length].chunks(BLOCK));
    let mut growth = Growth::default();
    for (new, base) in blocks {
        if new == base {
            growth.agree(new.len());
        } else {
            new.iter().zip(base).for_each(|(new, base)| growth.byte(new == base));
        }
    }
    growth.best
}

/// How far a run grows from its end.
fn backward(new: &[u8], base: &[u8]) -> usize {
    let length = new.len().min(base.len());
    let ends = [&new[new.len() - length..], &base[base.len() - length..]];
    let mut growth = Growth::default();
    for (new, base) in ends[0].rchunks(BLOCK).zip(ends[1].rchunks(BLOCK)) {
        if new == base {
            growth.agree(new.len());
        } else {
            new.iter().zip(base).rev().for_each(|(new, base)| growth.byte(new == base));
        }
    }
    growth.best
}

/// A run grows to where most of its bytes agree: counting one for each that does, and one less for each that does not.
#[derive(Default)]
struct Growth {
    length: usize,
    score: isize,
    highest: isize,
    /// The length where the score was highest.
    best: usize,
}

impl Growth {
    fn byte(&mut self, agrees: bool) {
        self.length += 1;
        self.score += if agrees { 1 } else { -1 };
        self.rate();
    }

    /// So many bytes that all agree.
    fn agree(&mut self, bytes: usize) {
        self.length += bytes;
        self.score += bytes.cast_signed();
        self.rate();
    }

    fn rate(&mut self) {
        if self.score > self.highest {
            (self.highest, self.best) = (self.score, self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::noise;

    use crate::delta::search::{Hashed, Sorted};

    /// What the runs make, which must be `new` again; and how many of its bytes they insert.
    fn inserted(base: &[u8], new: &[u8]) -> usize {
        covered(base, new, &runs(&Hashed::new(base), new));
        covered(base, new, &runs(&Sorted::new(base), new))
    }

    fn covered(base: &[u8], new: &[u8], runs: &[Run]) -> usize {
        let mut at = 0;
        for run in runs {
            assert_eq!(run.at, at, "{runs:?}");
            assert!(run.base + run.add <= base.len(), "{runs:?}");
            at += run.add + run.insert;
        }
        assert_eq!(at, new.len(), "{runs:?}");
        runs.iter().map(|run| run.insert).sum()
    }

    #[test]
    fn the_same_content_is_one_run() {
        let text = noise(1, 5000);
        let one = [Run { source: 0, base: 0, at: 0, add: 5000, insert: 0 }];
        assert_eq!(runs(&Sorted::new(&text), &text), one);
        assert_eq!(runs(&Hashed::new(&text), &text), one);
    }

    #[test]
    fn scattered_changes_stay_inside_runs() {
        let base = noise(1, 5000);
        let mut new = base.clone();
        for at in (0..5000).step_by(50) {
            new[at] ^= 0x55;
        }
        assert_eq!(inserted(&base, &new), 0);
    }

    #[test]
    fn what_moved_is_found_and_what_is_new_is_inserted() {
        let (base, new) = (noise(1, 4000), noise(2, 300));
        let moved = [&base[2000..], &new, &base[..2000]].concat();
        let inserted = inserted(&base, &moved);
        assert!((290..=300).contains(&inserted), "{inserted}");
    }

    #[test]
    fn any_pair_is_covered() {
        let edges = [vec![], vec![0], vec![0; 300], b"abab".repeat(50), noise(3, 40), noise(4, 700)];
        for base in &edges {
            for new in &edges {
                inserted(base, new);
                inserted(base, &[&new[..], base].concat());
                inserted(&[&base[..], new].concat(), new);
            }
        }
    }
}
