//! Manifests as streams: one record in memory at a time.

use std::io::{self, BufRead, Write};

use super::SLOT_FOLDER;
use super::head::{Head, HeadError};
use super::record::{Kind, Record, RecordError};
use crate::digest::{Digest, Hasher};
use crate::path::TreePath;

/// A head is at most this long: longer is an attack, not a role.
const HEAD_LIMIT: u64 = 1 << 20;
/// Path and target of 4095 bytes, each fourfold when escaped, and 64 KiB of attributes in hex.
const LINE_LIMIT: u64 = 200 << 10;

/// Why a manifest is refused, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The stream failed.
    #[error("reading the manifest")]
    Read(#[source] io::Error),
    /// The stream took no more.
    #[error("writing the manifest")]
    Write(#[source] io::Error),
    /// The head is wrong.
    #[error("manifest head")]
    Head(#[from] HeadError),
    /// A record is wrong.
    #[error("manifest record {number}")]
    Record {
        /// Counted from 1.
        number: u64,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
    /// A path is not after the one before it, or its folder is no folder of this manifest.
    #[error("manifest record {number}: {path} is out of order, or its folder is not in the manifest")]
    Order {
        /// Counted from 1.
        number: u64,
        /// The path in the wrong place.
        path: TreePath,
    },
    /// A path below the updater's own folder.
    #[error("manifest record {number}: {path} lies in the updater's own folder")]
    Reserved {
        /// Counted from 1.
        number: u64,
        /// The path.
        path: TreePath,
    },
    /// The number of records is not what the head says.
    #[error("the manifest holds {found} records, its head says {expected}")]
    Count {
        /// What the head says.
        expected: u64,
        /// What was there.
        found: u64,
    },
    /// A line without end, or too long.
    #[error("manifest record {number} is cut short or too long")]
    Line {
        /// Counted from 1.
        number: u64,
    },
}

/// Checks the order of records: sorted, and each inside a folder that came before.
#[derive(Default)]
struct Order {
    number: u64,
    /// The last path, and whether each of its prefixes is a folder: the open folders of the walk.
    last: Option<TreePath>,
    folders: Vec<TreePath>,
}

impl Order {
    fn check(&mut self, record: &Record) -> Result<(), ManifestError> {
        self.number += 1;
        let (number, path) = (self.number, &record.path);
        if path.is_below(SLOT_FOLDER) {
            return Err(ManifestError::Reserved { number, path: path.clone() });
        }
        while self.folders.last().is_some_and(|folder| !path.is_below(folder.as_str())) {
            self.folders.pop();
        }
        let parent = path.as_str().rsplit_once('/').map(|(parent, _)| parent);
        let inside = parent == self.folders.last().map(TreePath::as_str);
        if !inside || self.last.as_ref().is_some_and(|last| last >= path) {
            return Err(ManifestError::Order { number, path: path.clone() });
        }
        if let Kind::HardLink { first, .. } = &record.kind
            && first >= path
        {
            return Err(ManifestError::Order { number, path: path.clone() });
        }
        if record.kind == Kind::Folder {
            self.folders.push(path.clone());
        }
        self.last = Some(path.clone());
        Ok(())
    }
}

/// Reads a manifest record by record, checking form, order and count as it goes.
///
/// It does not check a signature: hand it bytes that were verified.
pub struct Reader<R> {
    from: R,
    head: Head,
    order: Order,
    line: Vec<u8>,
    /// Bytes read so far: where the next record begins.
    offset: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`ManifestError::Head`] or [`ManifestError::Read`].
    pub fn new(mut from: R) -> Result<Self, ManifestError> {
        let mut text = Vec::new();
        let mut limited = io::Read::take(&mut from, HEAD_LIMIT);
        loop {
            let n = limited.read_until(b'\n', &mut text).map_err(ManifestError::Read)?;
            match n {
                1 if text.ends_with(b"\n") => break,
                n if n == 0 || !text.ends_with(b"\n") => return Err(ManifestError::Line { number: 0 }),
                _ => {}
            }
        }
        let offset = text.len() as u64;
        text.pop();
        let utf8 = |_| HeadError::Magic("text that is not UTF-8".to_owned());
        let head = std::str::from_utf8(&text).map_err(utf8)?.parse()?;
        Ok(Self { from, head, order: Order::default(), line: Vec::new(), offset })
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The byte offset of the next record: what a compact index keeps to find it again.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// Any [`ManifestError`]; nothing of the manifest should be used after one.
    pub fn next_record(&mut self) -> Result<Option<Record>, ManifestError> {
        let number = self.order.number + 1;
        self.line.clear();
        let mut limited = io::Read::take(&mut self.from, LINE_LIMIT);
        let n = limited.read_until(b'\n', &mut self.line).map_err(ManifestError::Read)?;
        if n == 0 {
            let (expected, found) = (self.head.entries, self.order.number);
            return if expected == found { Ok(None) } else { Err(ManifestError::Count { expected, found }) };
        }
        self.offset += n as u64;
        let record = parse_line(&self.line, number)?;
        self.order.check(&record)?;
        Ok(Some(record))
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Record, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_record().transpose()
    }
}

/// Parses the line of one record, newline included: for readers that seek to an offset.
///
/// # Errors
/// [`ManifestError::Line`] or [`ManifestError::Record`] with the given number.
pub(super) fn parse_line(line: &[u8], number: u64) -> Result<Record, ManifestError> {
    let line = line.strip_suffix(b"\n").ok_or(ManifestError::Line { number })?;
    let text = std::str::from_utf8(line)
        .map_err(|_| RecordError::Field("path", "text that is not UTF-8".to_owned()));
    text.and_then(str::parse).map_err(|source| ManifestError::Record { number, source })
}

/// Reads the one record that begins where `from` stands.
///
/// # Errors
/// As [`Reader::next_record`], without the checks of order and count.
pub fn record_at(from: &mut impl BufRead) -> Result<Record, ManifestError> {
    let mut line = Vec::new();
    io::Read::take(from, LINE_LIMIT).read_until(b'\n', &mut line).map_err(ManifestError::Read)?;
    parse_line(&line, 0)
}

/// Writes a manifest record by record, with the checks of [`Reader`].
pub struct Writer<W> {
    to: W,
    expected: u64,
    order: Order,
    hasher: Hasher,
}

impl<W: Write> Writer<W> {
    /// Writes the head. Its `entries` must be the number of records that will follow.
    ///
    /// # Errors
    /// [`ManifestError::Head`] if a reader would refuse it, or [`ManifestError::Write`].
    pub fn new(to: W, head: &Head) -> Result<Self, ManifestError> {
        head.to_string().parse::<Head>()?;
        let mut writer = Self { to, expected: head.entries, order: Order::default(), hasher: Hasher::new() };
        writer.put(&format!("{head}\n"))?;
        Ok(writer)
    }

    fn put(&mut self, text: &str) -> Result<(), ManifestError> {
        self.hasher.update(text.as_bytes());
        self.to.write_all(text.as_bytes()).map_err(ManifestError::Write)
    }

    /// Appends a record.
    ///
    /// # Errors
    /// [`ManifestError::Order`], [`ManifestError::Reserved`] or [`ManifestError::Write`].
    pub fn record(&mut self, record: &Record) -> Result<(), ManifestError> {
        self.order.check(record)?;
        self.put(&format!("{record}\n"))
    }

    /// Ends the manifest and gives its digest.
    ///
    /// # Errors
    /// [`ManifestError::Count`] or [`ManifestError::Write`].
    pub fn finish(mut self) -> Result<(W, Digest), ManifestError> {
        let (expected, found) = (self.expected, self.order.number);
        if expected != found {
            return Err(ManifestError::Count { expected, found });
        }
        self.to.flush().map_err(ManifestError::Write)?;
        Ok((self.to, self.hasher.finish()))
    }
}
