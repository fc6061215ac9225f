use std::io::repeat;

use super::*;

/// Time that passes by sleeping only.
struct Still(Instant, Cell<Duration>);

impl Still {
    fn new() -> Self {
        Self(Instant::now(), Cell::default())
    }
}

impl Clock for Still {
    fn now(&self) -> Instant {
        self.0 + self.1.get()
    }

    fn sleep(&self, pause: Duration) {
        self.1.set(self.1.get() + pause);
    }
}

fn limits(rate: u64, bytes: u64, deadline: u64) -> Limits {
    let (rate, bytes) = (NonZeroU64::new(rate), NonZeroU64::new(bytes));
    Limits { rate, bytes, stall: None, deadline: NonZeroU64::new(deadline) }
}

/// Reads so many bytes in pieces of this length.
fn take(meter: &Meter<'_>, bytes: u64, piece: usize) -> io::Result<()> {
    let mut stream = Metered::new(repeat(7).take(bytes), meter);
    let mut buffer = vec![0; piece];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

#[test]
fn what_comes_keeps_to_the_rate_but_for_one_second() {
    for piece in [1, 700, 1 << 20] {
        let clock = Still::new();
        let meter = Meter::new(limits(1000, 0, 0), &clock, &Quiet);
        take(&meter, 60_000, piece).unwrap();
        let seconds = clock.1.get().as_secs_f64();
        assert!((58.8..60.1).contains(&seconds), "{piece}: {seconds}");
    }
}

#[test]
fn without_a_rate_nothing_waits_and_reads_are_whole() {
    let clock = Still::new();
    let meter = Meter::new(Limits::default(), &clock, &Quiet);
    let mut buffer = vec![0; 1 << 20];
    assert_eq!(Metered::new(repeat(7), &meter).read(&mut buffer).unwrap(), 1 << 20);
    assert_eq!(clock.1.get(), Duration::ZERO);
}

#[test]
fn a_pause_is_not_saved_up_for_a_burst_of_more_than_a_second() {
    let clock = Still::new();
    let meter = Meter::new(limits(1000, 0, 0), &clock, &Quiet);
    clock.sleep(Duration::from_secs(3600));
    take(&meter, 11_000, 125).unwrap();
    let seconds = (clock.1.get() - Duration::from_secs(3600)).as_secs_f64();
    assert!((9.8..10.1).contains(&seconds), "{seconds}");
}

#[test]
fn all_streams_share_the_bytes_and_the_last_one_allowed_may_come() {
    let clock = Still::new();
    let meter = Meter::new(limits(0, 1000, 0), &clock, &Quiet);
    take(&meter, 400, 64).unwrap();
    take(&meter, 600, 64).unwrap();
    let error = take(&meter, 1, 64).unwrap_err();
    assert_eq!(limit(&error), Some(LimitError::Bytes { allowed: 1000 }));
    let meter = Meter::new(limits(0, 1000, 0), &clock, &Quiet);
    let error = take(&meter, 1 << 30, 1 << 20).unwrap_err();
    assert_eq!(limit(&error), Some(LimitError::Bytes { allowed: 1000 }));
    assert_eq!(meter.came.get(), 1001);
}

#[test]
fn what_is_planned_counts_beside_what_came() {
    let clock = Still::new();
    let meter = Meter::new(limits(0, 1000, 0), &clock, &Quiet);
    take(&meter, 400, 64).unwrap();
    assert_eq!(meter.allows(600), Ok(()));
    assert_eq!(meter.allows(601), Err(LimitError::Planned { needed: 1001, allowed: 1000 }));
    assert_eq!(meter.allows(u64::MAX), Err(LimitError::Planned { needed: u64::MAX, allowed: 1000 }));
}

#[test]
fn the_deadline_ends_reads_and_is_not_slept_over() {
    let clock = Still::new();
    let meter = Meter::new(limits(1000, 0, 30), &clock, &Quiet);
    assert_eq!(meter.left(), Ok(Duration::from_secs(30)));
    let over = LimitError::Deadline { seconds: 30 };
    assert_eq!(meter.pause(Duration::from_secs(30)), Err(over));
    assert_eq!(clock.1.get(), Duration::ZERO);
    let error = take(&meter, 60_000, 1000).unwrap_err();
    assert_eq!(limit(&error), Some(over));
    assert!((29_000..31_001).contains(&meter.came.get()), "{}", meter.came.get());
    clock.sleep(Duration::from_secs(5));
    assert_eq!(meter.left(), Err(over));
}

/// A server that breaks, a second before which the time was over.
struct Breaks<'a>(&'a Still);

impl Read for Breaks<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.sleep(Duration::from_secs(31));
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[test]
fn a_read_that_the_deadline_cuts_is_not_the_servers_fault() {
    let clock = Still::new();
    let meter = Meter::new(limits(0, 0, 30), &clock, &Quiet);
    let error = Metered::new(Breaks(&clock), &meter).read(&mut [0]).unwrap_err();
    assert_eq!(limit(&error), Some(LimitError::Deadline { seconds: 30 }));
}

/// A server that takes a second for each byte.
struct Slow<'a>(&'a Still);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.sleep(Duration::from_secs(1));
        buffer[0] = 7;
        Ok(1)
    }
}

#[test]
fn our_own_pauses_are_not_the_servers_slowness_and_its_own_are() {
    let clock = Still::new();
    let meter = Meter::new(limits(100, 0, 0), &clock, &Quiet);
    take(&meter, 20_000, 50).unwrap();
    assert!(clock.1.get() > Duration::from_secs(190));
    let error = io::copy(&mut Metered::new(Slow(&clock), &meter), &mut io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "too slow: 60 bytes in 60 s");
}

#[test]
fn a_connection_is_not_silent_for_longer_than_all_may_take() {
    let silence = |stall, deadline| {
        let limits = Limits { stall: NonZeroU64::new(stall), ..limits(0, 0, deadline) };
        Meter::new(limits, &SystemClock, &Quiet).silence().as_secs()
    };
    assert_eq!(
        [silence(0, 0), silence(7, 0), silence(70, 0), silence(0, 9), silence(7, 9)],
        [30, 7, 70, 9, 7]
    );
}
