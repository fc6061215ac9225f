//! One look through a manifest before anything is done with it: what a stream of records cannot check as
//! it goes.
//!
//! A further name of a file must be just like its first one, which may lie anywhere before it. It is
//! found by bisecting the text, which is sorted and has one line for each record: no memory is spent on
//! it, however many there are.

use std::fs::File;
use std::io::BufRead;

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Kind, ManifestError, Record, record_at};
use edeploy_format::path::TreePath;

use super::index::{manifest, reading_from};

/// Why no tree can be made of a manifest, although each of its records is right.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It cannot be read, or a record is wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A hard link to something else than an earlier file that it is like.
    #[error(
        "the manifest links {path} to {first}, which is no earlier file with the same metadata and content"
    )]
    Link {
        /// The further name.
        path: TreePath,
        /// What should be the first one.
        first: TreePath,
    },
    /// The sizes do not add up.
    #[error("the manifest's files have {found} bytes, its head says {expected}")]
    Bytes {
        /// What the head says.
        expected: u64,
        /// What the records say.
        found: u64,
    },
    /// The head names a kernel, initrd or loader that is not there.
    #[error("the manifest holds no file {0}, which is to boot")]
    NoBootFile(TreePath),
}

/// What a version boots with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boot {
    /// Digest and length of kernel and initrd.
    pub objects: [(Digest, u64); 2],
    /// The digest of the loader.
    pub loader: Digest,
}

/// Reads all of `file`, a manifest; gives what it boots with.
///
/// # Errors
/// [`SurveyError`].
pub fn survey(file: &File) -> Result<Boot, SurveyError> {
    let mut reader = manifest(file)?;
    let (start, head) = (reader.offset(), reader.head().clone());
    let paths = [&head.kernel, &head.initrd, &head.loader];
    let (mut found, mut bytes) = ([None; 3], 0_u64);
    loop {
        let offset = reader.offset();
        let Some(record) = reader.next_record()? else { break };
        match &record.kind {
            Kind::File { size, .. } => bytes = bytes.saturating_add(*size),
            Kind::HardLink { first, .. } if !is_like_first(file, start..offset, &record, first)? => {
                return Err(SurveyError::Link { path: record.path, first: first.clone() });
            }
            Kind::HardLink { .. } | Kind::Folder | Kind::Symlink { .. } => {}
        }
        for (path, found) in paths.iter().zip(&mut found) {
            if record.path == **path {
                *found = record.content();
            }
        }
    }
    if bytes != head.bytes {
        return Err(SurveyError::Bytes { expected: head.bytes, found: bytes });
    }
    let there = |n: usize| {
        let (size, digest) = found[n].ok_or_else(|| SurveyError::NoBootFile(paths[n].clone()))?;
        Ok::<_, SurveyError>((digest, size))
    };
    Ok(Boot { objects: [there(0)?, there(1)?], loader: there(2)?.0 })
}

fn is_like_first(
    file: &File,
    records: std::ops::Range<u64>,
    link: &Record,
    first: &TreePath,
) -> Result<bool, ManifestError> {
    let Some(first) = find(file, records, first)? else { return Ok(false) };
    let (Kind::File { .. }, Some((size, digest))) = (&first.kind, link.content()) else { return Ok(false) };
    Ok(Record { path: first.path.clone(), kind: Kind::File { size, digest }, ..link.clone() } == first)
}

/// The content of the file at `path` of a manifest, if it has one.
///
/// # Errors
/// [`ManifestError`].
pub fn content_at(file: &File, path: &TreePath) -> Result<Option<Digest>, ManifestError> {
    let (start, end) = (manifest(file)?.offset(), file.metadata().map_err(ManifestError::Read)?.len());
    let found = find(file, start..end, path)?;
    Ok(found.and_then(|record| record.content()).map(|(_, digest)| digest))
}

/// The record of `path` among those that lie in these bytes of the manifest.
fn find(
    file: &File,
    mut bytes: std::ops::Range<u64>,
    path: &TreePath,
) -> Result<Option<Record>, ManifestError> {
    let mut line = Vec::new();
    while !bytes.is_empty() {
        let middle = bytes.start + (bytes.end - bytes.start) / 2;
        let mut at = bytes.start;
        let mut from = if middle == at { reading_from(file, at) } else { reading_from(file, middle - 1) };
        let mut next_line = |line: &mut Vec<u8>| {
            line.clear();
            from.read_until(b'\n', line).map_err(ManifestError::Read)
        };
        if middle > at {
            // What the line around the byte before the middle has left.
            at = middle - 1 + next_line(&mut line)? as u64;
        }
        if at >= bytes.end {
            bytes.end = middle;
            continue;
        }
        let length = next_line(&mut line)? as u64;
        let record = record_at(&mut &line[..])?;
        match record.path.cmp(path) {
            std::cmp::Ordering::Equal => return Ok(Some(record)),
            std::cmp::Ordering::Less => bytes.start = at + length,
            std::cmp::Ordering::Greater => bytes.end = middle,
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_record_is_found_by_bisecting_and_no_other_is() {
        let line = |path: &str| format!("{path} d 0755 0 0 0 - - - -\n");
        let long = format!("m{}", "x".repeat(200));
        let names = ["a", "a/b", "ab", "k", &long, "z"];
        let mut file = tempfile::tempfile().unwrap();
        let head = "head\n";
        file.write_all(head.as_bytes()).unwrap();
        names.iter().for_each(|name| file.write_all(line(name).as_bytes()).unwrap());
        let end = file.metadata().unwrap().len();
        let found = |name: &str| {
            let record = find(&file, head.len() as u64..end, &TreePath::new(name).unwrap()).unwrap();
            record.map(|record| record.path.to_string())
        };
        for name in names {
            assert_eq!(found(name).as_deref(), Some(name));
        }
        for name in ["A", "a/a", "a/c", "aa", "b", "m", "y", "zz"] {
            assert_eq!(found(name), None, "{name}");
        }
        let first = find(&file, head.len() as u64..head.len() as u64, &TreePath::new("a").unwrap());
        assert!(first.unwrap().is_none());
    }
}
