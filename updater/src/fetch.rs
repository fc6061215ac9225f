//! Where published objects come from: the seam between what is fetched and how.

use std::io::{self, Read};

mod folder;
mod http;
mod pace;

pub use folder::FolderFetch;
pub use http::{HttpFetch, SYSTEM_CERTIFICATES};

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
    /// The connection failed.
    #[error("{url}")]
    Io {
        /// The address.
        url: String,
        /// How.
        #[source]
        source: io::Error,
    },
}

/// The source at `repo`: an address with `http://` or `https://`, else a folder (`file://` or a path). `ca`
/// are certificates to trust for https, as PEM, instead of the system's.
///
/// # Errors
/// As [`HttpFetch::new`].
pub fn open_repo(repo: &str, ca: Option<&str>) -> Result<Box<dyn Fetch>, FetchError> {
    if repo.starts_with("http://") || repo.starts_with("https://") {
        return Ok(Box::new(HttpFetch::new(repo, ca)?));
    }
    Ok(Box::new(FolderFetch::new(repo.strip_prefix("file://").unwrap_or(repo).into())))
}

/// A stream of exactly so many bytes: more are not read, fewer are an error.
struct Exactly<R> {
    from: R,
    left: u64,
}

impl<R: Read> Exactly<R> {
    fn new(from: R, length: u64) -> Self {
        Self { from, left: length }
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = (&mut self.from).take(self.left).read(buffer)?;
        if n == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}
