//! Where published objects come from: the seam between what is fetched and how.

use std::io::{self, Read};
use std::rc::Rc;

mod backoff;
mod folder;
mod http;
mod meter;
mod mirrors;
mod pace;

pub use folder::FolderFetch;
pub use http::{HttpFetch, SYSTEM_CERTIFICATES};
pub use meter::{Clock, LimitError, Limits, Meter, SystemClock, limit};
pub use mirrors::Site;

#[cfg(feature = "installer")]
pub(crate) use backoff::{asked_for, pause};
#[cfg(feature = "installer")]
pub(crate) use http::tls;

/// A source of published objects, named by their path below the site's root.
pub trait Fetch {
    /// The whole object `path`.
    ///
    /// # Errors
    /// [`FetchError::TooLong`] as soon as more than `limit` bytes come; nothing of them is returned.
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError>;

    /// The bytes of `range` (all when `None`) of the object `path`, as a stream of exactly that length.
    ///
    /// # Errors
    /// Any [`FetchError`]; a stream that ends early fails with an [`io::Error`] when read.
    fn open(&self, path: &str, range: Option<std::ops::Range<u64>>)
    -> Result<Box<dyn Read + '_>, FetchError>;

    /// The sites it is made of, the preferred one first; none if it is one itself.
    fn sites(&self) -> &[Site<'_>] {
        &[]
    }

    /// What came last was wrong: another site is asked first from now on, if there is one.
    fn doubt(&self, why: &dyn std::error::Error) {
        let _ = why;
    }

    /// Whether so many more bytes may come.
    ///
    /// # Errors
    /// [`FetchError::Limit`].
    fn allows(&self, bytes: u64) -> Result<(), FetchError> {
        let _ = bytes;
        Ok(())
    }
}

/// Why an object could not be had. Each names the object by its full address.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The server says that there is no such object.
    #[error("{url}: not there")]
    NotFound {
        /// The address.
        url: String,
    },
    /// The server does not say whether there is: stores of objects answer so for what is not there to who may not list.
    #[error("{url}: the server answers 403: it is not there, or not for us to see")]
    Forbidden {
        /// The address.
        url: String,
    },
    /// More bytes than there may be.
    #[error("{url}: longer than the {limit} bytes it may have")]
    TooLong {
        /// The address.
        url: String,
        /// The bound.
        limit: u64,
    },
    /// An answer that is neither success nor "not there".
    #[error("{url}: the server answered {answer}")]
    Answer {
        /// The address.
        url: String,
        /// Status and, where it helps, what was wrong with it.
        answer: String,
    },
    /// The server says that it cannot answer now, and goes on saying so.
    #[error("{url}: the server answered {answer}")]
    Busy {
        /// The address.
        url: String,
        /// Status.
        answer: String,
    },
    /// The connection failed.
    #[error("{url}")]
    Io {
        /// The address.
        url: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// What was asked for on the command line ends it.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

impl FetchError {
    /// Is there no such object, as far as the server says?
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound { .. } | Self::Forbidden { .. })
    }

    /// Why a stream from `url` broke.
    fn broken(url: &str, source: io::Error) -> Self {
        match limit(&source) {
            Some(limit) => Self::Limit(limit),
            None => Self::Io { url: url.to_owned(), source },
        }
    }

    fn into_io(self) -> io::Error {
        match self {
            Self::Limit(limit) => io::Error::other(limit),
            other => io::Error::other(other),
        }
    }
}

/// What the sites at `repos`, the preferred one first and at least one, have in common. Each is an address with
/// `http://` or `https://`, else a folder (`file://` or a path). `ca` are certificates to trust for https, as
/// PEM, instead of the system's.
///
/// # Errors
/// As [`HttpFetch::new`].
pub fn open_repos<'a>(
    repos: &[String],
    ca: Option<&str>,
    meter: Meter<'a>,
) -> Result<Box<dyn Fetch + 'a>, FetchError> {
    let (meter, mut sites) = (Rc::new(meter), Vec::new());
    for repo in repos {
        let shared = Rc::clone(&meter);
        let fetch: Box<dyn Fetch + 'a> = if repo.starts_with("http://") || repo.starts_with("https://") {
            Box::new(HttpFetch::within(repo, ca, shared)?)
        } else {
            Box::new(FolderFetch::within(repo.strip_prefix("file://").unwrap_or(repo).into(), shared))
        };
        sites.push(Site::new(repo.clone(), fetch));
    }
    Ok(Box::new(mirrors::Mirrors::new(sites, meter)))
}

/// All that `stream` from `url` holds, unless it is more than `limit`.
fn whole(url: &str, stream: Box<dyn Read + '_>, limit: u64) -> Result<Vec<u8>, FetchError> {
    let mut bytes = Vec::new();
    let read = stream.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|source| FetchError::broken(url, source))?;
    if bytes.len() as u64 > limit {
        return Err(FetchError::TooLong { url: url.to_owned(), limit });
    }
    Ok(bytes)
}

/// A stream of what `read` reads. All streams are of one type: each type behind a `dyn Read` would bring all
/// methods of `Read` into the program.
fn stream<'a>(read: impl FnMut(&mut [u8]) -> io::Result<usize> + 'a) -> Box<dyn Read + 'a> {
    Box::new(Stream(Box::new(read)))
}

/// What reads into a buffer.
type Source<'a> = Box<dyn FnMut(&mut [u8]) -> io::Result<usize> + 'a>;

struct Stream<'a>(Source<'a>);

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (self.0)(buffer)
    }
}

/// A stream of exactly so many bytes: more are not read, fewer are an error.
fn exactly<'a>(mut from: Box<dyn Read + 'a>, mut left: u64) -> Box<dyn Read + 'a> {
    stream(move |buffer| {
        let n = (&mut from).take(left).read(buffer)?;
        if n == 0 && left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= n as u64;
        Ok(n)
    })
}
