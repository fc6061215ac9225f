//! The head of an HTTP/1.1 request: as much of RFC 9112 as a server of files needs.

use std::io::{self, BufRead, Read};

/// A head is at most this long.
const LIMIT: u64 = 16 << 10;

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// `GET`, `HEAD`, or another word.
    pub(super) method: String,
    /// The path with its query, as it was sent.
    pub(super) target: String,
    /// Whether the connection stays open for another request.
    pub(super) stays: bool,
    /// The value of `Range`.
    pub(super) range: Option<String>,
    /// The value of `If-Range`.
    pub(super) if_range: Option<String>,
}

/// What came instead of a request.
#[derive(Debug)]
pub(super) enum NoRequest {
    /// The client closed the connection, or was silent for too long.
    Gone,
    /// Not HTTP/1, a head without end, or a body, which nothing here takes.
    Bad,
}

/// Reads the head of the next request.
pub(super) fn read(from: &mut impl BufRead) -> Result<Request, NoRequest> {
    let mut head = Read::take(from, LIMIT);
    let first = line(&mut head)?.ok_or(NoRequest::Gone)?;
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(NoRequest::Bad);
    };
    let stays = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return Err(NoRequest::Bad),
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut request = Request { method, target, stays, range: None, if_range: None };
    loop {
        let line = line(&mut head)?.ok_or(NoRequest::Bad)?;
        if line.is_empty() {
            return Ok(request);
        }
        let (name, value) = line.split_once(':').ok_or(NoRequest::Bad)?;
        let value = value.trim();
        match &*name.to_ascii_lowercase() {
            "connection" if value.eq_ignore_ascii_case("close") => request.stays = false,
            "range" => request.range = Some(value.to_owned()),
            "if-range" => request.if_range = Some(value.to_owned()),
            "content-length" if value != "0" => return Err(NoRequest::Bad),
            "transfer-encoding" => return Err(NoRequest::Bad),
            _ => {}
        }
    }
}

/// A line without its end; `None` when the stream is at its end.
fn line(from: &mut impl BufRead) -> Result<Option<String>, NoRequest> {
    let mut line = Vec::new();
    match from.read_until(b'\n', &mut line) {
        Ok(0) => return Ok(None),
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::InvalidData => return Err(NoRequest::Bad),
        Err(_) => return Err(NoRequest::Gone),
    }
    if line.pop() != Some(b'\n') {
        return Err(NoRequest::Bad);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map(Some).map_err(|_| NoRequest::Bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_with_what_counts_here() {
        let text = "GET /a?b HTTP/1.1\r\nHost: x\r\nRANGE:  bytes=1-2 \r\nif-range: \"t\"\r\n\r\nGET /next";
        let mut from = text.as_bytes();
        let request = read(&mut from).unwrap();
        assert_eq!((&*request.method, &*request.target, request.stays), ("GET", "/a?b", true));
        assert_eq!(
            (request.range.as_deref(), request.if_range.as_deref()),
            (Some("bytes=1-2"), Some("\"t\""))
        );
        assert_eq!(from, b"GET /next");
        let close = "HEAD / HTTP/1.1\r\nConnection: Close\r\n\r\n";
        assert!(!read(&mut close.as_bytes()).unwrap().stays);
        assert!(!read(&mut "GET / HTTP/1.0\r\n\r\n".as_bytes()).unwrap().stays);
    }

    #[test]
    fn what_is_no_request_is_told_apart_from_silence() {
        assert!(matches!(read(&mut "".as_bytes()), Err(NoRequest::Gone)));
        for bad in [
            "GET /",
            "GET /\r\n\r\n",
            "GET / x HTTP/1.1\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            &format!("GET / HTTP/1.1\r\nLong: {}\r\n\r\n", "x".repeat(20_000)),
        ] {
            assert!(matches!(read(&mut bad.as_bytes()), Err(NoRequest::Bad)), "{bad:.60}");
        }
    }
}
