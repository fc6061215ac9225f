//! The frames of a pack or delta that are wanted, fetched by few requests.
//!
//! Frames near to one another are one request, and what lies between is dropped: a request costs more
//! than the bytes that pass in its time. A frame is held to the digest of the signed index before
//! a byte of it is decompressed, and is decompressed into exactly the room the index gives it.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::ops::Range;

use edeploy_format::delta;
use edeploy_format::digest::Digest;
use edeploy_format::frames::{Frame, IndexError, IndexReader, Piece};
use edeploy_format::manifest::ManifestError;
use edeploy_format::pack;

use super::index::reading;
use crate::fetch::{Fetch, FetchError};

/// Frames with less than this between them are one request: some 10 ms at 100 Mbit/s.
const NEAR: u64 = 128 << 10;
/// The index lines of one request are in memory: they list at most so much, unless one frame does more.
const LISTED: usize = 1 << 14;

/// A published pack or delta.
#[derive(Clone, Copy)]
pub struct Frames<'a> {
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
    /// The index of the pack or delta.
    #[error("reading an index of the new version")]
    Index(#[from] IndexError),
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

/// Pieces with an index that can be read, and what a host wants to know of them.
pub(super) trait Part: Piece {
    /// The frames of an index.
    fn frames<R: BufRead>(index: R) -> Result<IndexReader<R, Self>, IndexError>;

    /// What it makes some bytes of: a content, or its unpacked form.
    fn made(&self) -> Made;

    /// Where in that.
    fn span(&self) -> Range<u64>;

    /// The digest of those bytes, if it is not that of all.
    fn proof(&self) -> Option<Digest>;

    /// Whether bytes that lie there count only when there is one.
    const NEEDS_PROOF: bool;
}

/// A content, or its unpacked form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) content: Digest,
    pub(super) is_unpacked: bool,
}

impl Part for pack::Piece {
    fn frames<R: BufRead>(index: R) -> Result<IndexReader<R, Self>, IndexError> {
        pack::IndexReader::new(index)
    }

    fn made(&self) -> Made {
        Made { content: self.content, is_unpacked: false }
    }

    fn span(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length.into())
    }

    fn proof(&self) -> Option<Digest> {
        None
    }

    const NEEDS_PROOF: bool = false;
}

impl Part for delta::Piece {
    fn frames<R: BufRead>(index: R) -> Result<IndexReader<R, Self>, IndexError> {
        delta::IndexReader::new(index).map(|(_, frames)| frames)
    }

    fn made(&self) -> Made {
        Made { content: self.view.content, is_unpacked: self.view.form.is_some() }
    }

    fn span(&self) -> Range<u64> {
        self.offset..self.offset.saturating_add(self.length.into())
    }

    fn proof(&self) -> Option<Digest> {
        self.proof
    }

    const NEEDS_PROOF: bool = true;
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

/// Which pieces are to be had.
pub(super) type Wants<'w, P> = &'w dyn Fn(&P) -> Result<bool, ManifestError>;

/// The frames of an index.
pub(super) fn read<P: Part>(index: &File) -> Result<IndexReader<impl BufRead + use<'_, P>, P>, FramesError> {
    Ok(P::frames(reading(index))?)
}

/// What fetching the frames that hold wanted pieces will take.
pub(super) fn cost<P: Part>(index: &File, wants: Wants<'_, P>) -> Result<Download, FramesError> {
    let mut sum = Download::default();
    let mut runs = Runs { index: read(index)?, wants, next: None };
    while let Some(run) = runs.next_run()? {
        sum.requests += 1;
        sum.frames += run.len() as u64;
        sum.bytes += span(&run).map_or(0, |range| range.end - range.start);
    }
    Ok(sum)
}

