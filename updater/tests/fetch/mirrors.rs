//! Several sites: who is asked, and what is believed of their answers.

use edeploy_ab::fetch::{Fetch, FetchError, LimitError, Limits, limit, open_repos};

use crate::server::{Still, answer, busy, limits, nobody, not_there, read, rest, serve, whole};

const BODY: &str = "abcdefghi";

fn all(clock: &'static Still, bases: &[&String], limits: Limits) -> Box<dyn Fetch> {
    let repos: Vec<_> = bases.iter().map(|base| (*base).clone()).collect();
    open_repos(&repos, None, clock.meter(limits)).unwrap()
}

fn any(bases: &[&String]) -> Box<dyn Fetch> {
    all(Still::new(), bases, Limits::default())
}

#[test]
fn the_first_is_asked_as_long_as_it_answers() {
    let (first, server) = serve(vec![whole("1"), whole("2")]);
    let fetch = any(&[&first, &nobody()]);
    assert_eq!([fetch.get("x", 9).unwrap(), fetch.get("y", 9).unwrap()], [b"1", b"2"]);
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn one_that_fails_is_named_and_asked_last_from_then_on() {
    let clock = Still::new();
    let (first, busy_one) = serve((0..4).map(|_| busy("")).collect());
    let (second, server) = serve(vec![whole("1"), whole("2")]);
    let fetch = all(clock, &[&first, &second], Limits::default());
    assert_eq!([fetch.get("x", 9).unwrap(), fetch.get("y", 9).unwrap()], [b"1", b"2"]);
    assert_eq!((busy_one.join().unwrap().len(), server.join().unwrap().len()), (4, 2));
    let said =
        format!("{first}x: the server answered 503 Service Unavailable; {first} is asked last from now on");
    assert_eq!(*clock.notes.borrow(), [said]);
}

#[test]
fn what_one_lacks_the_next_may_have() {
    let (first, lacks) = serve(vec![not_there(), whole("y")]);
    let (second, has) = serve(vec![whole("x")]);
    let fetch = any(&[&first, &second]);
    assert_eq!([fetch.get("x", 9).unwrap(), fetch.get("y", 9).unwrap()], [b"x", b"y"]);
    // To lack something is no fault: it is asked first again.
    assert_eq!((lacks.join().unwrap().len(), has.join().unwrap().len()), (2, 1));
}

#[test]
fn nothing_is_not_there_unless_all_say_so_that_answer() {
    let ((first, _a), (second, _b)) = (serve(vec![not_there()]), serve(vec![not_there()]));
    let error = any(&[&first, &second]).get("x", 9).unwrap_err();
    assert!(matches!(&error, FetchError::NotFound { url } if *url == format!("{first}x")), "{error:?}");
    let (first, _server) = serve(vec![not_there()]);
    let error = any(&[&first, &nobody()]).get("x", 9).unwrap_err();
    assert!(matches!(error, FetchError::Io { .. }), "{error:?}");
    // One that failed before is not asked for it again.
    let (second, _server) = serve(vec![whole("y"), not_there()]);
    let fetch = any(&[&nobody(), &second]);
    assert_eq!(fetch.get("y", 9).unwrap(), b"y");
    let error = fetch.get("x", 9).unwrap_err();
    assert!(matches!(error, FetchError::NotFound { .. }), "{error:?}");
}

#[test]
fn when_all_fail_the_preferred_ones_fault_is_told() {
    let (dead, second) = (nobody(), nobody());
    let error = any(&[&dead, &second]).get("x", 9).unwrap_err();
    assert!(matches!(&error, FetchError::Io { url, .. } if *url == format!("{dead}x")), "{error:?}");
}

#[test]
fn a_range_is_carried_on_by_the_next_from_any_byte() {
    for cut in 0..BODY.len() {
        let broken =
            answer("206 Partial Content\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9", &BODY[..cut]);
        // The listener is gone after that.
        let (first, dying) = serve(vec![broken]);
        let (second, server) = serve(vec![rest(BODY, cut)]);
        let fetch = any(&[&first, &second]);
        assert_eq!(read(fetch.open("x", Some(0..9)).unwrap()).unwrap(), BODY);
        dying.join().unwrap();
        let head = server.join().unwrap().remove(0);
        assert!(head.contains(&format!("range: bytes={cut}-8\r\n")), "{head}");
    }
}

#[test]
fn a_whole_object_is_carried_on_by_the_next() {
    let (first, _dying) = serve(vec![answer("200 OK\r\nContent-Length: 9", "abcd")]);
    let (second, _server) = serve(vec![whole(BODY)]);
    assert_eq!(read(any(&[&first, &second]).open("x", None).unwrap()).unwrap(), BODY);
}

#[test]
fn sites_that_all_break_end_in_an_error() {
    let cut = || answer("206 Partial Content\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9", "");
    let ((first, _a), (second, _b)) =
        (serve((0..9).map(|_| cut()).collect()), serve((0..9).map(|_| cut()).collect()));
    assert!(read(any(&[&first, &second]).open("x", Some(0..9)).unwrap()).is_err());
}

#[test]
fn a_limit_is_one_for_all_and_no_other_site_is_asked() {
    let body = "a".repeat(600);
    let (first, _server) = serve(vec![whole(&body), whole(&body)]);
    let fetch = all(Still::new(), &[&first, &nobody()], limits(0, 1000, 0));
    assert_eq!(fetch.get("x", 600).unwrap().len(), 600);
    assert!(matches!(fetch.allows(401), Err(FetchError::Limit(LimitError::Planned { needed: 1001, .. }))));
    assert!(fetch.allows(400).is_ok());
    let error = fetch.get("x", 600).unwrap_err();
    assert!(matches!(error, FetchError::Limit(LimitError::Bytes { .. })), "{error:?}");
    let (first, _server) = serve(vec![whole(&body)]);
    let fetch = all(Still::new(), &[&first, &nobody()], limits(0, 100, 0));
    let error = read(fetch.open("x", Some(0..600)).unwrap()).unwrap_err();
    assert_eq!(limit(&error), Some(LimitError::Bytes { allowed: 100 }));
}

#[test]
fn folders_and_addresses_mix() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), BODY).unwrap();
    let (first, _server) = serve(vec![not_there(), not_there()]);
    for folder in [folder.path().display().to_string(), format!("file://{}", folder.path().display())] {
        assert_eq!(read(any(&[&first, &folder]).open("x", Some(3..6)).unwrap()).unwrap(), "def");
    }
}
