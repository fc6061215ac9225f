//! The fetcher against servers that behave, and against servers that do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod limits;
mod mirrors;
mod ranges;
mod redirects;
mod server;

use edeploy_ab::fetch::{Fetch, FetchError, FolderFetch, HttpFetch, Limits};

use server::{Still, answer, busy, nobody, not_there, read, rest, serve, whole};

/// A site that answers each connection with the next of `answers`, and the heads of the requests.
fn site(answers: Vec<Vec<u8>>) -> (HttpFetch<'static>, std::thread::JoinHandle<Vec<String>>) {
    let (base, server) = serve(answers);
    (Still::new().site(&base, Limits::default()), server)
}

#[test]
fn a_range_is_asked_for_and_checked() {
    let good = answer("206 Partial Content\r\nContent-Range: bytes 3-5/9\r\nContent-Length: 3", "def");
    let (fetch, server) = site(vec![good]);
    assert_eq!(read(fetch.open("targets/x", Some(3..6)).unwrap()).unwrap(), "def");
    let head = server.join().unwrap().remove(0);
    assert!(head.starts_with("get /targets/x http/1.1"), "{head}");
    assert!(head.contains("range: bytes=3-5") && head.contains("accept-encoding: identity"), "{head}");
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let first = answer("200 OK\r\nETag: \"1\"\r\nContent-Length: 9", "abcd");
    let (fetch, server) = site(vec![first, rest("abcdefghi", 4)]);
    assert_eq!(read(fetch.open("x", None).unwrap()).unwrap(), "abcdefghi");
    let second = server.join().unwrap().remove(1);
    assert!(second.contains("range: bytes=4-") && second.contains("if-range: \"1\""), "{second}");
}

#[test]
fn a_body_that_always_breaks_is_an_error_not_a_short_file() {
    let cut = || answer("206 Partial Content\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9", "");
    let (fetch, _server) = site((0..8).map(|_| cut()).collect());
    assert!(read(fetch.open("x", Some(0..9)).unwrap()).is_err());
}

#[test]
fn a_passing_fault_is_tried_again_and_a_lasting_one_named() {
    let (fetch, _server) = site(vec![busy(""), whole("a")]);
    assert_eq!(fetch.get("x", 10).unwrap(), b"a");
    let (fetch, _server) = site((0..4).map(|_| busy("")).collect());
    let error = fetch.get("metadata/1.root.json", 10).unwrap_err().to_string();
    assert!(error.contains("metadata/1.root.json") && error.contains("503"), "{error}");
}

#[test]
fn not_there_is_its_own_answer_and_is_not_tried_again() {
    let (fetch, server) = site(vec![not_there()]);
    assert!(matches!(fetch.get("2.root.json", 10), Err(FetchError::NotFound { .. })));
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn forbidden_is_not_there_or_not_for_us_and_is_not_tried_again() {
    let (fetch, server) = site(vec![answer("403 Forbidden\r\nContent-Length: 0", "")]);
    let error = fetch.get("2.root.json", 10).unwrap_err();
    assert!(
        error.is_missing()
            && error
                .to_string()
                .ends_with("2.root.json: the server answers 403: it is not there, or not for us to see"),
        "{error}"
    );
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn endless_data_ends_at_the_limit() {
    let (fetch, _server) = site(vec![whole(&"a".repeat(1_000_000))]);
    assert!(matches!(fetch.get("x", 999), Err(FetchError::TooLong { limit: 999, .. })));
}

#[test]
fn nobody_listening_is_named() {
    let fetch = Still::new().site(&nobody(), Limits::default());
    let error = fetch.get("timestamp.json", 10).unwrap_err();
    assert!(matches!(&error, FetchError::Io { url, .. } if url.ends_with("/timestamp.json")), "{error:?}");
}

#[test]
fn a_folder_serves_like_a_site() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x"), "abcdefghi").unwrap();
    let fetch = FolderFetch::new(folder.path().into());
    assert_eq!(read(fetch.open("x", Some(3..6)).unwrap()).unwrap(), "def");
    assert!(read(fetch.open("x", Some(3..60)).unwrap()).is_err());
    assert!(matches!(fetch.get("x", 8), Err(FetchError::TooLong { .. })));
    assert!(matches!(fetch.get("y", 8), Err(FetchError::NotFound { .. })));
}
