//! How much work a question may be: one count for all that a search does, so that no report can make it dear.

use std::cell::Cell;

use super::TooHard;

/// Units of work until a question is given up, each some ten nanoseconds: a second or so in all.
pub const WORK: u64 = 50_000_000;

/// What is left of the work.
#[derive(Debug)]
pub struct Budget(Cell<u64>);

impl Budget {
    /// So many units.
    #[must_use]
    pub fn of(units: u64) -> Self {
        Self(Cell::new(units))
    }

    /// How many are left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.get()
    }

    /// Takes off so many units; where there are fewer, none is left.
    pub(super) fn spend(&self, units: usize) -> Result<(), TooHard> {
        let left = self.0.get().checked_sub(units as u64);
        self.0.set(left.unwrap_or(0));
        left.map(drop).ok_or(TooHard)
    }
}
