//! The fetcher against servers that behave, and against servers that do not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use edeploy_ab::fetch::{Fetch, FetchError, FolderFetch, HttpFetch};

/// Answers each connection with the next of `answers`, closes it, and gives the requests' heads.
fn serve(answers: Vec<Vec<u8>>) -> (HttpFetch, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    let thread =
        std::thread::spawn(move || answers.iter().map(|answer| answer_one(&listener, answer)).collect());
    (HttpFetch::new(&base, None).unwrap(), thread)
}

fn answer_one(listener: &TcpListener, answer: &[u8]) -> String {
    let (stream, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(&stream);
    let mut head = String::new();
    while lines.read_line(&mut head).unwrap() > 2 {}
    (&stream).write_all(answer).unwrap();
    head
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}").into_bytes()
}

fn read(stream: Box<dyn Read + '_>) -> std::io::Result<String> {
    let mut text = String::new();
    let mut stream = stream;
    stream.read_to_string(&mut text)?;
    Ok(text)
}

#[test]
fn a_range_is_asked_for_and_checked() {
    let good = answer("206 Partial Content\r\nContent-Range: bytes 3-5/9\r\nContent-Length: 3", "def");
    let (fetch, server) = serve(vec![good]);
    assert_eq!(read(fetch.open("targets/x", Some(3..6)).unwrap()).unwrap(), "def");
    let head = server.join().unwrap().remove(0).to_lowercase();
    assert!(head.starts_with("get /targets/x http/1.1"), "{head}");
    assert!(head.contains("range: bytes=3-5") && head.contains("accept-encoding: identity"), "{head}");
}

#[test]
fn a_server_without_ranges_still_works() {
    let (fetch, _server) = serve(vec![answer("200 OK\r\nContent-Length: 9", "abcdefghi")]);
    assert_eq!(read(fetch.open("x", Some(3..6)).unwrap()).unwrap(), "def");
}

#[test]
fn the_wrong_range_is_refused() {
    let wrong = answer("206 Partial Content\r\nContent-Range: bytes 0-2/9\r\nContent-Length: 3", "abc");
    let (fetch, _server) = serve(vec![wrong]);
    assert!(matches!(fetch.open("x", Some(3..6)), Err(FetchError::Answer { .. })));
}

#[test]
fn a_broken_connection_is_resumed_where_it_broke() {
    let first = answer("200 OK\r\nETag: \"1\"\r\nContent-Length: 9", "abcd");
    let rest = answer("206 Partial Content\r\nContent-Range: bytes 4-8/9\r\nContent-Length: 5", "efghi");
    let (fetch, server) = serve(vec![first, rest]);
    assert_eq!(read(fetch.open("x", None).unwrap()).unwrap(), "abcdefghi");
    let second = server.join().unwrap().remove(1).to_lowercase();
    assert!(second.contains("range: bytes=4-") && second.contains("if-range: \"1\""), "{second}");
}

#[test]
fn a_body_that_always_breaks_is_an_error_not_a_short_file() {
    let cut = || answer("206 Partial Content\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9", "");
    let (fetch, _server) = serve((0..8).map(|_| cut()).collect());
    assert!(read(fetch.open("x", Some(0..9)).unwrap()).is_err());
}

#[test]
fn a_passing_fault_is_tried_again_and_a_lasting_one_named() {
    let busy = || answer("503 Service Unavailable\r\nContent-Length: 0", "");
    let (fetch, _server) = serve(vec![busy(), answer("200 OK\r\nContent-Length: 1", "a")]);
    assert_eq!(fetch.get("x", 10).unwrap(), b"a");
    let (fetch, _server) = serve((0..4).map(|_| busy()).collect());
    let error = fetch.get("metadata/1.root.json", 10).unwrap_err().to_string();
    assert!(error.contains("metadata/1.root.json") && error.contains("503"), "{error}");
}

#[test]
fn not_there_is_its_own_answer_and_is_not_tried_again() {
    let (fetch, server) = serve(vec![answer("404 Not Found\r\nContent-Length: 0", "")]);
    assert!(matches!(fetch.get("2.root.json", 10), Err(FetchError::NotFound { .. })));
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn endless_data_ends_at_the_limit() {
    let (fetch, _server) = serve(vec![answer("200 OK\r\nContent-Length: 1000000", &"a".repeat(1_000_000))]);
    assert!(matches!(fetch.get("x", 999), Err(FetchError::TooLong { limit: 999, .. })));
}

#[test]
fn nobody_listening_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fetch = HttpFetch::new(&format!("http://{closed}"), None).unwrap();
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
