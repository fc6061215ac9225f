//! The frames of a pack or delta that are wanted, fetched by few requests.
//!
//! Frames near to one another are one request, and what lies between is dropped: a request costs more
//! than the bytes that pass in its time. A frame is held to the digest of the signed index before
//! a byte of it is decompressed, and is decompressed into exactly the room the index gives it.

use std::fs::File;
use std::io::{self, BufRead, Read};

use edeploy_format::delta::{self, DeltaError};
use edeploy_format::digest::Digest;
use edeploy_format::manifest::ManifestError;
use edeploy_format::pack::{self, Frame, PackError};

use super::index::{Index, reading};
use crate::fetch::{Fetch, FetchError};

/// Frames with less than this between them are one request: some 20 ms at 100 Mbit/s.
const NEAR: u64 = 256 << 10;
/// The index lines of one request are in memory: at most so many pieces, unless one frame has more.
const PIECES: usize = 1 << 14;

/// A published pack.
#[derive(Clone, Copy)]
pub struct Pack<'a> {
    /// Where it is fetched from.
    pub fetch: &'a dyn Fetch,
    /// Its path there.
    pub path: &'a str,
    /// Its verified index.
    pub index: &'a File,
}

/// A published delta.
#[derive(Clone, Copy)]
pub struct Delta<'a> {
    /// Where it is fetched from.
    pub fetch: &'a dyn Fetch,
    /// Its path there.
    pub path: &'a str,
    /// Its verified index.
    pub index: &'a File,
}

/// Why frames cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    /// The index of the pack.
    #[error(transparent)]
    Index(#[from] PackError),
    /// The index of the delta.
    #[error(transparent)]
    Delta(#[from] DeltaError),
    /// The manifest that says what is wanted.
    #[error("the manifest of the new version")]
    Manifest(#[from] ManifestError),
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The answer ended early or broke.
    #[error("reading {path} at byte {at}")]
    Read {
        /// The pack or delta.
        path: String,
        /// Where the frame begins.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes are not those of the signed index.
    #[error("{path} is not what its index says: the frame at byte {at} has another digest")]
    Digest {
        /// The pack or delta.
        path: String,
        /// Where the frame begins.
        at: u64,
    },
    /// The frame does not decompress to the length in the index.
    #[error("{path}: the frame at byte {at} does not decompress to its {length} bytes")]
    Decompress {
        /// The pack or delta.
        path: String,
        /// Where the frame begins.
        at: u64,
        /// What the index says.
        length: u32,
        /// What zstd says, or that it stopped short.
        #[source]
        source: io::Error,
    },
}

/// What fetching takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Download {
    /// Requests.
    pub requests: u64,
    /// Frames that are wanted.
    pub frames: u64,
    /// Bytes that come, with those between frames.
    pub bytes: u64,
}

/// An index, frame by frame.
pub(super) trait Frames {
    /// What its frames hold.
    type Piece;

    /// The next frame; `None` at the end.
    fn next(&mut self) -> Result<Option<Frame<Self::Piece>>, FramesError>;

    /// The content that a piece is of.
    fn content(piece: &Self::Piece) -> &Digest;
}

impl<R: BufRead> Frames for pack::IndexReader<R> {
    type Piece = pack::Piece;

    fn next(&mut self) -> Result<Option<Frame>, FramesError> {
        Ok(self.next_frame()?)
    }

    fn content(piece: &pack::Piece) -> &Digest {
        &piece.content
    }
}

impl<R: BufRead> Frames for delta::IndexReader<R> {
    type Piece = delta::Piece;

    fn next(&mut self) -> Result<Option<delta::Frame>, FramesError> {
        Ok(self.next_frame()?)
    }

    fn content(piece: &delta::Piece) -> &Digest {
        &piece.content
    }
}

/// Fetches from `path` the frames that hold contents of `needs`, in order; `frame` gets each with its
/// decompressed bytes, `came` the number of bytes that have come.
pub(super) fn fetch<F: Frames, E: From<FramesError>>(
    (from, path): (&dyn Fetch, &str),
    frames: F,
    needs: &Index<'_>,
    came: impl Fn(u64),
    mut frame: impl FnMut(&Frame<F::Piece>, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut opener = Opener::new(path)?;
    let mut runs = Runs { index: frames, next: None };
    while let Some(run) = runs.next_run(needs)? {
        let Some(range) = span(&run) else { continue };
        let mut at = range.start;
        let mut stream = from.open(path, Some(range)).map_err(FramesError::from)?;
        for one in &run {
            let contents = opener.open(&mut stream, one.offset - at, one)?;
            let end = one.offset + u64::from(one.compressed);
            came(end - at);
            at = end;
            frame(one, contents)?;
        }
    }
    Ok(())
}

impl std::ops::Add for Download {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
        }
    }
}

impl<'a> Pack<'a> {
    /// The frames of its index.
    pub(super) fn frames(&self) -> Result<pack::IndexReader<impl BufRead + use<'a>>, FramesError> {
        Ok(pack::IndexReader::new(reading(self.index))?)
    }
}

