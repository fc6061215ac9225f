//! The pack: all contents of a version in compressed [frames].
//!
//! Readers rely on no order of contents. A line of the index is
//! `<BLAKE3 of the content> <offset in the content> <length>`. A content larger than a frame is cut into pieces
//! that stand in order, in frames of their own. An empty content has no piece.

use std::fmt;
use std::io::BufRead;

use crate::decimal::decimal;
use crate::digest::Digest;
use crate::frames::{self, IndexError};

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

/// One compressed frame: its pieces one after the other.
pub type Frame = frames::Frame<Piece>;
/// Reads a pack's index frame by frame.
pub type IndexReader<R> = frames::IndexReader<R, Piece>;

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.content, self.offset, self.length)
    }
}

/// A frame has no more pieces: what a host must be able to list.
pub const PIECES: usize = 1 << 17;

impl frames::Piece for Piece {
    const OF: &'static str = "pack";
    const MAGIC: &'static str = "edeploy-pack 1";
    const LINE: u64 = 256;
    const MOST: usize = PIECES;

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let content = fields.next()?.parse().ok()?;
        let (offset, length) = (decimal(fields.next()?)?, decimal(fields.next()?)?);
        fields.next().is_none().then_some(Self { content, offset, length })
    }

    fn taken(&self) -> Option<u64> {
        (self.length > 0).then_some(self.length.into())
    }

    fn content(&self) -> &Digest {
        &self.content
    }
}

/// The first line of an index, with its newline.
#[must_use]
pub fn index_head() -> String {
    format!("{}\n", <Piece as frames::Piece>::MAGIC)
}

impl<R: BufRead> IndexReader<R> {
    /// Reads the first line.
    ///
    /// # Errors
    /// [`IndexError::Magic`] or [`IndexError::Read`].
    pub fn new(from: R) -> Result<Self, IndexError> {
        Ok(Self::begin(from, [])?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::{COMPRESSED_LIMIT, FRAME_LIMIT};

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

    fn read(text: &str) -> Result<Vec<Frame>, IndexError> {
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
        let mut many = frames();
        many[1].pieces = vec![Piece { length: 1, ..many[1].pieces[0] }; PIECES + 1];
        many[1].length = u32::try_from(PIECES).unwrap() + 1;
        for hostile in [too_long, sum, empty, bomb, many] {
            assert!(matches!(read(&text(&hostile)), Err(IndexError::Lengths(..))), "{hostile:?}");
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
