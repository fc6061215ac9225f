//! How much work a question may be: one count for all that a search does, so that no report can make it dear.

use std::cell::Cell;

use super::TooHard;

/// Units of work until it is given up, each some ten nanoseconds: a second or so in all.
pub const WORK: u64 = 50_000_000;

/// What is left of the work.
pub(super) struct Budget(Cell<u64>);

impl Budget {
    pub(super) fn of(units: u64) -> Self {
        Self(Cell::new(units))
    }

    /// Takes off so many units.
    pub(super) fn spend(&self, units: usize) -> Result<(), TooHard> {
        self.0.set(self.0.get().checked_sub(units as u64).ok_or(TooHard)?);
        Ok(())
    }
}