impl<'a> Delta<'a> {
    /// The frames of its index.
    pub(super) fn frames(&self) -> Result<delta::IndexReader<impl BufRead + use<'a>>, FramesError> {
        delta_frames(self.index)
    }
}

/// The frames of a delta's index.
pub(super) fn delta_frames(index: &File) -> Result<delta::IndexReader<impl BufRead + use<'_>>, FramesError> {
    Ok(delta::IndexReader::new(reading(index))?)
}

/// What a delta makes: the first bytes of the digests of its contents, sorted.
pub(super) fn made_by(index: &File) -> Result<Vec<u64>, FramesError> {
    let (mut frames, mut made) = (delta_frames(index)?, Vec::new());
    while let Some(frame) = frames.next_frame()? {
        made.extend(
            frame.pieces.iter().filter(|piece| piece.offset == 0).map(|piece| piece.content.prefix()),
        );
    }
    made.sort_unstable();
    Ok(made)
}

/// What fetching all contents of `needs` from the pack of `index` will take.
pub(super) fn cost(index: &File, needs: &Index<'_>) -> Result<Download, FramesError> {
    cost_of(pack::IndexReader::new(reading(index))?, needs)
}

/// What fetching the frames of `frames` that hold contents of `needs` will take.
pub(super) fn cost_of(frames: impl Frames, needs: &Index<'_>) -> Result<Download, FramesError> {
    let mut sum = Download::default();
    let mut runs = Runs { index: frames, next: None };
    while let Some(run) = runs.next_run(needs)? {
        sum.requests += 1;
        sum.frames += run.len() as u64;
        sum.bytes += span(&run).map_or(0, |range| range.end - range.start);
    }
    Ok(sum)
}

/// The bytes from the first to the last frame of a run.
fn span<P>(run: &[Frame<P>]) -> Option<std::ops::Range<u64>> {
    let (first, last) = (run.first()?, run.last()?);
    Some(first.offset..last.offset + u64::from(last.compressed))
}

/// The wanted frames of an index, in runs of near ones.
struct Runs<F: Frames> {
    index: F,
    /// The first frame of the next run.
    next: Option<Frame<F::Piece>>,
}

impl<F: Frames> Runs<F> {
    fn next_run(&mut self, needs: &Index<'_>) -> Result<Option<Vec<Frame<F::Piece>>>, FramesError> {
        let mut run: Vec<_> = self.next.take().into_iter().collect();
        let mut pieces = run.iter().map(|frame: &Frame<F::Piece>| frame.pieces.len()).sum::<usize>();
        while let Some(frame) = self.index.next()? {
            if !is_wanted::<F>(&frame, needs)? {
                continue;
            }
            pieces += frame.pieces.len();
            let near = span(&run).is_none_or(|range| frame.offset - range.end < NEAR && pieces <= PIECES);
            if !near {
                self.next = Some(frame);
                break;
            }
            run.push(frame);
        }
        Ok(if run.is_empty() { None } else { Some(run) })
    }
}

fn is_wanted<F: Frames>(frame: &Frame<F::Piece>, needs: &Index<'_>) -> Result<bool, ManifestError> {
    for piece in &frame.pieces {
        if needs.has(F::content(piece))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Checks and decompresses frame by frame, in buffers that are kept.
struct Opener<'a> {
    path: &'a str,
    zstd: zstd::bulk::Decompressor<'static>,
    compressed: Vec<u8>,
    contents: Vec<u8>,
}

impl<'a> Opener<'a> {
    fn new(path: &'a str) -> Result<Self, FramesError> {
        let zstd = zstd::bulk::Decompressor::new().map_err(|source| FramesError::Decompress {
            path: path.to_owned(),
            at: 0,
            length: 0,
            source,
        })?;
        Ok(Self { path, zstd, compressed: Vec::new(), contents: Vec::new() })
    }

    /// Drops `gap` bytes of `stream` and opens the frame that follows.
    fn open<P>(&mut self, stream: &mut dyn Read, gap: u64, frame: &Frame<P>) -> Result<&[u8], FramesError> {
        let (path, at, length) = (|| self.path.to_owned(), frame.offset, frame.length);
        self.compressed.resize(frame.compressed as usize, 0);
        let skipped = io::copy(&mut stream.take(gap), &mut io::sink());
        let read = skipped.and_then(|_| stream.read_exact(&mut self.compressed));
        read.map_err(|source| FramesError::Read { path: path(), at, source })?;
        if Digest::of(&self.compressed) != frame.digest {
            return Err(FramesError::Digest { path: path(), at });
        }
        self.contents.resize(length as usize, 0);
        let opened = self.zstd.decompress_to_buffer(&self.compressed, &mut self.contents[..]);
        let exact = opened.and_then(|n| {
            let short = || io::Error::other(format!("it ends after {n}"));
            if n == length as usize { Ok(()) } else { Err(short()) }
        });
        exact.map_err(|source| FramesError::Decompress { path: path(), at, length, source })?;
        Ok(&self.contents)
    }
}
