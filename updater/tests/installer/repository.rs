//! A site over HTTP that goes away in the middle of a pack, until it is let come back.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Serves `site` whole, whatever range is asked for. The first pack that is asked for ends half way, and `away` is set:
/// as long as it is, each connection is closed unanswered. Returns the address.
pub fn serve(site: PathBuf, away: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut died = false;
        for stream in listener.incoming().map_while(Result::ok) {
            if away.load(Ordering::SeqCst) {
                continue;
            }
            let dies = answer(&stream, &site, !died);
            died |= dies;
            away.fetch_or(dies, Ordering::SeqCst);
        }
    });
    base
}

/// Answers one request; true if the server died of it.
fn answer(mut stream: &TcpStream, site: &Path, may_die: bool) -> bool {
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
