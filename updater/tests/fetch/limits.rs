//! Bytes, rate and time that were allowed, and servers that keep to none.

use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use edeploy_ab::failure::chain;
use edeploy_ab::fetch::{Fetch, FetchError, FolderFetch, HttpFetch, LimitError, Limits, Meter, limit};
use edeploy_ab::progress::Quiet;

use crate::server::{
    Hurried, Still, answer, busy, limits, nobody, read, rest, serve, serve_drops, serve_silence, whole,
};

#[test]
fn what_is_asked_again_waits_longer_each_time_and_never_longer_than_its_bound() {
    let clock = Still::new();
    let (base, server) = serve((0..4).map(|_| busy("")).collect());
    assert!(clock.site(&base, Limits::default()).get("x", 10).is_err());
    assert_eq!(server.join().unwrap().len(), 4);
    let pauses = clock.pauses.borrow();
    assert_eq!(pauses.len(), 3);
    for (pause, bound) in pauses.iter().zip([500, 1000, 2000]) {
        assert!(*pause < Duration::from_millis(bound), "{pauses:?}");
    }
}

#[test]
fn a_busy_server_is_given_the_time_it_asks_for_within_bounds() {
    let clock = Still::new();
    let many = answer("429 Too Many Requests\r\nRetry-After: 100000\r\nContent-Length: 0", "");
    let (base, _server) = serve(vec![busy("\r\nRetry-After: 7"), many, whole("a")]);
    assert_eq!(clock.site(&base, Limits::default()).get("x", 10).unwrap(), b"a");
    assert_eq!(*clock.pauses.borrow(), [7, 120].map(Duration::from_secs));
    let told = [7, 120].map(|seconds| format!("{base}x: busy, asked again in {seconds} s"));
    assert_eq!(*clock.notes.borrow(), told);
}

#[test]
fn the_rate_holds_for_whole_objects_ranges_and_what_is_dropped() {
    let clock = Still::new();
    let body = "a".repeat(60_000);
    let (base, _server) = serve(vec![whole(&body), rest(&body, 30_000), whole(&body)]);
    let fetch = clock.site(&base, limits(10_000, 0, 0));
    let passed = || clock.pauses.borrow().iter().sum::<Duration>().as_secs_f64();
    read(fetch.open("x", None).unwrap()).unwrap();
    assert!((4.8..6.1).contains(&passed()), "{}", passed());
    read(fetch.open("x", Some(30_000..60_000)).unwrap()).unwrap();
    assert!((7.8..9.1).contains(&passed()), "{}", passed());
    // Asked for one byte, the server sends all.
    read(fetch.open("x", Some(59_999..60_000)).unwrap()).unwrap();
    assert!((13.8..15.1).contains(&passed()), "{}", passed());
}

