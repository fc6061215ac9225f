//! A server that sends, but hardly: it must not hold an upgrade up for ever.
//!
//! Only the time spent waiting for bytes counts, not what the reader does with them.

use std::io;
use std::time::Duration;

/// Over so much waiting the pace is judged.
const WINDOW: Duration = Duration::from_secs(60);
/// Fewer bytes in it are too few: some 1 kB a second.
const LEAST: u64 = 64 << 10;

/// What came in the window at hand.
#[derive(Default)]
pub(super) struct Pace {
    bytes: u64,
    waited: Duration,
}

impl Pace {
    /// Notes that `bytes` came after so much waiting.
    pub(super) fn came(&mut self, bytes: usize, waited: Duration) -> io::Result<()> {
        self.bytes += bytes as u64;
        self.waited += waited;
        if self.waited < WINDOW {
            return Ok(());
        }
        let Self { bytes, waited } = std::mem::take(self);
        if bytes >= LEAST {
            return Ok(());
        }
        let slow = format!("too slow: {bytes} bytes in {} s", waited.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, slow))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_a_second_ends_after_a_minute() {
        let mut pace = Pace::default();
        let seconds = (1..).find(|_| pace.came(1, Duration::from_secs(1)).is_err());
        assert_eq!(seconds, Some(60));
    }

    #[test]
    fn a_modem_is_fast_enough_and_a_slow_reader_is_no_slow_server() {
        let mut pace = Pace::default();
        assert!((0..600).all(|_| pace.came(1100, Duration::from_secs(1)).is_ok()));
        assert!((0..600).all(|_| pace.came(1, Duration::from_millis(1)).is_ok()));
    }

    #[test]
    fn speed_in_one_minute_does_not_excuse_the_next() {
        let mut pace = Pace::default();
        assert!(pace.came(1 << 30, WINDOW).is_ok());
        let error = pace.came(17, WINDOW).unwrap_err();
        assert_eq!(error.to_string(), "too slow: 17 bytes in 60 s");
    }
}
