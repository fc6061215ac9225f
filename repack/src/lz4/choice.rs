//! Which matches a block is made of: each is weighed against a longer one that begins in it, and that one
//! against a third, before the first is written.

use super::chains::{Chains, LAST_LITERALS, Match};
use super::{LEAST, LONG, Sequences};

/// No match begins in so many last bytes.
const LAST_MATCH: usize = 12;
/// The longest match whose length fits into a token.
const SHORT: usize = LONG - 1 + LEAST;

struct Choice<'a> {
    bytes: &'a [u8],
    chains: Chains<'a>,
    /// The first place that is not yet written.
    at: usize,
    /// The last place where a match may begin.
    last: usize,
    to: Sequences,
}

/// One block.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let to = Sequences(Vec::with_capacity(bytes.len() / 2));
    let mut choice = Choice { bytes, chains: Chains::new(bytes), at: 0, last: 0, to };
    if let Some(last) = bytes.len().checked_sub(LAST_MATCH).filter(|last| *last > 0) {
        choice.last = last;
        choice.matches();
    }
    choice.to.literals(&bytes[choice.at..], 0);
    choice.to.0
}

impl Choice<'_> {
    fn matches(&mut self) {
        let mut at = 0;
        while at <= self.last {
            match self.chains.longest(at, at, LEAST - 1) {
                Some(found) => {
                    self.follow(found);
                    at = self.at;
                }
                None => at += 1,
            }
        }
    }

    /// Writes a match.
    fn put(&mut self, found: Match) {
        // Both are in order whatever the data; were they not, the result would be wrong, and found to be.
        let literals = self.bytes.get(self.at..found.start).unwrap_or_default();
        self.to.put(literals, found.start - found.from, found.length);
        self.at = found.end().min(self.bytes.len() - LAST_LITERALS);
    }

    /// A match longer than `than` that begins in it, not before its start, and covers what is `before` its end.
    fn longer(&mut self, than: Match, before: usize) -> Option<Match> {
        let end = than.end();
        if end > self.last { None } else { self.chains.longest(end - before, than.start, than.length) }
    }

    /// Writes matches from `first` on, until one is found that no longer one follows.
    fn follow(&mut self, mut first: Match) {
        // What `first` was before longer ones took its place.
        let mut skipped = first;
        loop {
            let Some(second) = self.longer(first, 2) else {
                return self.put(first);
            };
            if skipped.start < first.start && second.start < first.start + skipped.length {
                first = skipped;
            }
            if second.start - first.start < 3 {
                first = second;
                continue;
            }
            match self.follow_two(first, second) {
                Some(next) => (first, skipped) = next,
                None => return,
            }
        }
    }

    /// Writes the first of two matches, and goes on with what follows. Returns where the second gave way to a
    /// third: that, and the second.
    fn follow_two(&mut self, mut first: Match, mut second: Match) -> Option<(Match, Match)> {
        loop {
            part(first, &mut second);
            let Some(third) = self.longer(second, 3) else {
                first.length = first.length.min(second.start - first.start);
                self.put(first);
                self.put(second);
                return None;
            };
            if third.start >= first.end() + 3 {
                if second.start < first.end() {
                    first.length = part(first, &mut second).unwrap_or(second.start - first.start);
                }
                self.put(first);
                (first, second) = (second, third);
            } else if third.start >= first.end() {
                second.shift(first.end().saturating_sub(second.start));
                if second.length < LEAST {
                    second = third;
                }
                self.put(first);
                return Some((third, second));
            } else {
                second = third;
            }
        }
    }
}

/// Where the second of two matches begins early in the first, moves its start so that the first keeps what is
/// cheap to write; returns what that is.
fn part(first: Match, second: &mut Match) -> Option<usize> {
    let between = second.start - first.start;
    if between >= SHORT {
        return None;
    }
    let kept = first.length.min(SHORT).min((between + second.length).saturating_sub(LEAST));
    second.shift(kept.saturating_sub(between));
    Some(kept)
}
