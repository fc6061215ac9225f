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
//! frame <compressed length> <length> <BLAKE3 of the compressed bytes>
//! <BLAKE3 of the content> <offset> <length> <control> <difference> <proof> [<BLAKE3 of a base>]…
//! ```
//!
//! with a line for each piece after the line of its frame. A piece is a [`Patch`](patch::Patch) with `control`
//! and `difference` bytes in those streams and `length - difference` inserted ones. `proof` is the BLAKE3
//! of what the piece makes, or `-` when it makes the whole content: so a content that was left half made goes on
//! at a piece. Bases are contents of the tree it starts from, or of the one it leads to when earlier frames or
//! that first tree have them.

pub mod patch;

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use crate::decimal::decimal;
use crate::digest::Digest;
use crate::pack::{self, COMPRESSED_LIMIT, FRAME_LIMIT};

const MAGIC: &str = "edeploy-delta 1";
/// A piece has no more bases than this.
pub const BASES: usize = 64;
/// The longest line: a piece with as many bases as there may be.
const LINE: u64 = 65 * (BASES as u64 + 2) + 4 * 21;

/// The two trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The manifest of the tree it starts from.
    pub from: Digest,
    /// The manifest of the tree it leads to.
    pub to: Digest,
}

/// How a run of bytes of one content is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The content it belongs to.
    pub content: Digest,
    /// Where in the content it begins.
    pub offset: u64,
    /// How long it is, in bytes; never 0.
    pub length: u32,
    /// Bytes of its control stream.
    pub control: u32,
    /// Bytes of its difference, at most its length; the rest is inserted.
    pub difference: u32,
    /// The digest of what it makes, when that is not the whole content.
    pub proof: Option<Digest>,
    /// The contents it is made from, one address space in this order.
    pub bases: Vec<Digest>,
}

/// One compressed frame: its length is the sum of its pieces' streams.
pub type Frame = pack::Frame<Piece>;

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

impl fmt::Display for Head {
    /// The first lines of an index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}\nfrom {}\nto {}", self.from, self.to)
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { content, offset, length, control, difference, proof, bases } = self;
        write!(f, "{content} {offset} {length} {control} {difference} ")?;
        match proof {
            Some(digest) => write!(f, "{digest}")?,
            None => f.write_str("-")?,
        }
        bases.iter().try_for_each(|base| write!(f, " {base}"))?;
        writeln!(f)
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

/// Why a delta's index is refused.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// The stream failed.
    #[error("reading the delta's index")]
    Read(#[source] io::Error),
    /// It does not begin as one.
    #[error("not a delta's index of format 1")]
    Magic,
    /// A line does not parse, or is cut short.
    #[error("line {0} of the delta's index is wrong")]
    Line(u64),
    /// Lengths over the limit, zero, or that do not add up.
    #[error("the delta's index: the frame that ends at line {0} has lengths that cannot be")]
    Lengths(u64),
}

/// Reads an index frame by frame.
pub struct IndexReader<R> {
    from: R,
    head: Head,
    line: String,
    number: u64,
    offset: u64,
    /// Whether `line` holds the head of the next frame.
    pending: bool,
}

impl<R: BufRead> IndexReader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`DeltaError`].
    pub fn new(from: R) -> Result<Self, DeltaError> {
        let none = Digest([0; 32]);
        let head = Head { from: none, to: none };
        let mut reader = Self { from, head, line: String::new(), number: 0, offset: 0, pending: false };
        if !reader.advance()? || reader.line != MAGIC {
            return Err(DeltaError::Magic);
        }
        reader.head = Head { from: reader.tree("from ")?, to: reader.tree("to ")? };
        reader.pending = reader.advance()?;
        Ok(reader)
    }

    /// The two trees.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    fn tree(&mut self, key: &str) -> Result<Digest, DeltaError> {
        self.advance()?;
        let digest = self.line.strip_prefix(key).and_then(|digest| digest.parse().ok());
        digest.ok_or(DeltaError::Line(self.number))
    }

    fn advance(&mut self) -> Result<bool, DeltaError> {
        self.line.clear();
        self.number += 1;
        let n = io::Read::take(&mut self.from, LINE).read_line(&mut self.line).map_err(DeltaError::Read)?;
        if n > 0 && self.line.pop() != Some('\n') {
            return Err(DeltaError::Line(self.number));
        }
        Ok(n > 0)
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// Any [`DeltaError`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DeltaError> {
        if !self.pending {
            return Ok(None);
        }
        let mut frame = self.frame_line()?;
        let mut sum = 0_u64;
        loop {
            self.pending = self.advance()?;
            if !self.pending || self.line.starts_with("frame ") {
                break;
            }
            let piece = self.piece_line()?;
            sum += piece.streams();
            if piece.length == 0 || piece.difference > piece.length || sum > u64::from(FRAME_LIMIT) {
                return Err(DeltaError::Lengths(self.number));
            }
            frame.pieces.push(piece);
        }
        let lengths =
            sum == u64::from(frame.length) && sum > 0 && (1..=COMPRESSED_LIMIT).contains(&frame.compressed);
        if !lengths {
            return Err(DeltaError::Lengths(self.number));
        }
        self.offset += u64::from(frame.compressed);
        Ok(Some(frame))
    }

    fn frame_line(&self) -> Result<Frame, DeltaError> {
        let fields: Vec<&str> = self.line.split(' ').collect();
        let ["frame", compressed, length, digest] = fields[..] else {
            return Err(DeltaError::Line(self.number));
        };
        Ok(Frame {
            offset: self.offset,
            compressed: self.number(compressed)?,
            length: self.number(length)?,
            digest: self.digest(digest)?,
            pieces: Vec::new(),
        })
    }

    fn piece_line(&self) -> Result<Piece, DeltaError> {
        let fields: Vec<&str> = self.line.split(' ').collect();
        let [content, offset, length, control, difference, proof, bases @ ..] = &fields[..] else {
            return Err(DeltaError::Line(self.number));
        };
        if bases.len() > BASES {
            return Err(DeltaError::Line(self.number));
        }
        Ok(Piece {
            content: self.digest(content)?,
            offset: self.number(offset)?,
            length: self.number(length)?,
            control: self.number(control)?,
            difference: self.number(difference)?,
            proof: if *proof == "-" { None } else { Some(self.digest(proof)?) },
            bases: bases.iter().map(|base| self.digest(base)).collect::<Result<_, _>>()?,
        })
    }

    fn number<T: FromStr>(&self, text: &str) -> Result<T, DeltaError> {
        decimal(text).ok_or(DeltaError::Line(self.number))
    }

    fn digest(&self, text: &str) -> Result<Digest, DeltaError> {
        text.parse().map_err(|_| DeltaError::Line(self.number))
    }
}

#[cfg(test)]
mod tests;
