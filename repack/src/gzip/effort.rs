//! How hard gzip looks for matches at each level.

use super::super::form::Level;

#[derive(Clone, Copy)]
pub(super) struct Effort {
    /// Where the match before is at least this long, only a quarter of the chain is walked.
    pub(super) good: usize,
    /// Where the match before is at least this long, no better one is looked for. In the levels that do
    /// not look for better ones: matches longer than this are not entered into the chains.
    pub(super) lazy: usize,
    /// A match at least this long ends the search.
    pub(super) nice: usize,
    /// How many places are tried at most.
    pub(super) chain: usize,
    /// Whether the match at the next byte is looked at before one is taken.
    pub(super) looks_ahead: bool,
    /// Whether a block may end early where that seems to pay.
    pub(super) ends_early: bool,
}

impl Effort {
    pub(super) fn of(level: Level) -> Self {
        let (good, lazy, nice, chain) = match level.number() {
            1 => (4, 4, 8, 4),
            2 => (4, 5, 16, 8),
            3 => (4, 6, 32, 32),
            4 => (4, 4, 16, 16),
            5 => (8, 16, 32, 32),
            6 => (8, 16, 128, 128),
            7 => (8, 32, 128, 256),
            8 => (32, 128, 258, 1024),
            _ => (32, 258, 258, 4096),
        };
        let number = level.number();
        Self { good, lazy, nice, chain, looks_ahead: number > 3, ends_early: number > 2 }
    }
}
