//! A delta: what makes the contents of one version from those of another, in compressed frames, and the
//! index that finds them.
//!
//! It is only a saving: the manifest alone says what a tree is, and whatever a delta makes is held to the
//! manifest's digests. The delta is its frames one after the other, each a zstd frame of its own. A frame holds
//! the streams of its pieces, all control streams first, then all differences, then all that is
//! inserted, each in the order of the pieces: likes compress best beside likes. The index is a text:
//!
//! ```text
//! edeploy-delta 1
//! from <BLAKE3 of the manifest it starts from>
//! to <BLAKE3 of the manifest it leads to>
//! ```
//!
//! then the [frames], with a line for each piece:
//! `<view> <offset> <length> <control> <difference> <proof> [<view of a base>]…`. A piece is a
//! [`Patch`](patch::Patch) with `control` and `difference` bytes in those streams and `length - difference` inserted
//! ones. `proof` is the BLAKE3 of what the piece makes, or `-` when it makes all of its view: so one that was left
//! half made goes on at a piece. A [`View`] is a content, or its unpacked form. Bases are contents of the tree
//! it starts from, or of the one it leads to when that first tree has them or frames before make them; who takes some of
//! those from the pack takes them first.

pub mod patch;

use std::fmt;
use std::io::BufRead;
use std::str::FromStr;

use crate::decimal::decimal;
use crate::digest::Digest;
use crate::frames::{self, IndexError};
use crate::repack::Form;

/// A piece has no more bases than this.
pub const BASES: usize = 64;
/// A frame has no more pieces, bases of them, and parts of forms together: what a host must be able to list.
pub const PIECES: usize = 1 << 14;
/// The longest text of a view: a digest, and a form of 64 parts.
const VIEW: u64 = 65 + 2 + 64 * 28;

/// The two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The manifest of the tree it starts from.
    pub from: Digest,
    /// The manifest of the tree it leads to.
    pub to: Digest,
}

/// A content as it is, or its unpacked form: `<BLAKE3 of the content>[+<form>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The content.
    pub content: Digest,
    /// How it is packed, where the view is its unpacked form.
    pub form: Option<Form>,
}

impl View {
    /// Itself and the parts of its form: what listing it takes.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.form.as_ref().map_or(0, |form| form.parts().len())
    }
}

impl From<Digest> for View {
    fn from(content: Digest) -> Self {
        Self { content, form: None }
    }
}

/// How a run of bytes of one view is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it belongs to.
    pub view: View,
    /// Where in the view it begins.
    pub offset: u64,
    /// How long it is, in bytes; never 0.
    pub length: u32,
    /// Bytes of its control stream.
    pub control: u32,
    /// Bytes of its difference, at most its length; the rest is inserted.
    pub difference: u32,
    /// The digest of what it makes, when that is not the whole view.
    pub proof: Option<Digest>,
    /// What it is made from, one address space in this order.
    pub bases: Vec<View>,
}

/// One compressed frame: its length is the sum of its pieces' streams.
pub type Frame = frames::Frame<Piece>;
/// Reads a delta's index frame by frame.
pub type IndexReader<R> = frames::IndexReader<R, Piece>;

impl Piece {
    /// Bytes of its streams.
    #[must_use]
    pub fn streams(&self) -> u64 {
        u64::from(self.control) + u64::from(self.length)
    }

    /// Bytes that are inserted.
    #[must_use]
    pub fn extra(&self) -> u32 {
        self.length - self.difference
    }
}

impl frames::Piece for Piece {
    const OF: &'static str = "delta";
    const MAGIC: &'static str = "edeploy-delta 1";
    const LINE: u64 = VIEW * (BASES as u64 + 1) + 65 + 4 * 21;
    const MOST: usize = PIECES;

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let view = fields.next()?.parse().ok()?;
        let offset = decimal(fields.next()?)?;
        let mut length = || decimal(fields.next()?);
        let [length, control, difference] = [length()?, length()?, length()?];
        let proof = match fields.next()? {
            "-" => None,
            digest => Some(digest.parse().ok()?),
        };
        let bases = fields.map(|base| base.parse().ok()).collect::<Option<Vec<_>>>()?;
        let piece = Self { view, offset, length, control, difference, proof, bases };
        (piece.bases.len() <= BASES).then_some(piece)
    }

    fn taken(&self) -> Option<u64> {
        (self.length > 0 && self.difference <= self.length).then(|| self.streams())
    }

    fn content(&self) -> &Digest {
        &self.view.content
    }

    fn count(&self) -> usize {
        self.view.count() + self.bases.iter().map(View::count).sum::<usize>()
    }
}

impl fmt::Display for Head {
    /// The first lines of an index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\nfrom {}\nto {}", <Piece as frames::Piece>::MAGIC, self.from, self.to)
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.content)?;
        self.form.iter().try_for_each(|form| write!(f, "+{form}"))
    }
}

/// Not the text of a view.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a content nor its unpacked form")]
pub struct BadView;

impl FromStr for View {
    type Err = BadView;

    fn from_str(text: &str) -> Result<Self, BadView> {
        let (content, form) = match text.split_once('+') {
            Some((content, form)) => (content, Some(form.parse().map_err(|_| BadView)?)),
            None => (text, None),
        };
        Ok(Self { content: content.parse().map_err(|_| BadView)?, form })
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { view, offset, length, control, difference, proof, bases } = self;
        write!(f, "{view} {offset} {length} {control} {difference} ")?;
        match proof {
            Some(digest) => write!(f, "{digest}")?,
            None => f.write_str("-")?,
        }
        bases.iter().try_for_each(|base| write!(f, " {base}"))
    }
}

/// The streams of a decompressed frame, piece by piece.
///
/// `streams` is as long as the frame says: its [`Frame::length`].
pub fn patches<'a>(
    frame: &'a Frame,
    streams: &'a [u8],
) -> impl Iterator<Item = (&'a Piece, patch::Patch<'a>)> {
    let control: usize = frame.pieces.iter().map(|piece| piece.control as usize).sum();
    let difference: usize = frame.pieces.iter().map(|piece| piece.difference as usize).sum();
    let (mut controls, rest) = streams.split_at(control);
    let (mut differences, mut extras) = rest.split_at(difference);
    frame.pieces.iter().map(move |piece| {
        let patch = patch::Patch {
            control: cut(&mut controls, piece.control),
            difference: cut(&mut differences, piece.difference),
            extra: cut(&mut extras, piece.extra()),
        };
        (piece, patch)
    })
}

fn cut<'a>(from: &mut &'a [u8], length: u32) -> &'a [u8] {
    let (taken, rest) = from.split_at(length as usize);
    *from = rest;
    taken
}

impl<R: BufRead> IndexReader<R> {
    /// Reads the first lines.
    ///
    /// # Errors
    /// Any [`IndexError`].
    pub fn new(from: R) -> Result<(Head, Self), IndexError> {
        let (reader, [from, to]) = Self::begin(from, ["from ", "to "])?;
        Ok((Head { from, to }, reader))
    }
}

#[cfg(test)]
mod tests;