impl Frames<'_> {
    /// Fetches the frames that hold wanted pieces, in order; `frame` gets each with its decompressed bytes,
    /// `came` the number of bytes that have come. A frame that is not what the index says is asked of each other site.
    pub(super) fn fetch<P: Part, E: From<FramesError>>(
        &self,
        wants: Wants<'_, P>,
        came: impl Fn(u64),
        mut frame: impl FnMut(&Frame<P>, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut opener = Opener::new(self.path)?;
        let mut runs = Runs { index: read(self.index)?, wants, next: None };
        while let Some(run) = runs.next_run()? {
            let (mut rest, mut wrong) = (&run[..], 0);
            while let (left, Some(error)) = self.stretch(rest, &mut opener, &came, &mut frame)? {
                wrong = if left.len() < rest.len() { 1 } else { wrong + 1 };
                if wrong >= self.fetch.sites().len() {
                    return Err(error.into());
                }
                self.fetch.doubt(&error);
                rest = left;
            }
        }
        Ok(())
    }

    /// Fetches frames in one go, until one is not what the index says: those from there on, and how it differs.
    fn stretch<'r, P: Part, E: From<FramesError>>(
        &self,
        mut rest: &'r [Frame<P>],
        opener: &mut Opener<'_>,
        came: &impl Fn(u64),
        frame: &mut impl FnMut(&Frame<P>, &[u8]) -> Result<(), E>,
    ) -> Result<(&'r [Frame<P>], Option<FramesError>), E> {
        let Some(range) = span(rest) else { return Ok((rest, None)) };
        let mut at = range.start;
        let mut stream = self.fetch.open(self.path, Some(range)).map_err(FramesError::from)?;
        while let Some((one, others)) = rest.split_first() {
            let contents = match opener.open(&mut stream, one.offset - at, one) {
                Ok(contents) => contents,
                Err(error @ FramesError::Digest { .. }) => return Ok((rest, Some(error))),
                Err(error) => return Err(error.into()),
            };
            let end = one.offset + u64::from(one.compressed);
            came(end - at);
            at = end;
            frame(one, contents)?;
            rest = others;
        }
        Ok((rest, None))
    }
}

/// The bytes from the first to the last frame of a run.
fn span<P>(run: &[Frame<P>]) -> Option<Range<u64>> {
    let (first, last) = (run.first()?, run.last()?);
    Some(first.offset..last.offset + u64::from(last.compressed))
}

/// How much a frame lists.
fn count<P: Piece>(frame: &Frame<P>) -> usize {
    frame.pieces.iter().map(Piece::count).sum()
}

/// The wanted frames of an index, in runs of near ones.
struct Runs<'w, R, P: Part> {
    index: IndexReader<R, P>,
    wants: Wants<'w, P>,
    /// The first frame of the next run.
    next: Option<Frame<P>>,
}

impl<R: BufRead, P: Part> Runs<'_, R, P> {
    fn next_run(&mut self) -> Result<Option<Vec<Frame<P>>>, FramesError> {
        let mut run: Vec<_> = self.next.take().into_iter().collect();
        let mut listed = run.iter().map(count).sum::<usize>();
        while let Some(frame) = self.index.next_frame()? {
            if !self.is_wanted(&frame)? {
                continue;
            }
            listed += count(&frame);
            let near = span(&run).is_none_or(|range| frame.offset - range.end < NEAR && listed <= LISTED);
            if !near {
                self.next = Some(frame);
                break;
            }
            run.push(frame);
        }
        Ok(if run.is_empty() { None } else { Some(run) })
    }

    fn is_wanted(&self, frame: &Frame<P>) -> Result<bool, ManifestError> {
        for piece in &frame.pieces {
            if (self.wants)(piece)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
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
        let compressed = room(&mut self.compressed, frame.compressed);
        let skipped = io::copy(&mut stream.take(gap), &mut io::sink());
        let read = skipped.and_then(|_| stream.read_exact(compressed));
        read.map_err(|source| FramesError::Read { path: path(), at, source })?;
        if Digest::of(compressed) != frame.digest {
            return Err(FramesError::Digest { path: path(), at });
        }
        let contents = room(&mut self.contents, length);
        let opened = self.zstd.decompress_to_buffer(compressed, contents);
        let exact = opened.and_then(|n| {
            let short = || io::Error::other(format!("it ends after {n}"));
            if n == length as usize { Ok(()) } else { Err(short()) }
        });
        exact.map_err(|source| FramesError::Decompress { path: path(), at, length, source })?;
        Ok(contents)
    }
}

/// The first bytes of a buffer that is kept, so that it is made once for the longest.
fn room(buffer: &mut Vec<u8>, length: u32) -> &mut [u8] {
    let length = length as usize;
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    &mut buffer[..length]
}
