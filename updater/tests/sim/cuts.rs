//! Which of the writes that no barrier has made durable survive a cut.

/// Up to this many writes every subset is tried, beyond that a sample.
const EXHAUSTIVE: usize = 8;
/// Random subsets of each larger set.
const SAMPLE: usize = 48;

/// A small generator of pseudo-random numbers (xorshift64*): the same at each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Subsets of `writes` unsynced writes, each as one flag per write: all of them up to [`EXHAUSTIVE`];
/// beyond, all, each one alone, all but each one, each beginning, and a random sample.
pub(crate) fn subsets(writes: usize, dice: &mut Dice) -> Vec<Vec<bool>> {
    if writes <= EXHAUSTIVE {
        return (0..1_u32 << writes).map(|mask| (0..writes).map(|n| mask >> n & 1 == 1).collect()).collect();
    }
    let mut all = vec![vec![true; writes]];
    for n in 0..writes {
        all.push((0..writes).map(|other| other == n).collect());
        all.push((0..writes).map(|other| other != n).collect());
        all.push((0..writes).map(|other| other < n).collect());
    }
    all.extend((0..SAMPLE).map(|_| (0..writes).map(|_| dice.roll() >> 32 & 1 == 1).collect()));
    all
}
