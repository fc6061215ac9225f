//! Published objects, checked against their signed description before anything of them is used.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

use edeploy_format::digest::Hasher;
use edeploy_format::tuf::{Contents, Sha256Hasher, Target};
use rustix::fs::{CWD, Mode, OFlags, openat, statvfs};

use crate::fetch::{Fetch, FetchError};

/// A frame may look back by 2^23 bytes, which are in memory while it is decompressed; what it was compressed against, of as
/// many bytes at most, is beside them.
const WINDOW_LOG: u32 = 23;

/// Why an object cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It cannot be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The connection broke for good.
    #[error("reading {name}")]
    Read {
        /// The object.
        name: String,
        /// How.
        #[source]
        source: io::Error,
    },
    /// It is not what was signed.
    #[error("{name} is not what was signed: {what}")]
    Differs {
        /// The object.
        name: String,
        /// How it differs.
        what: &'static str,
    },
    /// It is longer than this program takes.
    #[error("{name} is signed with {length} bytes, at most {limit} are taken")]
    TooLong {
        /// The object.
        name: String,
        /// What was signed.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// No room for what is to be written.
    #[error("{} has {found} bytes free; {what} needs {needed}", .folder.display())]
    NoRoom {
        /// What is to be written.
        what: String,
        /// Where.
        folder: PathBuf,
        /// Bytes it takes.
        needed: u64,
        /// Bytes there are.
        found: u64,
    },
    /// No room for it after all, or no scratch file.
    #[error("writing {name} to a scratch file in {}", .folder.display())]
    Scratch {
        /// The object.
        name: String,
        /// Where.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The object `name` in memory; for those that are small by nature.
///
/// # Errors
/// [`ObjectError`]; none of its bytes are returned unless all are right.
pub fn into_memory(
    fetch: &dyn Fetch,
    name: &str,
    target: &Target,
    limit: u64,
) -> Result<Vec<u8>, ObjectError> {
    if target.length > limit {
        return Err(ObjectError::TooLong { name: name.to_owned(), length: target.length, limit });
    }
    let full = |source| ObjectError::Read { name: name.to_owned(), source };
    let mut bytes = Vec::new();
    from_any(fetch, &mut |fetch| {
        bytes.clear();
        copy_checked(fetch, &path(name, target), name, target, &mut bytes, &full)
    })?;
    Ok(bytes)
}

/// A folder whose file system takes scratch files: files without a name, gone with this process.
#[derive(Clone, Copy, Debug)]
pub struct Scratch<'a>(pub &'a Path);

impl Scratch<'_> {
    /// Fails unless so many bytes can be written.
    ///
    /// # Errors
    /// [`ObjectError::NoRoom`], or [`ObjectError::Scratch`] if the folder cannot be looked at.
    pub fn must_have(self, what: &str, needed: u64) -> Result<(), ObjectError> {
        let room = statvfs(self.0).map_err(|e| self.failed(what, e.into()))?;
        let found = room.f_bavail.saturating_mul(room.f_frsize);
        if needed <= found {
            return Ok(());
        }
        Err(ObjectError::NoRoom { what: what.to_owned(), folder: self.0.to_owned(), needed, found })
    }

    fn file(self, name: &str) -> Result<File, ObjectError> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = openat(CWD, self.0, flags, Mode::RUSR | Mode::WUSR);
        file.map(File::from).map_err(|e| self.failed(name, e.into()))
    }

    fn failed(self, name: &str, source: io::Error) -> ObjectError {
        ObjectError::Scratch { name: name.to_owned(), folder: self.0.to_owned(), source }
    }
}

/// What is in the compressed object `name`, in a scratch file that stands at its beginning.
///
/// The compressed bytes are whole and checked before the first of them is decompressed. They may look back into
/// `against`, which is nothing where they were compressed alone.
///
/// # Errors
/// [`ObjectError`].
pub fn unpacked(
    fetch: &dyn Fetch,
    name: &str,
    target: &Target,
    contents: Contents,
    against: &[u8],
    scratch: Scratch<'_>,
) -> Result<File, ObjectError> {
    let failed = |source| scratch.failed(name, source);
    let mut packed = scratch.file(name)?;
    from_any(fetch, &mut |fetch| {
        packed.rewind().and_then(|()| packed.set_len(0)).map_err(failed)?;
        copy_checked(fetch, &path(name, target), name, target, &mut packed, &failed)
    })?;
    packed.rewind().map_err(failed)?;
    let mut file = scratch.file(name)?;
    let differs = |what| ObjectError::Differs { name: name.to_owned(), what };
    let undone = |e: io::Error| match e.raw_os_error() {
        Some(_) => failed(e),
        None => differs("it is no zstd frame, or one that takes more memory than it may"),
    };
    let mut hasher = Hasher::new();
    let mut plain = zstd::Decoder::with_ref_prefix(BufReader::new(packed), against).map_err(failed)?;
    plain.window_log_max(WINDOW_LOG).map_err(failed)?;
    let mut plain = plain.take(contents.size + 1);
    let mut buffer = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        let n = plain.read(&mut buffer).map_err(undone)?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        file.write_all(&buffer[..n]).map_err(failed)?;
        length += n as u64;
    }
    if length != contents.size {
        return Err(differs("its content has another length"));
    }
    if hasher.finish() != contents.blake3 {
        return Err(differs("its content has another digest"));
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// Has `copy` take it from the site; where it is not what was signed, from another.
fn from_any(
    fetch: &dyn Fetch,
    copy: &mut dyn FnMut(&dyn Fetch) -> Result<(), ObjectError>,
) -> Result<(), ObjectError> {
    let first = copy(fetch);
    if !matches!(first, Err(ObjectError::Differs { .. })) || fetch.sites().len() < 2 {
        return first;
    }
    for site in fetch.sites() {
        match copy(site) {
            Err(ObjectError::Differs { .. }) => site.set_back(),
            Err(ObjectError::Fetch(_) | ObjectError::Read { .. }) => {}
            other => return other,
        }
    }
    first
}

fn path(name: &str, target: &Target) -> String {
    format!("targets/{}", target.file(name))
}

/// Copies the object at `path` to `to`, and fails unless length and SHA-256 are as signed; `full` is the error
/// when `to` takes no more.
///
/// # Errors
/// [`ObjectError`]; what was written until then is not to be used.
pub fn copy_checked(
    fetch: &dyn Fetch,
    path: &str,
    name: &str,
    target: &Target,
    to: &mut dyn Write,
    full: &dyn Fn(io::Error) -> ObjectError,
) -> Result<(), ObjectError> {
    let read = |source| ObjectError::Read { name: name.to_owned(), source };
    let differs = |what| ObjectError::Differs { name: name.to_owned(), what };
    let mut from = fetch.open(path, None)?.take(target.length + 1);
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; 64 << 10];
    let mut length = 0;
    loop {
        let n = from.read(&mut buffer).map_err(read)?;
        if n == 0 {
            break;
        }
        length += n as u64;
        hasher.update(&buffer[..n]);
        to.write_all(&buffer[..n]).map_err(full)?;
    }
    if length != target.length {
        return Err(differs(if length < target.length { "it ends early" } else { "it is longer" }));
    }
    if hasher.finish() != target.hashes.sha256 {
        return Err(differs("its SHA-256 is another"));
    }
    Ok(())
}
