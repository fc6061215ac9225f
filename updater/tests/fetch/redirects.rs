//! Servers that send elsewhere, or answer something else altogether.

use edeploy_ab::fetch::{Fetch, FetchError, Limits};

use crate::server::{Still, answer, read, rest, serve, whole};
use crate::site;

const BODY: &str = "abcdefghi";

fn elsewhere(to: &str) -> Vec<u8> {
    answer(&format!("302 Found\r\nLocation: {to}\r\nContent-Length: 0"), "")
}

#[test]
fn a_redirect_is_followed_with_the_same_range() {
    let (fetch, server) = site(vec![elsewhere("/other/x"), rest(BODY, 3)]);
    assert_eq!(read(fetch.open("x", Some(3..9)).unwrap()).unwrap(), "defghi");
    let heads = server.join().unwrap();
    assert!(
        heads[0].starts_with("get /x http/1.1") && heads[1].starts_with("get /other/x http/1.1"),
        "{heads:?}"
    );
    assert!(heads.iter().all(|head| head.contains("range: bytes=3-8\r\n")), "{heads:?}");
}

#[test]
fn a_redirect_to_another_server_is_followed() {
    let (other, there) = serve(vec![whole(BODY)]);
    let (fetch, _server) = site(vec![elsewhere(&format!("{other}x"))]);
    assert_eq!(fetch.get("y", 9).unwrap(), BODY.as_bytes());
    assert!(there.join().unwrap()[0].starts_with("get /x http/1.1"));
}

#[test]
fn redirects_without_end_end_after_three_each_time() {
    let (fetch, server) =
        site((0..16).map(|_| elsewhere("/again")).chain([elsewhere("/end"), whole(BODY)]).collect());
    let error = fetch.get("x", 9).unwrap_err();
    assert!(matches!(&error, FetchError::Io { url, .. } if url.ends_with("/x")), "{error:?}");
    // Four attempts of one request and three redirects; then the server has an end.
    assert_eq!(fetch.get("y", 9).unwrap(), BODY.as_bytes());
    let heads = server.join().unwrap();
    let at = |start: &str| {
        heads
            .iter()
            .enumerate()
            .filter(|(_, head)| head.starts_with(start))
            .map(|(n, _)| n)
            .collect::<Vec<_>>()
    };
    assert_eq!((at("get /x "), at("get /y ")), (vec![0, 4, 8, 12], vec![16]), "{heads:?}");
}

#[test]
fn a_redirect_to_no_address_or_to_another_protocol_is_an_error() {
    for to in ["", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://", "//"] {
        let (fetch, _server) = site((0..4).map(|_| elsewhere(to)).collect());
        assert!(fetch.get("x", 9).is_err(), "{to:?}");
    }
}

#[test]
fn an_answer_that_is_neither_the_object_nor_missing_is_named_with_its_status() {
    for status in ["204 No Content", "304 Not Modified", "401 Unauthorized", "402 Payment Required"] {
        let (fetch, server) = site(vec![answer(&format!("{status}\r\nContent-Length: 0"), "")]);
        let error = fetch.get("x", 9).unwrap_err();
        assert!(matches!(&error, FetchError::Answer { answer, .. } if answer == status), "{error:?}");
        assert_eq!(server.join().unwrap().len(), 1);
    }
}

#[test]
fn a_server_that_stays_busy_is_told_from_one_that_answers_wrong() {
    for status in
        ["429 Too Many Requests", "502 Bad Gateway", "503 Service Unavailable", "504 Gateway Timeout"]
    {
        let (fetch, server) =
            site((0..4).map(|_| answer(&format!("{status}\r\nContent-Length: 0"), "")).collect());
        let error = fetch.get("x", 9).unwrap_err();
        assert!(matches!(&error, FetchError::Busy { answer, .. } if answer == status), "{error:?}");
        assert_eq!(server.join().unwrap().len(), 4);
    }
    let (fetch, _server) =
        site((0..4).map(|_| answer("500 Internal Server Error\r\nContent-Length: 0", "")).collect());
    assert!(matches!(fetch.get("x", 9), Err(FetchError::Answer { .. })));
}

#[test]
fn a_body_without_a_length_ends_at_the_limit_too() {
    let endless = answer("200 OK", &"a".repeat(1_000_000));
    let clock = Still::new();
    let (base, _server) = serve(vec![endless]);
    let fetch = clock.site(&base, Limits::default());
    assert!(matches!(fetch.get("x", 9), Err(FetchError::TooLong { limit: 9, .. })));
}
