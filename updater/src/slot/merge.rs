//! Two sorted streams side by side: a manifest and a tree, or two manifests.

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

/// One path, and which manifest knows it.
pub(super) enum Sides {
    Both(Record, Record),
    First(Record),
    Second(Record),
}

/// A manifest beside another one, if there is one.
pub(super) struct Versions<A, B> {
    first: Reader<A>,
    second: Option<Reader<B>>,
    next: (Option<Record>, Option<Record>),
    /// Which sides to read before the next step.
    read: (bool, bool),
}

impl<A: BufRead, B: BufRead> Versions<A, B> {
    pub(super) fn new(first: Reader<A>, second: Option<Reader<B>>) -> Self {
        Self { first, second, next: (None, None), read: (true, true) }
    }

    /// How much of the first manifest was read: at the end, how long it is.
    pub(super) fn offset(&self) -> u64 {
        self.first.offset()
    }

    /// The next path; `None` at the end of both.
    pub(super) fn next_sides<E>(
        &mut self,
        of_first: impl FnOnce(ManifestError) -> E,
        of_second: impl FnOnce(ManifestError) -> E,
    ) -> Result<Option<Sides>, E> {
        if std::mem::take(&mut self.read.0) {
            self.next.0 = self.first.next_record().map_err(of_first)?;
        }
        if std::mem::take(&mut self.read.1) {
            self.next.1 = self.second.as_mut().map_or(Ok(None), Reader::next_record).map_err(of_second)?;
        }
        let order = match &self.next {
            (Some(first), Some(second)) => first.path.cmp(&second.path),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, _) => std::cmp::Ordering::Greater,
        };
        self.read = (order.is_le(), order.is_ge());
        let first = if order.is_le() { self.next.0.take() } else { None };
        let second = if order.is_ge() { self.next.1.take() } else { None };
        Ok(match (first, second) {
            (Some(first), Some(second)) => Some(Sides::Both(first, second)),
            (Some(first), None) => Some(Sides::First(first)),
            (None, Some(second)) => Some(Sides::Second(second)),
            (None, None) => None,
        })
    }
}