#[test]
fn a_folder_keeps_to_the_limits_too() {
    let (clock, folder) = (Still::new(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("x"), "a".repeat(60_000)).unwrap();
    let fetch = FolderFetch::within(folder.path().into(), Rc::new(clock.meter(limits(10_000, 100_000, 0))));
    assert_eq!(fetch.get("x", 60_000).unwrap().len(), 60_000);
    let passed = clock.pauses.borrow().iter().sum::<Duration>().as_secs_f64();
    assert!((4.8..6.1).contains(&passed), "{passed}");
    let error = fetch.get("x", 60_000).unwrap_err();
    assert!(matches!(error, FetchError::Limit(LimitError::Bytes { allowed: 100_000 })), "{error:?}");
}

fn limit_of(result: io::Result<String>) -> Option<LimitError> {
    limit(&result.unwrap_err())
}

#[test]
fn a_server_that_sends_more_than_it_should_is_stopped_at_the_bytes_allowed() {
    let allowed = LimitError::Bytes { allowed: 1000 };
    let (base, server) = serve(vec![whole(&"a".repeat(100_000))]);
    let error = Still::new().site(&base, limits(0, 1000, 0)).get("x", 1 << 20).unwrap_err();
    assert!(matches!(&error, FetchError::Limit(found) if *found == allowed), "{error:?}");
    // It is not asked again.
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn bytes_that_are_dropped_count() {
    let body = "a".repeat(400);
    let (base, _server) = serve(vec![whole(&body), whole(&body), whole(&body)]);
    let fetch = Still::new().site(&base, limits(0, 1000, 0));
    for _ in 0..2 {
        assert_eq!(read(fetch.open("x", Some(390..400)).unwrap()).unwrap(), "aaaaaaaaaa");
    }
    let third = read(fetch.open("x", Some(390..400)).unwrap());
    assert_eq!(limit_of(third), Some(LimitError::Bytes { allowed: 1000 }));
}

#[test]
fn a_server_that_sends_a_byte_a_second_is_given_up_each_time_after_a_minute() {
    let (base, asked) = serve_drops(100_000);
    let clock = Hurried(Instant::now());
    let meter = Rc::new(Meter::new(Limits::default(), &clock, &Quiet));
    let error = HttpFetch::within(&base, None, meter).unwrap().get("x", 100_000).unwrap_err();
    assert!(chain(&error).contains("too slow: "), "{error:?}");
    assert_eq!(asked.try_iter().count(), 4);
}

#[test]
fn bytes_that_come_again_after_a_break_count() {
    let body = "a".repeat(900);
    let (base, _server) = serve(vec![answer("200 OK\r\nContent-Length: 900", &body[..600]), whole(&body)]);
    let fetch = Still::new().site(&base, limits(0, 1000, 0));
    let read = read(fetch.open("x", Some(0..900)).unwrap());
    assert_eq!(limit_of(read), Some(LimitError::Bytes { allowed: 1000 }));
}

#[test]
fn a_pause_that_would_outlast_the_deadline_is_not_begun() {
    let clock = Still::new();
    let (base, server) = serve(vec![busy("\r\nRetry-After: 60")]);
    let error = clock.site(&base, limits(0, 0, 30)).get("x", 10).unwrap_err();
    assert!(matches!(error, FetchError::Limit(LimitError::Deadline { seconds: 30 })), "{error:?}");
    assert_eq!((server.join().unwrap().len(), clock.pauses.borrow().len()), (1, 0));
    let clock = Still::new();
    let fetch = clock.site(&nobody(), limits(0, 0, 2));
    edeploy_ab::fetch::Clock::sleep(clock, Duration::from_secs(2));
    let error = fetch.get("x", 10).unwrap_err();
    assert!(matches!(error, FetchError::Limit(LimitError::Deadline { seconds: 2 })), "{error:?}");
}

#[test]
fn the_deadline_ends_a_request_and_a_body_in_which_nothing_comes() {
    for sent in [Vec::new(), answer("200 OK\r\nContent-Length: 9", "abc")] {
        let (base, _server) = serve_silence(sent, Vec::new());
        let meter =
            Meter::new(limits(0, 0, 1), &edeploy_ab::fetch::SystemClock, &edeploy_ab::progress::Quiet);
        let error = HttpFetch::within(&base, None, Rc::new(meter)).unwrap().get("x", 10).unwrap_err();
        assert!(matches!(error, FetchError::Limit(LimitError::Deadline { seconds: 1 })), "{error:?}");
    }
}

#[test]
fn a_server_that_falls_silent_is_asked_for_the_rest_after_the_time_given() {
    let stall = std::num::NonZeroU64::new(1);
    let first = answer("200 OK\r\nContent-Length: 9", "abc");
    let (base, server) = serve_silence(first, rest("abcdefghi", 3));
    let fetch = Still::new().site(&base, Limits { stall, ..Limits::default() });
    assert_eq!(fetch.get("x", 9).unwrap(), b"abcdefghi");
    assert!(server.join().unwrap().contains("range: bytes=3-\r\n"));
}
