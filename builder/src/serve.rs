//! The published site over HTTP: for trying things out, and for sites that need no more.
//!
//! GET and HEAD, ranges, `If-Range`; several clients at once. Nothing outside the site's folder is served: paths
//! are resolved by the kernel beneath it, and no link and no hidden name is followed. There is no TLS here: trust comes from the
//! signatures; put a web server in front where transport must be private.

mod range;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use edeploy_format::exit::Exit;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use tiny_http::{Header, Method, Request, Response, StatusCode};

use crate::failure::Fault;
use range::{Wanted, wanted};

/// Requests answered at the same time.
const THREADS: usize = 8;

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
    #[error("listening on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: String,
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

/// A site that is being served.
pub struct Serving {
    server: Arc<tiny_http::Server>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Serves the site in `folder` at `address` until the answer is dropped.
///
/// # Errors
/// [`ServeError`].
pub fn serve(folder: &Path, address: SocketAddr) -> Result<Serving, ServeError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(folder, flags, Mode::empty())
        .map_err(|e| ServeError::Open { path: folder.to_owned(), source: e.into() })?;
    let root = Arc::new(root);
    let listening = tiny_http::Server::http(address);
    let listening = listening.map_err(|e| ServeError::Listen { address, reason: e.to_string() })?;
    let server = Arc::new(listening);
    let threads = (0..THREADS).map(|_| {
        let (server, root) = (Arc::clone(&server), Arc::clone(&root));
        thread::spawn(move || {
            while let Ok(request) = server.recv() {
                // A client that went away is no fault of the server.
                let _ = answer(&root, request);
            }
        })
    });
    Ok(Serving { threads: threads.collect(), server })
}

impl Serving {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.server.server_addr().to_ip()
    }

    /// Serves until the process ends.
    pub fn forever(mut self) {
        for thread in self.threads.drain(..) {
            // A thread ends only when the server does.
            let _ = thread.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        (0..self.threads.len()).for_each(|_| self.server.unblock());
    }
}

fn answer(root: &OwnedFd, request: Request) -> io::Result<()> {
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    if !is_read {
        return request.respond(Response::empty(405).with_header(header("Allow", "GET, HEAD")));
    }
    match open(root, request.url()) {
        Some(Ok((file, served))) => send(request, file, &served),
        Some(Err(_)) | None => request.respond(Response::from_string("not there\n").with_status_code(404)),
    }
}

/// What is known of a file that is served.
struct Served {
    length: u64,
    /// Changes whenever the file does: published files are renamed into place, never written in place.
    tag: String,
    kind: &'static str,
}

/// The file that `url` names; `None` when it can name none.
fn open(root: &OwnedFd, url: &str) -> Option<io::Result<(File, Served)>> {
    let path = decoded(url.split(['?', '#']).next().unwrap_or_default())?;
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

fn send(request: Request, mut file: File, served: &Served) -> io::Result<()> {
    let asked = |name: &'static str| {
        let header = request.headers().iter().find(|header| header.field.equiv(name));
        header.map(|header| header.value.as_str().to_owned())
    };
    let unchanged = asked("If-Range").is_none_or(|tag| tag == served.tag);
    let wanted = match asked("Range").filter(|_| unchanged) {
        Some(range) => wanted(&range, served.length),
        None => Wanted::All,
    };
    let (status, range) = match wanted {
        Wanted::All => (200, 0..served.length),
        Wanted::Part(range) => (206, range),
        Wanted::None => {
            let whole = header("Content-Range", &format!("bytes */{}", served.length));
            return request.respond(Response::empty(416).with_header(whole));
        }
    };
    file.seek(SeekFrom::Start(range.start))?;
    let length = range.end - range.start;
    let mut headers = vec![
        header("Content-Type", served.kind),
        header("Accept-Ranges", "bytes"),
        header("ETag", &served.tag),
    ];
    if status == 206 {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, served.length);
        headers.push(header("Content-Range", &part));
    }
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let response = Response::new(StatusCode(status), headers, file.take(length as u64), Some(length), None);
    // Chunks would hide the length, by which clients bound what they read.
    request.respond(response.with_chunked_threshold(usize::MAX))
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("made of printable ASCII")
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
