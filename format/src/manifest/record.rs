//! One path of a tree, as one line.
//!
//! Ten fields with single spaces between, `-` where a field does not apply:
//! `path type mode uid gid mtime xattrs size digest target`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::decimal::decimal;
use crate::digest::{Digest, hex, unhex};
use crate::path::{BadPath, TreePath, escape, unescape};

/// The times a record may have: those that ext4 with inodes of 256 bytes keeps, from 1901-12-13T20:45:52Z to
/// 2446-05-10T22:38:55Z.
pub const MTIMES: RangeInclusive<i64> = -(1 << 31)..=(1 << 34) - (1 << 31) - 1;

/// Numeric owner and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// An extended attribute: name and raw value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Xattr {
    /// The name with its namespace: `security.capability`.
    pub name: String,
    /// The value as the kernel gives it.
    pub value: Vec<u8>,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder, `d`.
    Folder,
    /// A regular file, `f`.
    File {
        /// Length in bytes.
        size: u64,
        /// BLAKE3 of the content.
        digest: Digest,
    },
    /// A further name of a file with several hard links, `h`. Everything else in the record equals
    /// the record of the first name.
    HardLink {
        /// Length in bytes.
        size: u64,
        /// BLAKE3 of the content.
        digest: Digest,
        /// The first name of the same inode, which comes earlier in the manifest.
        first: TreePath,
    },
    /// A symbolic link, `l`; its target is any text without NUL.
    Symlink {
        /// Where it points, as stored.
        target: String,
    },
}

/// One path with all that is restored of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub path: TreePath,
    /// Permission bits with setuid, setgid and sticky: at most `0o7777`.
    pub mode: u32,
    /// Who owns it.
    pub owner: Owner,
    /// Whole seconds since 1970, within [`MTIMES`]; may be negative.
    pub mtime: i64,
    /// Extended attributes, sorted by name, each name once.
    pub xattrs: Vec<Xattr>,
    /// What it is.
    pub kind: Kind,
}

impl Record {
    /// Size and digest of the content, for files and hard links.
    #[must_use]
    pub fn content(&self) -> Option<(u64, Digest)> {
        match self.kind {
            Kind::File { size, digest } | Kind::HardLink { size, digest, .. } => Some((size, digest)),
            Kind::Folder | Kind::Symlink { .. } => None,
        }
    }
}

/// Why a line is no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not ten fields.
    #[error("a record has 10 fields, this has {0}")]
    Fields(usize),
    /// A path does not parse.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// A field does not parse, or stands where it must not.
    #[error("field `{0}` is wrong: {1:?}")]
    Field(&'static str, String),
}

fn number<T: FromStr>(name: &'static str, text: &str) -> Result<T, RecordError> {
    decimal(text).ok_or_else(|| RecordError::Field(name, text.chars().take(80).collect()))
}

fn parse_digest(text: &str) -> Result<Digest, RecordError> {
    text.parse().map_err(|_| RecordError::Field("digest", text.chars().take(80).collect()))
}

fn absent(name: &'static str, text: &str) -> Result<(), RecordError> {
    if text == "-" { Ok(()) } else { Err(RecordError::Field(name, text.chars().take(80).collect())) }
}

fn parse_mode(text: &str) -> Result<u32, RecordError> {
    let octal = text.len() == 4 && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    mode.ok_or_else(|| RecordError::Field("mode", text.chars().take(80).collect()))
}

fn parse_mtime(text: &str) -> Result<i64, RecordError> {
    let mtime = number("mtime", text)?;
    if MTIMES.contains(&mtime) { Ok(mtime) } else { Err(RecordError::Field("mtime", text.to_owned())) }
}

fn parse_xattrs(text: &str) -> Result<Vec<Xattr>, RecordError> {
    if text == "-" {
        return Ok(Vec::new());
    }
    let wrong = || RecordError::Field("xattrs", text.chars().take(80).collect());
    let one = |item: &str| {
        let (name, value) = item.split_once('=').ok_or_else(wrong)?;
        Ok(Xattr { name: unescape(name)?, value: unhex(value).ok_or_else(wrong)? })
    };
    let xattrs: Vec<Xattr> = text.split(',').map(one).collect::<Result<_, RecordError>>()?;
    let sorted = xattrs.is_sorted_by(|a, b| a.name < b.name);
    let plain = xattrs.iter().all(|x| x.name.contains('.') && !x.name.contains(['=', ',', '\0']));
    if sorted && plain { Ok(xattrs) } else { Err(wrong()) }
}

fn parse_symlink(text: &str) -> Result<Kind, RecordError> {
    let target = unescape(text)?;
    if target.is_empty() || target.contains('\0') || target.len() > 4095 {
        return Err(RecordError::Field("target", text.chars().take(80).collect()));
    }
    Ok(Kind::Symlink { target })
}

impl FromStr for Record {
    type Err = RecordError;

    fn from_str(line: &str) -> Result<Self, RecordError> {
        // A machine parses some hundred thousand records in an upgrade: what needs no memory of its own has none.
        let (mut words, mut fields) = (line.split(' '), [""; 10]);
        let found = fields.iter_mut().zip(&mut words).map(|(field, word)| *field = word).count();
        let more = words.count();
        if found + more != fields.len() {
            return Err(RecordError::Fields(found + more));
        }
        let [path, kind, mode, uid, gid, mtime, xattrs, size, digest, target] = fields;
        let kind = match kind {
            "d" | "l" => {
                absent("size", size)?;
                absent("digest", digest)?;
                match kind {
                    "l" => parse_symlink(target)?,
                    _ => absent("target", target).map(|()| Kind::Folder)?,
                }
            }
            "f" => {
                absent("target", target)?;
                Kind::File { size: number("size", size)?, digest: parse_digest(digest)? }
            }
            "h" => Kind::HardLink {
                size: number("size", size)?,
                digest: parse_digest(digest)?,
                first: TreePath::new(unescape(target)?)?,
            },
            other => return Err(RecordError::Field("type", other.chars().take(80).collect())),
        };
        Ok(Self {
            path: TreePath::new(unescape(path)?)?,
            mode: parse_mode(mode)?,
            owner: Owner { uid: number("uid", uid)?, gid: number("gid", gid)? },
            mtime: parse_mtime(mtime)?,
            xattrs: parse_xattrs(xattrs)?,
            kind,
        })
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            Kind::Folder => 'd',
            Kind::File { .. } => 'f',
            Kind::HardLink { .. } => 'h',
            Kind::Symlink { .. } => 'l',
        };
        write!(f, "{} {letter} {:04o} ", escape(self.path.as_str()), self.mode)?;
        write!(f, "{} {} {} ", self.owner.uid, self.owner.gid, self.mtime)?;
        for (i, x) in self.xattrs.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(f, "{comma}{}={}", escape(&x.name), hex(&x.value))?;
        }
        if self.xattrs.is_empty() {
            f.write_str("-")?;
        }
        match &self.kind {
            Kind::Folder => f.write_str(" - - -"),
            Kind::File { size, digest } => write!(f, " {size} {digest} -"),
            Kind::HardLink { size, digest, first } => {
                write!(f, " {size} {digest} {}", escape(first.as_str()))
            }
            Kind::Symlink { target } => write!(f, " - - {}", escape(target)),
        }
    }
}
