//! The frames of a pack that are wanted, fetched by few requests.
//!
//! Frames near to one another are one request, and what lies between is dropped: a request costs more
//! than the bytes that pass in its time. A frame is held to the digest of the signed index before
//! a byte of it is decompressed, and is decompressed into exactly the room the index gives it.

use std::fs::File;
use std::io::{self, BufRead, Read};

use edeploy_format::digest::Digest;
use edeploy_format::manifest::ManifestError;
use edeploy_format::pack::{Frame, IndexReader, PackError};

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

/// Why frames cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum FramesError {
    /// The index.
    #[error(transparent)]
    Index(#[from] PackError),
    /// The manifest that says what is wanted.
    #[error("the manifest of the new version")]
    Manifest(#[from] ManifestError),
    /// The request failed.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The answer ended early or broke.
    #[error("reading the pack {path} at byte {at}")]
    Read {
        /// The pack.
        path: String,
        /// Where the frame begins.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The bytes are not those of the signed index.
    #[error("the pack {path} is not what its index says: the frame at byte {at} has another digest")]
    Digest {
        /// The pack.
        path: String,
        /// Where the frame begins.
        at: u64,
    },
    /// The frame does not decompress to the length in the index.
    #[error("the pack {path}: the frame at byte {at} does not decompress to its {length} bytes")]
    Decompress {
        /// The pack.
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

impl Pack<'_> {
    /// Fetches the frames that hold contents of `needs`, in the order of the pack; `frame` gets each
    /// with its decompressed bytes, `came` the number of bytes that have come.
    pub(super) fn fetch<E: From<FramesError>>(
        &self,
        needs: &Index<'_>,
        came: impl Fn(u64),
        mut frame: impl FnMut(&Frame, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut opener = Opener::new(self.path)?;
        let mut runs = Runs::new(self.index).map_err(FramesError::from)?;
        while let Some(run) = runs.next_run(needs)? {
            let Some(range) = span(&run) else { continue };
            let mut at = range.start;
            let mut stream = self.fetch.open(self.path, Some(range)).map_err(FramesError::from)?;
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
}

/// What fetching all contents of `needs` from the pack of `index` will take.
pub(super) fn cost(index: &File, needs: &Index<'_>) -> Result<Download, FramesError> {
    let mut sum = Download::default();
    let mut runs = Runs::new(index)?;
    while let Some(run) = runs.next_run(needs)? {
        sum.requests += 1;
        sum.frames += run.len() as u64;
        sum.bytes += span(&run).map_or(0, |range| range.end - range.start);
    }
    Ok(sum)
}

/// The bytes of the pack from the first to the last frame of a run.
fn span(run: &[Frame]) -> Option<std::ops::Range<u64>> {
    let (first, last) = (run.first()?, run.last()?);
    Some(first.offset..last.offset + u64::from(last.compressed))
}

/// The wanted frames of an index, in runs of near ones.
struct Runs<R> {
    index: IndexReader<R>,
    /// The first frame of the next run.
    next: Option<Frame>,
}

impl<'a> Runs<Box<dyn BufRead + 'a>> {
    fn new(index: &'a File) -> Result<Self, PackError> {
        let from: Box<dyn BufRead + 'a> = Box::new(reading(index));
        Ok(Self { index: IndexReader::new(from)?, next: None })
    }
}

impl<R: BufRead> Runs<R> {
    fn next_run(&mut self, needs: &Index<'_>) -> Result<Option<Vec<Frame>>, FramesError> {
        let mut run: Vec<Frame> = self.next.take().into_iter().collect();
        let mut pieces = run.iter().map(|frame| frame.pieces.len()).sum::<usize>();
        while let Some(frame) = self.index.next_frame()? {
            if !is_wanted(&frame, needs)? {
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

fn is_wanted(frame: &Frame, needs: &Index<'_>) -> Result<bool, ManifestError> {
    for piece in &frame.pieces {
        if needs.has(&piece.content)? {
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
    fn open(&mut self, stream: &mut dyn Read, gap: u64, frame: &Frame) -> Result<&[u8], FramesError> {
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
