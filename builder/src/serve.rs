//! The published site over HTTP: for trying things out, and for sites that need no more.
//!
//! GET and HEAD, ranges, `If-Range`; a thread for each connection, so that slow and idle clients hold up nobody.
//! Nothing outside the site's folder is served: paths are resolved by the kernel beneath it, and no link and no
//! hidden name is followed. There is no TLS here: trust comes from the signatures; put a web server in front where
//! transport must be private.

mod range;
mod request;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use edeploy_format::exit::Exit;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use crate::failure::Fault;
use range::{Wanted, wanted};
use request::{NoRequest, Request};

/// Connections at the same time; more are closed at once.
const CONNECTIONS: usize = 512;
/// A client that neither asks nor reads for so long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a site cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its folder cannot be opened.
    #[error("opening {path}")]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The address cannot be listened on.
    #[error("listening on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Fault for ServeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Open { .. } => Exit::NotFound,
            Self::Listen { .. } => Exit::Network,
        }
    }
}

/// A site that is served once [`Serving::forever`] is called.
pub struct Serving {
    listener: TcpListener,
    address: SocketAddr,
    root: Arc<OwnedFd>,
}

/// Listens at `address` for clients of the site in `folder`.
///
/// # Errors
/// [`ServeError`].
pub fn serve(folder: &Path, address: SocketAddr) -> Result<Serving, ServeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|e| ServeError::Open { path: folder.to_owned(), source: e.into() })?;
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Serving { listener, address, root: Arc::new(root) })
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the process ends.
    pub fn forever(self) -> ! {
        let open = Arc::new(AtomicUsize::new(0));
        loop {
            // What fails here is the connection (or there are too many files open): the next one may not.
            let Ok((stream, _)) = self.listener.accept() else { continue };
            if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
                open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let (root, open) = (Arc::clone(&self.root), Arc::clone(&open));
            thread::spawn(move || {
                // A client that went away is no fault of the server.
                let _ = talk(&root, &stream);
                open.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }
}

/// Answers the requests of one connection.
fn talk(root: &OwnedFd, stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut from = BufReader::new(stream);
    loop {
        match request::read(&mut from) {
            Ok(request) => {
                answer(root, &request, stream)?;
                if !request.stays {
                    return Ok(());
                }
            }
            Err(NoRequest::Gone) => return Ok(()),
            Err(NoRequest::Bad) => return plain(stream, "400 Bad Request", "", "not a request\n", false),
        }
    }
}

fn answer(root: &OwnedFd, request: &Request, stream: &TcpStream) -> io::Result<()> {
    let head = match &*request.method {
        "GET" => false,
        "HEAD" => true,
        _ => return plain(stream, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "", false),
    };
    match open(root, &request.target) {
        Some(Ok((file, served))) => send(request, head, file, &served, stream),
        Some(Err(_)) | None => plain(stream, "404 Not Found", "", "not there\n", head),
    }
}

/// An answer without a file; without its text where only the head was asked for.
fn plain(mut stream: &TcpStream, status: &str, headers: &str, text: &str, head: bool) -> io::Result<()> {
    let length = text.len();
    let text = if head { "" } else { text };
    let kind = "Content-Type: text/plain; charset=utf-8\r\n";
    let answer = format!("HTTP/1.1 {status}\r\n{kind}Content-Length: {length}\r\n{headers}\r\n{text}");
    stream.write_all(answer.as_bytes())
}

/// What is known of a file that is served.
struct Served {
    length: u64,
    /// Changes whenever the file does: published files are renamed into place, never written in place.
    tag: String,
    kind: &'static str,
}

/// The file that a target names; `None` when it can name none.
fn open(root: &OwnedFd, target: &str) -> Option<io::Result<(File, Served)>> {
    let path = decoded(target.split(['?', '#']).next().unwrap_or_default())?;
    let path = path.strip_prefix('/')?;
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return None;
    }
    let open = || -> io::Result<(File, Served)> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        // Not to hang on a FIFO that somebody put there.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = File::from(openat2(root, path, flags, Mode::empty(), resolve)?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let length = metadata.len();
        let tag = format!("\"{:x}-{:x}-{length:x}\"", metadata.ino(), metadata.mtime());
        let kind = if path.ends_with(".json") { "application/json" } else { "application/octet-stream" };
        Ok((file, Served { length, tag, kind }))
    };
    Some(open())
}

fn send(
    request: &Request,
    head: bool,
    mut file: File,
    served: &Served,
    mut stream: &TcpStream,
) -> io::Result<()> {
    let Served { length, tag, kind } = served;
    let unchanged = request.if_range.as_ref().is_none_or(|asked| asked == tag);
    let wanted = match request.range.as_ref().filter(|_| unchanged) {
        Some(range) => wanted(range, *length),
        None => Wanted::All,
    };
    let (status, range, place) = match wanted {
        Wanted::All => ("200 OK", 0..*length, String::new()),
        Wanted::Part(range) => {
            let place = format!("Content-Range: bytes {}-{}/{length}\r\n", range.start, range.end - 1);
            ("206 Partial Content", range, place)
        }
        Wanted::None => {
            let place = format!("Content-Range: bytes */{length}\r\n");
            return plain(stream, "416 Range Not Satisfiable", &place, "", head);
        }
    };
    let length = range.end - range.start;
    let about = format!("Content-Type: {kind}\r\nETag: {tag}\r\nAccept-Ranges: bytes\r\n{place}");
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{about}\r\n");
    stream.write_all(answer.as_bytes())?;
    if head {
        return Ok(());
    }
    file.seek(SeekFrom::Start(range.start))?;
    let sent = io::copy(&mut file.take(length), &mut stream)?;
    // The length is promised already: only a broken connection tells the client now.
    if sent == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// A path with its `%XX` replaced; `None` when that is no text.
fn decoded(path: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        let digits = std::str::from_utf8(digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        assert_eq!(decoded("/a%40b%2525").as_deref(), Some("/a@b%25"));
        for wrong in ["/%", "/%4", "/%zz", "/%ff", "/%+1"] {
            let decoded = decoded(wrong);
            assert!(decoded.is_none(), "{wrong} became {decoded:?}");
        }
    }
}
