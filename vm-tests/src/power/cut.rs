//! Which of the writes that no flush has made durable survive a cut.

use std::ops::Range;

/// A small generator of pseudo-random numbers (splitmix64): the same for the same seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// One for each place where something is chosen, so that no choice depends on how many came before.
    #[must_use]
    pub fn new(seed: u64, place: &[u64]) -> Self {
        let mut dice = Self(seed);
        for number in place {
            dice.0 ^= dice.roll() ^ number;
        }
        dice
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    /// Heads or tails.
    fn toss(&mut self) -> bool {
        self.roll() >> 63 == 1
    }
}

/// Of each of the writes, given by their numbers of sectors, the sectors that are on the medium after a cut.
///
/// The samples of one place take turns: a beginning of the sequence, its last write torn; any half; all but
/// one; one alone; any half, each torn. What is left out of the middle is what a disk does that reorders.
pub fn survivors(sectors: &[u64], sample: u32, dice: &mut Dice) -> Vec<Range<u64>> {
    let count = sectors.len() as u64;
    let chosen = dice.below(count.max(1));
    (0..)
        .zip(sectors)
        .map(|(n, &sectors)| {
            let whole = |kept: bool| if kept { 0..sectors } else { 0..0 };
            match sample % 5 {
                0 if n == chosen => 0..dice.below(sectors),
                0 => whole(n < chosen),
                1 => whole(dice.toss()),
                2 => whole(n != chosen),
                3 => whole(n == chosen),
                _ => {
                    let from = dice.below(sectors);
                    if dice.toss() { from..from + 1 + dice.below(sectors - from) } else { 0..0 }
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(number: u32, seed: u64) -> Vec<Range<u64>> {
        survivors(&[1, 8, 3, 1], number, &mut Dice::new(seed, &[4, u64::from(number)]))
    }

    #[test]
    fn a_seed_gives_the_same_cuts_again_and_another_gives_others() {
        let cuts = |seed| (0..50).map(|n| sample(n, seed)).collect::<Vec<_>>();
        assert_eq!(cuts(1), cuts(1));
        assert_ne!(cuts(1), cuts(2));
    }

    #[test]
    fn the_samples_take_turns() {
        for seed in 0..100 {
            let length = |range: &Range<u64>| range.end - range.start;
            let full = |cut: &[Range<u64>]| -> Vec<bool> {
                cut.iter().zip([1, 8, 3, 1]).map(|(range, sectors)| length(range) == sectors).collect()
            };
            let beginning = sample(0, seed);
            let torn =
                beginning.iter().zip([1, 8, 3, 1]).position(|(range, all)| length(range) < all).unwrap_or(4);
            assert!(torn < 4 && full(&beginning)[..torn].iter().all(|kept| *kept), "{beginning:?}");
            assert!(beginning[torn + 1..].iter().all(Range::is_empty), "{beginning:?}");
            assert_eq!(full(&sample(2, seed)).iter().filter(|kept| !**kept).count(), 1);
            assert_eq!(sample(3, seed).iter().filter(|range| !range.is_empty()).count(), 1);
            let torn = sample(4, seed);
            assert!(torn.iter().zip([1, 8, 3, 1]).all(|(range, all)| range.end <= all), "{torn:?}");
        }
    }
}
