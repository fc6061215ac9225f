//! Where in a manifest a content is: 16 bytes a file, sorted by the digest.
//!
//! Only the first eight bytes of a digest are kept, and the offset of the record; a match is read
//! from the manifest again and compared in full. The files are read by position, so that several
//! readers share one.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use edeploy_format::digest::Digest;
use edeploy_format::manifest::{Kind, ManifestError, Reader, Record, record_at};

use super::kept::Kept;

/// An open file from some byte on, without moving its position.
pub(super) struct From<'a> {
    file: &'a File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// `file` from its start, buffered.
pub(super) fn reading(file: &File) -> impl BufRead + use<'_> {
    BufReader::with_capacity(64 << 10, From { file, at: 0 })
}

/// `file` from byte `at` on, in short reads.
pub(super) fn reading_from(file: &File, at: u64) -> impl BufRead + use<'_> {
    BufReader::with_capacity(512, From { file, at })
}

/// Reads a manifest from its start.
pub(super) fn manifest(file: &File) -> Result<Reader<impl BufRead + use<'_>>, ManifestError> {
    Reader::new(reading(file))
}

/// Finds records of a manifest by content.
#[derive(Clone)]
pub struct Index<'m> {
    manifest: &'m File,
    /// First eight bytes of the digest, offset of the record.
    entries: Vec<(u64, u64)>,
    /// The first bytes of contents that its manifest has where the machine's own lies.
    own: Vec<u64>,
}

impl<'m> Index<'m> {
    /// No records of `manifest` yet.
    #[must_use]
    pub fn empty(manifest: &'m File) -> Self {
        Self { manifest, entries: Vec::new(), own: Vec::new() }
    }

    /// What a running slot can give: the files of its manifest that hold something, but those that are
    /// the machine's own.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn of_running(manifest: &'m File, kept: &Kept) -> Result<Self, ManifestError> {
        let (mut index, mut kept) = (Self::empty(manifest), kept.in_order());
        let mut reader = self::manifest(manifest)?;
        loop {
            let offset = reader.offset();
            let Some(record) = reader.next_record()? else { break };
            // Asked for every record, in order.
            let covered = kept.judge(record.path.as_bytes(), record.kind == Kind::Folder);
            let Kind::File { size: 1.., digest } = &record.kind else { continue };
            if covered.by_either() {
                index.own.push(digest.prefix());
            } else {
                index.push(digest, offset);
            }
        }
        index.sort();
        index.own.sort_unstable();
        Ok(index)
    }

    /// The first bytes of contents that what runs should have, but only where the machine may have put others, and
    /// that the new version does not bring; sorted.
    pub(super) fn withheld(&self, new: &File) -> Result<Vec<u64>, ManifestError> {
        let (mut own, new) = (self.own.clone(), Index::of(new, &self.own)?);
        own.retain(|prefix| !self.has_prefix(*prefix) && !new.has_prefix(*prefix));
        Ok(own)
    }

    /// The files of `manifest` whose digests begin with one of `prefixes`, which are sorted.
    pub(super) fn of(manifest: &'m File, prefixes: &[u64]) -> Result<Self, ManifestError> {
        let mut index = Self::empty(manifest);
        if prefixes.is_empty() {
            return Ok(index);
        }
        let mut reader = self::manifest(manifest)?;
        loop {
            let offset = reader.offset();
            let Some(record) = reader.next_record()? else { break };
            if let Kind::File { size: 1.., digest } = &record.kind
                && prefixes.binary_search(&digest.prefix()).is_ok()
            {
                index.push(digest, offset);
            }
        }
        index.sort();
        Ok(index)
    }

    /// Adds the record at `offset`; call [`Index::sort`] before anything is looked for.
    pub(super) fn push(&mut self, digest: &Digest, offset: u64) {
        self.entries.push((digest.prefix(), offset));
    }

    pub(super) fn sort(&mut self) {
        self.entries.sort_unstable();
        self.entries.shrink_to_fit();
    }

    /// Number of records in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All records with that content, in the order of the manifest.
    pub fn find(&self, digest: &Digest) -> impl Iterator<Item = Result<Record, ManifestError>> {
        let (prefix, digest) = (digest.prefix(), *digest);
        let first = self.entries.partition_point(|(p, _)| *p < prefix);
        let same = self.entries[first..].iter().take_while(move |(p, _)| *p == prefix);
        let records = same.map(|(_, offset)| self.record(*offset));
        records.filter(move |record| match record {
            Ok(record) => record.content().is_some_and(|(_, own)| own == digest),
            Err(_) => true,
        })
    }

    /// Whether a record's content has a digest with the same first eight bytes: asked of every content that is published,
    /// without reading the manifest. That another one has them costs a frame that is fetched in vain.
    #[must_use]
    pub fn has(&self, digest: &Digest) -> bool {
        self.has_prefix(digest.prefix())
    }

    fn has_prefix(&self, of: u64) -> bool {
        self.entries.binary_search_by_key(&of, |(prefix, _)| *prefix).is_ok()
    }

    /// All records, in the order of their digests.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, ManifestError>> {
        self.entries.iter().map(|(_, offset)| self.record(*offset))
    }

    /// Takes out the records whose content is `wanted`, asked by the first bytes of its digest.
    pub(super) fn take(&mut self, wanted: impl Fn(u64) -> bool) -> Self {
        let (taken, kept) = self.entries.iter().partition(|(prefix, _)| wanted(*prefix));
        self.entries = kept;
        Self { manifest: self.manifest, entries: taken, own: Vec::new() }
    }

    /// Keeps the records that are `wanted`.
    pub(super) fn retain<E: std::convert::From<ManifestError>>(
        &mut self,
        wanted: impl Fn(&Record) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut kept = Vec::new();
        for entry in &self.entries {
            if wanted(&self.record(entry.1)?)? {
                kept.push(*entry);
            }
        }
        self.entries = kept;
        Ok(())
    }

    fn record(&self, offset: u64) -> Result<Record, ManifestError> {
        record_at(&mut reading_from(self.manifest, offset))
    }
}
