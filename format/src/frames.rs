//! Compressed frames and the index that finds them: what packs and deltas share.
//!
//! The index is a text: a first line with the format, then for each frame a line
//! `frame <compressed length> <length> <BLAKE3 of the compressed bytes>` and one line for each piece in it.
//! Each frame is a zstd frame of its own; offsets of frames are the sums of the compressed lengths before them.

use std::fmt;
use std::io::{self, BufRead};
use std::marker::PhantomData;

use crate::decimal::decimal;
use crate::digest::Digest;

/// No frame is longer than this when decompressed: what a host must be able to hold.
pub const FRAME_LIMIT: u32 = 4 << 20;
/// zstd's worst case for an incompressible frame of that size, rounded up.
pub const COMPRESSED_LIMIT: u32 = FRAME_LIMIT + (FRAME_LIMIT >> 7);

/// What a frame holds: some bytes of one content, or how they are made.
pub trait Piece: fmt::Display + Sized {
    /// What the frames are of, in messages.
    const OF: &'static str;
    /// The first line of an index.
    const MAGIC: &'static str;
    /// The longest line of an index.
    const LINE: u64;
    /// No frame counts more of its pieces: what a host must be able to list.
    const MOST: usize;

    /// Reads its line.
    fn parse(line: &str) -> Option<Self>;

    /// Bytes it takes in its frame; `None` if its lengths cannot be.
    fn taken(&self) -> Option<u64>;

    /// The content of the manifest that it belongs to.
    fn content(&self) -> &Digest;

    /// Itself and all that it lists.
    fn count(&self) -> usize {
        1
    }
}

/// One compressed frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<P> {
    /// Where it begins.
    pub offset: u64,
    /// Its compressed length.
    pub compressed: u32,
    /// Its length when decompressed: the sum of what its pieces take.
    pub length: u32,
    /// BLAKE3 of the compressed bytes: checked before they are decompressed.
    pub digest: Digest,
    /// What it holds, in order.
    pub pieces: Vec<P>,
}

impl<P: fmt::Display> fmt::Display for Frame<P> {
    /// The lines of this frame in an index.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "frame {} {} {}", self.compressed, self.length, self.digest)?;
        self.pieces.iter().try_for_each(|piece| writeln!(f, "{piece}"))
    }
}

/// Why an index is refused.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The stream failed.
    #[error("reading the index of the {0}")]
    Read(&'static str, #[source] io::Error),
    /// Another first line, so another format or another thing.
    #[error("no index of a {0}, or of a format this program does not know")]
    Magic(&'static str),
    /// A line does not parse, or is cut short.
    #[error("line {1} of the index of the {0} is wrong")]
    Line(&'static str, u64),
    /// Lengths over the limit, zero, or that do not add up.
    #[error("the index of the {0}: the frame that ends at line {1} has lengths that cannot be")]
    Lengths(&'static str, u64),
}

/// Reads an index frame by frame.
pub struct IndexReader<R, P> {
    from: R,
    line: String,
    number: u64,
    offset: u64,
    /// Whether `line` holds the head of the next frame.
    pending: bool,
    pieces: PhantomData<P>,
}

impl<R: BufRead, P: Piece> IndexReader<R, P> {
    /// Reads the first line, and those after it that begin with `keys` and name a digest each.
    pub(crate) fn begin<const N: usize>(from: R, keys: [&str; N]) -> Result<(Self, [Digest; N]), IndexError> {
        let line = String::new();
        let mut reader = Self { from, line, number: 0, offset: 0, pending: false, pieces: PhantomData };
        if !reader.advance()? || reader.line != P::MAGIC {
            return Err(IndexError::Magic(P::OF));
        }
        let mut digests = [Digest([0; 32]); N];
        for (key, digest) in keys.into_iter().zip(&mut digests) {
            reader.advance()?;
            let found = reader.line.strip_prefix(key).and_then(|text| text.parse().ok());
            *digest = found.ok_or_else(|| reader.wrong())?;
        }
        reader.pending = reader.advance()?;
        Ok((reader, digests))
    }

    /// The next frame; `None` at the end.
    ///
    /// # Errors
    /// Any [`IndexError`].
    pub fn next_frame(&mut self) -> Result<Option<Frame<P>>, IndexError> {
        if !self.pending {
            return Ok(None);
        }
        let mut frame = self.frame_line().ok_or_else(|| self.wrong())?;
        let (mut sum, mut count) = (0_u64, 0);
        loop {
            self.pending = self.advance()?;
            if !self.pending || self.line.starts_with("frame ") {
                break;
            }
            let piece = P::parse(&self.line).ok_or_else(|| self.wrong())?;
            sum += piece.taken().ok_or(IndexError::Lengths(P::OF, self.number))?;
            count += piece.count();
            if sum > u64::from(FRAME_LIMIT) || count > P::MOST {
                return Err(IndexError::Lengths(P::OF, self.number));
            }
            frame.pieces.push(piece);
        }
        let sound =
            sum == u64::from(frame.length) && sum > 0 && (1..=COMPRESSED_LIMIT).contains(&frame.compressed);
        if !sound {
            return Err(IndexError::Lengths(P::OF, self.number));
        }
        self.offset += u64::from(frame.compressed);
        Ok(Some(frame))
    }

    fn frame_line(&self) -> Option<Frame<P>> {
        let mut fields = self.line.strip_prefix("frame ")?.split(' ');
        let compressed = decimal(fields.next()?)?;
        let length = decimal(fields.next()?)?;
        let digest = fields.next()?.parse().ok()?;
        let frame = Frame { offset: self.offset, compressed, length, digest, pieces: Vec::new() };
        fields.next().is_none().then_some(frame)
    }

    fn advance(&mut self) -> Result<bool, IndexError> {
        self.line.clear();
        self.number += 1;
        let read = io::Read::take(&mut self.from, P::LINE).read_line(&mut self.line);
        let n = read.map_err(|source| IndexError::Read(P::OF, source))?;
        if n > 0 && self.line.pop() != Some('\n') {
            return Err(self.wrong());
        }
        Ok(n > 0)
    }

    fn wrong(&self) -> IndexError {
        IndexError::Line(P::OF, self.number)
    }
}

impl<R: BufRead, P: Piece> Iterator for IndexReader<R, P> {
    type Item = Result<Frame<P>, IndexError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_frame().transpose()
    }
}
