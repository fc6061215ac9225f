//! The server, asked byte by byte.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;

use rolebuild::serve::serve;

fn site() -> (tempfile::TempDir, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let repo = folder.path().join("repo");
    fs::create_dir_all(repo.join("targets")).unwrap();
    fs::write(repo.join("targets/a@1"), "0123456789").unwrap();
    fs::write(repo.join("timestamp.json"), "{}").unwrap();
    fs::write(repo.join(".lock"), "").unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let serving = serve(&repo, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = serving.address();
    std::thread::spawn(move || serving.forever());
    (folder, address)
}

/// Status, headers in lower case, and body.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut lines = request.split('\n');
    let first = lines.next().unwrap();
    let rest: String = lines.map(|line| format!("{line}\r\n")).collect();
    write!(stream, "{first} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: bytes[end + 4..].to_vec() }
}

#[test]
fn a_file_is_sent_whole_with_its_length() {
    let (_folder, address) = site();
    let answer = ask(address, "GET /targets/a@1");
    assert_eq!((answer.status, &*answer.body), (200, &b"0123456789"[..]));
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(ask(address, "GET /timestamp.json").header("content-type"), Some("application/json"));
    assert_eq!(ask(address, "GET /targets/a%401?x=y").body, b"0123456789");
}

#[test]
fn a_range_is_sent_with_its_place() {
    let (_folder, address) = site();
    for (range, body, place) in
        [("2-4", "234", "bytes 2-4/10"), ("7-", "789", "bytes 7-9/10"), ("-2", "89", "bytes 8-9/10")]
    {
        let answer = ask(address, &format!("GET /targets/a@1\nRange: bytes={range}"));
        assert_eq!((answer.status, &*answer.body), (206, body.as_bytes()), "{range}");
        assert_eq!(answer.header("content-range"), Some(place));
        assert_eq!(answer.header("content-length"), Some(&*body.len().to_string()));
    }
}

#[test]
fn a_range_behind_the_end_is_416() {
    let (_folder, address) = site();
    let answer = ask(address, "GET /targets/a@1\nRange: bytes=10-");
    assert_eq!((answer.status, answer.header("content-range")), (416, Some("bytes */10")));
}

#[test]
fn head_is_get_without_the_body() {
    let (_folder, address) = site();
    let answer = ask(address, "HEAD /targets/a@1");
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-length"), Some("10"));
    let answer = ask(address, "HEAD /targets/a@1\nRange: bytes=0-2");
    assert_eq!((answer.status, answer.header("content-length")), (206, Some("3")));
}

#[test]
fn a_range_of_a_file_that_changed_since_is_the_whole_file() {
    let (folder, address) = site();
    let tag = ask(address, "HEAD /targets/a@1").header("etag").unwrap().to_owned();
    let request = format!("GET /targets/a@1\nRange: bytes=2-4\nIf-Range: {tag}");
    assert_eq!(ask(address, &request).status, 206);
    let file = folder.path().join("repo/targets/a@1");
    fs::write(file.with_extension("new"), "abcdefghijk").unwrap();
    fs::rename(file.with_extension("new"), file).unwrap();
    let answer = ask(address, &request);
    assert_eq!((answer.status, &*answer.body), (200, &b"abcdefghijk"[..]));
}

#[test]
fn nothing_outside_the_site_is_served() {
    let (folder, address) = site();
    let repo = folder.path().join("repo");
    symlink("../secret", repo.join("link")).unwrap();
    symlink(Path::new(".."), repo.join("folder")).unwrap();
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "/targets/../../secret",
        "/targets/%2e%2e%2f%2e%2e%2fsecret",
        "/link",
        "/folder/secret",
        "/.lock",
        "//secret",
        "/targets",
        "/targets/",
        "/",
        "/nothing",
        "/%00",
        "/%ff",
    ] {
        let answer = ask(address, &format!("GET {path}"));
        assert_eq!((answer.status, &*answer.body), (404, &b"not there\n"[..]), "{path}");
    }
}

#[test]
fn only_reading_is_answered() {
    let (_folder, address) = site();
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(ask(address, &format!("{method} /timestamp.json")).status, 405);
    }
}

#[test]
fn a_connection_takes_several_requests() {
    let (_folder, address) = site();
    let mut stream = TcpStream::connect(address).unwrap();
    let ask = "GET /timestamp.json HTTP/1.1\r\nHost: x\r\n\r\n";
    write!(stream, "{ask}HEAD /targets/a@1 HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);
}

#[test]
fn what_is_no_request_is_answered_and_the_connection_closed() {
    let (_folder, address) = site();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"hello\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
}

#[test]
fn a_slow_client_does_not_hold_up_others() {
    let (_folder, address) = site();
    let _idle: Vec<TcpStream> = (0..32).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(ask(address, "GET /timestamp.json").status, 200);
}
