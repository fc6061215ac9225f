//! One answer of a site over HTTP that knows no ranges, and may die in the middle of a pack.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;

/// Answers one request; true if the server died of it.
pub fn answer(mut stream: &TcpStream, site: &Path, may_die: bool) -> bool {
    let head: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
    let found = fs::read(site.join(&path[1..]));
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let dies = may_die && path.ends_with("@pack");
    let sent = if dies { &body[..body.len() / 2] } else { &body[..] };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // Who has enough of it hangs up.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
    dies
}
