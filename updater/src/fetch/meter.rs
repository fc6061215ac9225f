//! What all fetching of one command may take: bytes, bytes a second, seconds. Its sites share one meter.
//!
//! The bodies of answers count, with what is dropped of them, each byte as it is taken; not their heads, nor
//! what a connection holds ready when it is closed.

use std::cell::Cell;
use std::io::{self, Read};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::Source;
use super::pace::Pace;
use crate::progress::{Progress, Quiet};

/// What a slow reader may take at once, as time at its rate.
const BURST: Duration = Duration::from_secs(1);
/// A read is at most this part of what a second may bring: the pauses between reads are short.
const PART: u64 = 8;
/// No byte for so many seconds, and a connection counts as broken, unless something else was asked for.
const SILENCE: u64 = 30;

/// What was asked for on the command line; `None` is without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes a second.
    pub rate: Option<NonZeroU64>,
    /// Bytes in all.
    pub bytes: Option<NonZeroU64>,
    /// Seconds without a byte after which a connection counts as broken.
    pub stall: Option<NonZeroU64>,
    /// Seconds from the first request to the last byte.
    pub deadline: Option<NonZeroU64>,
}

/// A bound that was reached. No other site would change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// It is known beforehand that too much would come.
    #[error("{needed} bytes would come in all, --max-bytes allows {allowed}")]
    Planned {
        /// Bytes that came, and those to come.
        needed: u64,
        /// The bound.
        allowed: u64,
    },
    /// More came than should have.
    #[error("more than the {allowed} bytes that --max-bytes allows have come")]
    Bytes {
        /// The bound.
        allowed: u64,
    },
    /// The time is over.
    #[error("not all came within the {seconds} s of --deadline")]
    Deadline {
        /// The bound.
        seconds: u64,
    },
}

/// Time, as fetching sees it.
pub trait Clock {
    /// Now.
    fn now(&self) -> Instant;
    /// Waits.
    fn sleep(&self, pause: Duration);
}

/// The machine's time.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, pause: Duration) {
        std::thread::sleep(pause);
    }
}

/// Counts what comes, and holds it to the limits.
pub struct Meter<'a> {
    limits: Limits,
    clock: &'a dyn Clock,
    progress: &'a dyn Progress,
    begun: Instant,
    came: Cell<u64>,
    /// When what came would have come at the rate that is allowed.
    due: Cell<Instant>,
    told: Cell<bool>,
}

impl Default for Meter<'_> {
    fn default() -> Self {
        Self::new(Limits::default(), &SystemClock, &Quiet)
    }
}

impl<'a> Meter<'a> {
    /// A meter that begins now; notes go to `progress`.
    pub fn new(limits: Limits, clock: &'a dyn Clock, progress: &'a dyn Progress) -> Self {
        let (begun, came, told) = (clock.now(), Cell::new(0), Cell::new(false));
        Self { limits, clock, progress, begun, came, due: Cell::new(begun), told }
    }

    /// How long a connection may be silent: no longer than all may take.
    pub(super) fn silence(&self) -> Duration {
        let Limits { stall, deadline, .. } = self.limits;
        let stall = stall.map_or(SILENCE, NonZeroU64::get);
        Duration::from_secs(deadline.map_or(stall, |deadline| stall.min(deadline.get())))
    }

    /// The time that is left.
    pub(super) fn left(&self) -> Result<Duration, LimitError> {
        let Some(seconds) = self.limits.deadline.map(NonZeroU64::get) else { return Ok(Duration::MAX) };
        let passed = self.clock.now().saturating_duration_since(self.begun);
        let left = Duration::from_secs(seconds).saturating_sub(passed);
        if left.is_zero() { Err(LimitError::Deadline { seconds }) } else { Ok(left) }
    }

    /// Waits, unless the time would be over then.
    pub(super) fn pause(&self, pause: Duration) -> Result<(), LimitError> {
        if let Some(seconds) = self.limits.deadline.map(NonZeroU64::get)
            && self.left()? <= pause
        {
            return Err(LimitError::Deadline { seconds });
        }
        self.clock.sleep(pause);
        Ok(())
    }

    /// Whether so many bytes may come beside those that came.
    ///
    /// # Errors
    /// [`LimitError::Planned`].
    pub(super) fn allows(&self, bytes: u64) -> Result<(), LimitError> {
        let (needed, allowed) = (self.came.get().saturating_add(bytes), self.limits.bytes);
        match allowed.map(NonZeroU64::get) {
            Some(allowed) if needed > allowed => Err(LimitError::Planned { needed, allowed }),
            _ => Ok(()),
        }
    }

    /// Tells what a person should know.
    pub(super) fn note(&self, line: &str) {
        self.progress.note(line);
    }

    /// The same, once.
    pub(super) fn note_once(&self, line: impl FnOnce() -> String) {
        if !self.told.replace(true) {
            self.note(&line());
        }
    }

    /// How many of `wanted` bytes may be read now; waits until it is any.
    fn room(&self, wanted: usize) -> Result<usize, LimitError> {
        self.left()?;
        let mut room = wanted as u64;
        if let Some(allowed) = self.limits.bytes {
            // One more than allowed tells the end of a body from a body that is too long.
            room = room.min((allowed.get().saturating_sub(self.came.get())).max(1));
        }
        if let Some(rate) = self.limits.rate {
            room = room.min((rate.get() / PART).max(1));
            let wait = self.due.get().saturating_duration_since(self.clock.now());
            if !wait.is_zero() {
                self.pause(wait)?;
            }
        }
        Ok(usize::try_from(room).unwrap_or(wanted))
    }

    fn came(&self, bytes: usize) -> Result<(), LimitError> {
        let came = self.came.get() + bytes as u64;
        self.came.set(came);
        if let Some(rate) = self.limits.rate {
            let now = self.clock.now();
            let from = now.checked_sub(BURST).map_or(now, |least| self.due.get().max(least));
            let nanoseconds = (bytes as u64).saturating_mul(1_000_000_000) / rate;
            self.due.set(from + Duration::from_nanos(nanoseconds));
        }
        match self.limits.bytes.map(NonZeroU64::get) {
            Some(allowed) if came > allowed => Err(LimitError::Bytes { allowed }),
            _ => Ok(()),
        }
    }
}

/// The limit that ended a stream, if one did.
#[must_use]
pub fn limit(error: &io::Error) -> Option<LimitError> {
    error.get_ref()?.downcast_ref().copied()
}

/// A stream whose bytes are counted and paced. The pauses are ours, not the server's slowness.
pub(super) struct Metered<'a> {
    from: Source<'a>,
    pace: Pace,
    meter: &'a Meter<'a>,
}

impl<'a> Metered<'a> {
    pub(super) fn new(mut from: impl Read + 'a, meter: &'a Meter<'a>) -> Self {
        let from = Box::new(move |buffer: &mut [u8]| from.read(buffer));
        Self { from, pace: Pace::default(), meter }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.meter.room(buffer.len()).map_err(io::Error::other)?;
        let clock = self.meter.clock;
        let asked = clock.now();
        let read = (self.from)(&mut buffer[..room]);
        let waited = clock.now().saturating_duration_since(asked);
        let pace = self.pace.came(*read.as_ref().unwrap_or(&0), waited);
        if read.is_err() || pace.is_err() {
            // A time that is over ends a read too.
            self.meter.left().map_err(io::Error::other)?;
        }
        pace?;
        let n = read?;
        self.meter.came(n).map_err(io::Error::other)?;
        Ok(n)
    }
}

#[cfg(test)]
mod tests;
