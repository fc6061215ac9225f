//! From a tree of files to its manifest.
//!
//! The tree is walked twice, folders sorted: once to count, and to refuse what no role may hold (device nodes,
//! sockets, FIFOs, names that are not UTF-8), once to write. Files were hashed before, with the OSTree commit that the
//! manifest names; a file that is not the same any more when its record is written ends the build. Records go out as a
//! stream; what stays in memory is one digest with length and times per file, one folder's names per level and the first
//! names of hard-link groups.

mod walk;
mod xattrs;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Kind, ManifestError, Owner, Record, Writer, Xattr};
use edeploy_format::path::TreePath;

use crate::failure::Fault;
use crate::parallel;
pub use walk::{Entry, Form, Refused, walk, walk_ahead, walk_below};
pub use xattrs::xattrs;

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

/// A file as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    digest: Digest,
    length: u64,
    /// When it was modified and changed: seconds and nanoseconds.
    times: [(i64, i64); 2],
}

impl Content {
    /// That of a file with this digest, which had `metadata` before it was read.
    #[must_use]
    pub fn new(digest: Digest, metadata: &fs::Metadata) -> Self {
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self { digest, length: metadata.len(), times: [modified, changed] }
    }

    /// The digest, if a file with `metadata` is still the one that was read.
    fn of(self, metadata: &fs::Metadata) -> Option<Digest> {
        (Self::new(self.digest, metadata) == self).then_some(self.digest)
    }
}

/// Counts what a walk meets.
#[derive(Default)]
pub struct Surveyor {
    survey: Survey,
    links: Links,
}

impl Surveyor {
    /// One more path.
    pub fn meet(&mut self, entry: &Entry) {
        self.survey.entries += 1;
        if entry.form == Form::File && self.links.first(&entry.path, &entry.metadata).is_none() {
            self.survey.bytes += entry.metadata.len();
        }
    }

    /// What all of them amount to.
    #[must_use]
    pub fn survey(&self) -> Survey {
        self.survey
    }
}

/// Counts a tree, and refuses it when it holds what no role may hold.
///
/// # Errors
/// [`ScanError::Refused`] names the path.
pub fn survey(root: &Path) -> Result<Survey, ScanError> {
    let mut surveyor = Surveyor::default();
    walk(root, &mut |entry: Entry| -> Result<(), ScanError> {
        surveyor.meet(&entry);
        Ok(())
    })?;
    Ok(surveyor.survey())
}

/// All files of a tree, read in walking order, as [`write_manifest`] wants them.
///
/// # Errors
/// [`ScanError`].
pub fn contents(root: &Path) -> Result<Vec<Content>, ScanError> {
    let mut files = Vec::new();
    walk(root, &mut |entry: Entry| -> Result<(), ScanError> {
        if entry.form == Form::File {
            files.push(entry);
        }
        Ok(())
    })?;
    parallel::map(&files, |Entry { path, on_disk, metadata, .. }| {
        let mut hasher = Hasher::new();
        let copied = File::open(on_disk).and_then(|mut file| io::copy(&mut file, &mut hasher));
        let unread = |source| ScanError::Read { path: path.to_string(), source };
        copied.map_err(unread).map(|_| Content::new(hasher.finish(), metadata))
    })
    .into_iter()
    .collect()
}

/// Writes the manifest of the tree below `root`, whose files were these `contents` in walking order, and gives its
/// digest. No time in it is later than that of the build.
///
/// # Errors
/// [`ScanError`], also where a file changed since it was read; `head.entries` must be what [`survey`] counted.
pub fn write_manifest<W: Write>(
    root: &Path,
    head: &Head,
    contents: &[Content],
    to: W,
) -> Result<(W, Digest), ScanError> {
    let mut writer = Writer::new(to, head)?;
    let (mut links, mut contents) = (Links::default(), contents.iter());
    let latest = i64::try_from(head.built).unwrap_or(i64::MAX);
    walk_ahead(root, &mut |entry: Entry| -> Result<(), ScanError> {
        let digest = match entry.form {
            Form::File => {
                let same = contents.next().and_then(|content| content.of(&entry.metadata));
                Some(same.ok_or_else(|| changed(&entry.path))?)
            }
            Form::Folder | Form::Symlink(_) => None,
        };
        Ok(writer.record(&record(entry, digest, latest, &mut links)?)?)
    })?;
    Ok(writer.finish()?)
}

fn changed(path: &TreePath) -> ScanError {
    ScanError::Read { path: path.to_string(), source: io::Error::other("the tree changed while it was read") }
}

fn record(entry: Entry, digest: Option<Digest>, latest: i64, links: &mut Links) -> Result<Record, ScanError> {
    let Entry { path, on_disk, metadata, form } = entry;
    let size = metadata.len();
    let kind = match form {
        Form::Folder => Kind::Folder,
        Form::Symlink(target) => Kind::Symlink { target },
        Form::File => {
            let digest = digest.ok_or_else(|| changed(&path))?;
            match links.first(&path, &metadata) {
                None => Kind::File { size, digest },
                Some(first) => Kind::HardLink { size, digest, first },
            }
        }
    };
    let found = xattrs(&on_disk).map_err(|source| ScanError::Read { path: path.to_string(), source })?;
    Ok(Record {
        mode: metadata.mode() & 0o7777,
        owner: Owner { uid: metadata.uid(), gid: metadata.gid() },
        mtime: metadata.mtime().min(latest),
        xattrs: found.into_iter().map(|(name, value)| Xattr { name, value }).collect(),
        kind,
        path,
    })
}

#[cfg(test)]
mod tests;
