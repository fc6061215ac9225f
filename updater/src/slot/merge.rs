//! A manifest and a tree side by side: two sorted streams become one.

use std::io::BufRead;

use edeploy_format::manifest::{ManifestError, Reader, Record};
use edeploy_format::path::walking_order;

use super::entry::Entry;
use super::tree::Fault;
use super::walk::Walk;

/// One path, and who knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pair {
    /// The manifest and the tree.
    Both(Record, Entry),
    /// The manifest alone.
    Missing(Record),
    /// The tree alone.
    Extra(Entry),
}

/// A stream failed.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The tree.
    #[error(transparent)]
    Tree(#[from] Fault),
}

pub(super) struct Merge<'t, R> {
    reader: Reader<R>,
    walk: Walk<'t>,
    record: Option<Record>,
    entry: Option<Entry>,
    /// Which sides to read before the next step.
    read: (bool, bool),
}

impl<'t, R: BufRead> Merge<'t, R> {
    pub(super) fn new(reader: Reader<R>, walk: Walk<'t>) -> Self {
        Self { reader, walk, record: None, entry: None, read: (true, true) }
    }

    /// Leaves out what the tree has in the folder that came last.
    pub(super) fn skip(&mut self) {
        self.walk.skip();
    }

    /// The next path of either; `None` at the end of both.
    pub(super) fn next_pair(&mut self) -> Result<Option<Pair>, MergeError> {
        // Read only now, so that the caller can skip before the walk goes on.
        if std::mem::take(&mut self.read.0) {
            self.record = self.reader.next_record()?;
        }
        if std::mem::take(&mut self.read.1) {
            self.entry = self.walk.next_entry()?;
        }
        let order = match (&self.record, &self.entry) {
            (Some(record), Some(entry)) => walking_order(record.path.as_bytes(), &entry.path),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => return Ok(None),
        };
        self.read = (order.is_le(), order.is_ge());
        let record = if order.is_le() { self.record.take() } else { None };
        let entry = if order.is_ge() { self.entry.take() } else { None };
        Ok(match (record, entry) {
            (Some(record), Some(entry)) => Some(Pair::Both(record, entry)),
            (Some(record), None) => Some(Pair::Missing(record)),
            (None, Some(entry)) => Some(Pair::Extra(entry)),
            (None, None) => None,
        })
    }
}
