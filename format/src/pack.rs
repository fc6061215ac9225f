//! The pack: all contents of a version in compressed frames, and the index that finds them.
//!
//! The pack is its frames one after the other, each a zstd frame of its own, in the order of the
//! manifest; the index is a text: `edeploy-pack 1`, then for each frame a line
//! `frame <compressed length> <length> <BLAKE3 of the compressed bytes>` followed by one line per
//! piece in it, `<BLAKE3 of the content> <offset in the content> <length>`. A content larger than a
//! frame is cut into pieces that stand in order, in frames of their own. Offsets of frames are the
//! sums of the lengths before them. An empty content has no piece.

use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use crate::decimal::decimal;
use crate::digest::Digest;

const MAGIC: &str = "edeploy-pack 1";
/// No frame is longer than this when decompressed: what a host must be able to hold.
pub const FRAME_LIMIT: u32 = 4 << 20;
/// zstd's worst case for an incompressible frame of that size, rounded up.
pub const COMPRESSED_LIMIT: u32 = FRAME_LIMIT + (FRAME_LIMIT >> 7);

/// A run of bytes of one content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The content it belongs to.
    pub content: Digest,
    /// Where in the content it begins.
    pub offset: u64,
    /// How long it is, in bytes; never 0.
    pub length: u32,
}

/// One compressed frame, of a pack (pieces one after the other) or of a delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<P = Piece> {
    /// Where in the pack or delta it begins.
    pub offset: u64,
    /// Its length there.
    pub compressed: u32,
    /// Its length when decompressed: the sum of its pieces.
    pub length: u32,
    /// BLAKE3 of the compressed bytes: checked before they are decompressed.
    pub digest: Digest,
    /// What it holds, in order.
    pub pieces: Vec<P>,
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} {} {}", self.content, self.offset, self.length)
    }
}

impl<P: fmt::Display> fmt::Display for Frame<P> {
    /// The lines of this frame in an index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "frame {} {} {}", self.compressed, self.length, self.digest)?;
        self.pieces.iter().try_for_each(|piece| piece.fmt(f))
    }
}

/// The first line of an index, with its newline.
#[must_use]
pub fn index_head() -> String {
    format!("{MAGIC}\n")
}

/// Why a pack index is refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The stream failed.
    #[error("reading the pack index")]
    Read(#[source] io::Error),
    /// The first line is not `edeploy-pack 1`.
    #[error("not a pack index of format 1")]
    Magic,
    /// A line does not parse, or is cut short.
    #[error("pack index line {0} is wrong")]
    Line(u64),
    /// Lengths over the limit, zero, or that do not add up.
    #[error("pack index: the frame that ends at line {0} has lengths that cannot be")]
    Lengths(u64),
}

/// Reads an index frame by frame.
pub struct IndexReader<R> {
    from: R,
    line: String,
    number: u64,
    offset: u64,
    /// Whether `line` holds the head of the next frame.
    pending: bool,
}

impl<R: BufRead> IndexReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`PackError::Magic`] or [`PackError::Read`].
    pub fn new(from: R) -> Result<Self, PackError> {
        let mut reader = Self { from, line: String::new(), number: 0, offset: 0, pending: false };
        if !reader.advance()? || reader.line != MAGIC {
            return Err(PackError::Magic);
        }
        reader.pending = reader.advance()?;
        Ok(reader)
    }

    fn advance(&mut self) -> Result<bool, PackError> {
        self.line.clear();
        self.number += 1;
        let n = io::Read::take(&mut self.from, 256).read_line(&mut self.line).map_err(PackError::Read)?;
        if n > 0 && self.line.pop() != Some('\n') {
            return Err(PackError::Line(self.number));
        }
        Ok(n > 0)
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// Any [`PackError`].
    pub fn next_frame(&mut self) -> Result<Option<Frame>, PackError> {
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
            sum += u64::from(piece.length);
            if piece.length == 0 || sum > u64::from(FRAME_LIMIT) {
                return Err(PackError::Lengths(self.number));
            }
            frame.pieces.push(piece);
        }
        let lengths =
            sum == u64::from(frame.length) && sum > 0 && (1..=COMPRESSED_LIMIT).contains(&frame.compressed);
        if !lengths {
            return Err(PackError::Lengths(self.number));
        }
        self.offset += u64::from(frame.compressed);
        Ok(Some(frame))
    }

    fn frame_line(&self) -> Result<Frame, PackError> {
        let fields: Vec<&str> = self.line.split(' ').collect();
        let ["frame", compressed, length, digest] = fields[..] else {
            return Err(PackError::Line(self.number));
        };
        Ok(Frame {
            offset: self.offset,
            compressed: self.number(compressed)?,
            length: self.number(length)?,
            digest: self.digest(digest)?,
            pieces: Vec::new(),
        })
    }

    fn piece_line(&self) -> Result<Piece, PackError> {
        let fields: Vec<&str> = self.line.split(' ').collect();
        let [content, offset, length] = fields[..] else {
            return Err(PackError::Line(self.number));
        };
        Ok(Piece {
            content: self.digest(content)?,
            offset: self.number(offset)?,
            length: self.number(length)?,
        })
    }

    fn number<T: FromStr>(&self, text: &str) -> Result<T, PackError> {
        decimal(text).ok_or(PackError::Line(self.number))
    }

    fn digest(&self, text: &str) -> Result<Digest, PackError> {
        text.parse().map_err(|_| PackError::Line(self.number))
    }
}

impl<R: BufRead> Iterator for IndexReader<R> {
    type Item = Result<Frame, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames() -> Vec<Frame> {
        let piece = |text: &[u8], offset, length| Piece { content: Digest::of(text), offset, length };
        let frame = |offset, compressed, pieces: Vec<Piece>| Frame {
            offset,
            compressed,
            length: pieces.iter().map(|p| p.length).sum(),
            digest: Digest::of(b"frame"),
            pieces,
        };
        vec![
            frame(0, 10, vec![piece(b"a", 0, 5), piece(b"b", 0, 7)]),
            frame(10, 9, vec![piece(b"c", 4096, 1)]),
        ]
    }

    fn text(frames: &[Frame]) -> String {
        frames.iter().fold(index_head(), |text, frame| text + &frame.to_string())
    }

    fn read(text: &str) -> Result<Vec<Frame>, PackError> {
        IndexReader::new(text.as_bytes())?.collect()
    }

    #[test]
    fn an_index_survives_its_text() {
        assert_eq!(read(&text(&frames())).unwrap(), frames());
        assert_eq!(read(&index_head()).unwrap(), []);
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        let mut too_long = frames();
        too_long[0].pieces[0].length = FRAME_LIMIT;
        too_long[0].length = FRAME_LIMIT + 7;
        let mut sum = frames();
        sum[0].length = 13;
        let mut empty = frames();
        empty[1].pieces.clear();
        empty[1].length = 0;
        let mut bomb = frames();
        bomb[0].compressed = COMPRESSED_LIMIT + 1;
        for hostile in [too_long, sum, empty, bomb] {
            assert!(matches!(read(&text(&hostile)), Err(PackError::Lengths(_))), "{hostile:?}");
        }
    }

    #[test]
    fn a_cut_inside_a_line_is_found() {
        let whole = text(&frames());
        for length in (0..whole.len()).filter(|n| !whole[..*n].ends_with('\n')) {
            assert!(read(&whole[..length]).is_err(), "cut at {length}");
        }
    }
}
