//! From a tree of files to its manifest.
//!
//! The tree is walked twice, folders sorted: once to count, and to refuse what no role may hold (device nodes,
//! sockets, FIFOs, names that are not UTF-8), once to hash and write. Records go out as a stream; what stays in
//! memory is one folder's names per level and the first names of hard-link groups.

mod walk;
mod xattrs;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Kind, ManifestError, Owner, Record, Writer, Xattr};
use edeploy_format::path::TreePath;

use crate::failure::Fault;
use crate::parallel;
pub use walk::{Entry, Form, Refused, walk, walk_below};
pub use xattrs::xattrs;

/// Records are hashed in batches of this many.
const BATCH: usize = 1024;

/// What a tree amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Paths in it.
    pub entries: u64,
    /// Sum of the sizes of all regular files, hard links counted once.
    pub bytes: u64,
}

/// Why a tree has no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The tree holds what no role may hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A file cannot be read.
    #[error("reading {path} of the tree")]
    Read {
        /// Its path in the tree.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The manifest cannot be written.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl Fault for ScanError {
    fn exit(&self) -> Exit {
        match self {
            Self::Refused(refused) => refused.exit(),
            Self::Read { .. } | Self::Manifest(_) => Exit::Failed,
        }
    }
}

/// The first names of hard-link groups met so far.
#[derive(Default)]
struct Links(HashMap<(u64, u64), TreePath>);

impl Links {
    /// The first name of this file, when that is another one.
    fn first(&mut self, path: &TreePath, metadata: &fs::Metadata) -> Option<TreePath> {
        if metadata.nlink() < 2 {
            return None;
        }
        let first = self.0.entry((metadata.dev(), metadata.ino())).or_insert_with(|| path.clone());
        (first != path).then(|| first.clone())
    }
}

/// Counts a tree, and refuses it when it holds what no role may hold.
///
/// # Errors
/// [`ScanError::Refused`] names the path.
pub fn survey(root: &Path) -> Result<Survey, ScanError> {
    let (mut survey, mut links) = (Survey::default(), Links::default());
    walk(root, &mut |entry: Entry| -> Result<(), ScanError> {
        survey.entries += 1;
        if entry.form == Form::File && links.first(&entry.path, &entry.metadata).is_none() {
            survey.bytes += entry.metadata.len();
        }
        Ok(())
    })?;
    Ok(survey)
}

/// A record that waits for the digest of its file.
struct Pending {
    record: Record,
    on_disk: PathBuf,
}

/// Writes the manifest of the tree below `root` and gives its digest; `hashed` is told of the bytes of each batch.
///
/// # Errors
/// [`ScanError`]; `head.entries` must be what [`survey`] counted.
pub fn write_manifest<W: Write>(
    root: &Path,
    head: &Head,
    to: W,
    mut hashed: impl FnMut(u64),
) -> Result<(W, Digest), ScanError> {
    let mut writer = Writer::new(to, head)?;
    let (mut links, mut batch) = (Links::default(), Vec::with_capacity(BATCH));
    let mut flush = |batch: &mut Vec<Pending>| -> Result<(), ScanError> {
        let digests = parallel::map(batch, digest);
        for (pending, digest) in batch.drain(..).zip(digests) {
            let mut record = pending.record;
            if let Kind::File { digest: d, .. } | Kind::HardLink { digest: d, .. } = &mut record.kind {
                *d = digest?;
            }
            writer.record(&record)?;
            hashed(record.content().map_or(0, |(size, _)| size));
        }
        Ok(())
    };
    walk(root, &mut |entry: Entry| -> Result<(), ScanError> {
        batch.push(pending(entry, &mut links)?);
        if batch.len() == BATCH { flush(&mut batch) } else { Ok(()) }
    })?;
    flush(&mut batch)?;
    Ok(writer.finish()?)
}

fn pending(entry: Entry, links: &mut Links) -> Result<Pending, ScanError> {
    let Entry { path, on_disk, metadata, form } = entry;
    let unread = |source| ScanError::Read { path: path.to_string(), source };
    let size = metadata.len();
    let kind = match form {
        Form::Folder => Kind::Folder,
        Form::Symlink(target) => Kind::Symlink { target },
        Form::File => match links.first(&path, &metadata) {
            None => Kind::File { size, digest: UNKNOWN },
            Some(first) => Kind::HardLink { size, digest: UNKNOWN, first },
        },
    };
    let found = xattrs(&on_disk).map_err(unread)?;
    let record = Record {
        mode: metadata.mode() & 0o7777,
        owner: Owner { uid: metadata.uid(), gid: metadata.gid() },
        mtime: metadata.mtime(),
        xattrs: found.into_iter().map(|(name, value)| Xattr { name, value }).collect(),
        kind,
        path,
    };
    Ok(Pending { record, on_disk })
}

/// Stands in a record until its file is hashed.
const UNKNOWN: Digest = Digest([0; 32]);

fn digest(pending: &Pending) -> Result<Digest, ScanError> {
    if pending.record.content().is_none() {
        return Ok(UNKNOWN);
    }
    let mut hasher = Hasher::new();
    let copied = File::open(&pending.on_disk).and_then(|mut file| io::copy(&mut file, &mut hasher));
    let unread = |source| ScanError::Read { path: pending.record.path.to_string(), source };
    copied.map_err(unread).map(|_| hasher.finish())
}

#[cfg(test)]
mod tests;
