//! What servers make of ranges.

use edeploy_ab::fetch::{Fetch, FetchError, Limits};

use crate::server::{Still, answer, read, rest, serve, whole};
use crate::site;

const BODY: &str = "abcdefghi";

/// 206 with this range and body.
fn part(place: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    answer(&format!("206 Partial Content\r\nContent-Range: {place}\r\nContent-Length: {length}"), body)
}

#[test]
fn a_server_without_ranges_still_works_and_is_told_of_once() {
    let clock = Still::new();
    let (base, server) = serve(vec![whole(BODY), whole(BODY), whole(BODY)]);
    let fetch = clock.site(&base, Limits::default());
    let parts = [0..3, 3..6, 7..9].map(|range| read(fetch.open("x", Some(range)).unwrap()).unwrap());
    assert_eq!(parts, ["abc", "def", "hi"]);
    assert_eq!(server.join().unwrap().len(), 3);
    let told = format!("{base}x: the server ignores ranges: what lies before is fetched and dropped");
    assert_eq!(*clock.notes.borrow(), [told]);
}

#[test]
fn a_server_without_ranges_that_breaks_before_the_range_is_asked_again() {
    let cut = answer("200 OK\r\nContent-Length: 9", "ab");
    let (fetch, server) = site(vec![cut, whole(BODY)]);
    assert_eq!(read(fetch.open("x", Some(3..6)).unwrap()).unwrap(), "def");
    assert!(server.join().unwrap()[1].contains("range: bytes=3-5\r\n"));
}

#[test]
fn an_object_that_ends_before_the_range_is_an_error() {
    let (fetch, _server) = site(vec![whole("ab"), whole("ab"), whole("ab"), whole("ab")]);
    let error = read(fetch.open("x", Some(3..6)).unwrap()).unwrap_err();
    assert!(error.to_string().contains("x: unexpected end of file"), "{error}");
}

#[test]
fn the_wrong_range_and_one_that_is_not_named_are_refused() {
    let unnamed = answer("206 Partial Content\r\nContent-Length: 3", "def");
    for wrong in
        [part("bytes 0-2/9", "abc"), part("bytes 30-5/9", "abc"), part("items 3-5/9", "abc"), unnamed]
    {
        let (fetch, server) = site(vec![wrong]);
        let error = fetch.open("x", Some(3..6)).err().unwrap();
        assert!(matches!(error, FetchError::Answer { .. }), "{error:?}");
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

#[test]
fn a_longer_range_than_asked_for_is_cut_and_a_shorter_one_completed() {
    let (fetch, _server) = site(vec![rest(BODY, 3)]);
    assert_eq!(read(fetch.open("x", Some(3..6)).unwrap()).unwrap(), "def");
    let pieces = ["ab", "c", "def"].map(|piece| {
        let start = BODY.find(piece).unwrap();
        part(&format!("bytes {start}-{}/9", start + piece.len() - 1), piece)
    });
    let (fetch, server) = site(pieces.to_vec());
    assert_eq!(read(fetch.open("x", Some(0..6)).unwrap()).unwrap(), "abcdef");
    let heads = server.join().unwrap();
    for (head, range) in heads.iter().zip(["0-5", "2-5", "3-5"]) {
        assert!(head.contains(&format!("range: bytes={range}\r\n")), "{head}");
    }
}

#[test]
fn an_encoding_that_was_not_asked_for_is_refused() {
    for encoding in ["gzip", "zstd"] {
        let encoded = format!("200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: 9");
        let (fetch, _server) = site(vec![answer(&encoded, BODY)]);
        let error = fetch.get("x", 10).unwrap_err().to_string();
        assert!(error.contains(&format!("200 OK with the encoding \"{encoding}\"")), "{error}");
    }
    let (fetch, _server) =
        site(vec![answer("200 OK\r\nContent-Encoding: identity\r\nContent-Length: 9", BODY)]);
    assert_eq!(fetch.get("x", 10).unwrap(), BODY.as_bytes());
}

#[test]
fn a_server_that_dies_at_any_byte_is_asked_for_the_rest_only() {
    for cut in 0..BODY.len() {
        let first =
            answer("206 Partial Content\r\nContent-Range: bytes 0-8/9\r\nContent-Length: 9", &BODY[..cut]);
        let (fetch, server) = site(vec![first, rest(BODY, cut)]);
        assert_eq!(read(fetch.open("x", Some(0..9)).unwrap()).unwrap(), BODY);
        let again = server.join().unwrap().remove(1);
        assert!(again.contains(&format!("range: bytes={cut}-8\r\n")), "{again}");
    }
}

#[test]
fn failures_count_no_longer_once_much_has_come() {
    let piece = 64 << 10;
    let body = "a".repeat(8 * piece);
    let cut = |n: usize| {
        let all = rest(&body, n * piece);
        let gone = body.len() - (n + 1) * piece;
        all[..all.len() - gone].to_vec()
    };
    let (fetch, server) = site((0..8).map(cut).collect());
    let stream = fetch.open("x", Some(0..body.len() as u64)).unwrap();
    assert_eq!(read(stream).unwrap().len(), body.len());
    assert_eq!(server.join().unwrap().len(), 8);
}
