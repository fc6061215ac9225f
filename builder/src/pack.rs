//! From a tree and its manifest to the pack: all contents in compressed frames, and the index of the frames.
//!
//! Contents stand in the order of their source packages, and within one in that of the manifest, each once. Small ones
//! share a frame until it is [`SHARED`] long, or [`LEAST`] and the next is of another package: a host that needs one of
//! them mostly needs the others, and they resemble one another. Larger ones are cut into frames of their own. Every content is
//! checked against the manifest as it is read, so a pack never disagrees with it. Frames are compressed in parallel,
//! and the same bytes come out each time; frames that an earlier build has are not compressed again.

mod earlier;
mod packages;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::iter;
use std::ops::Range;
use std::path::Path;

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;
use edeploy_format::frames::FRAME_LIMIT;
use edeploy_format::manifest::{ManifestError, Reader};
use edeploy_format::pack::{Frame, PIECES, Piece, index_head};
use edeploy_format::path::TreePath;

pub use earlier::Earlier;
use packages::Packages;

use crate::failure::Fault;
use crate::parallel;
use crate::tree::TreeError;

/// Small contents share a frame until it is this long.
const SHARED: u64 = 512 << 10;
/// A shared frame of this length is not gone on with for another package.
const LEAST: u64 = 64 << 10;
/// So many bytes of contents may be begun and not written yet.
const AHEAD: u64 = 32 << 20;
/// The zstd level: above it, time grows faster than bytes shrink.
const LEVEL: i32 = 9;

/// How large a pack became.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of the pack.
    pub compressed: u64,
    /// Bytes of the contents, each counted once.
    pub contents: u64,
    /// Number of frames.
    pub frames: u64,
}

impl Packed {
    fn add(&mut self, frame: &Frame) {
        self.compressed += u64::from(frame.compressed);
        self.contents += u64::from(frame.length);
        self.frames += 1;
    }
}

/// Why a pack cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The manifest cannot be read.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The package database of the tree cannot be read.
    #[error(transparent)]
    Packages(#[from] TreeError),
    /// A file cannot be read.
    #[error("reading {path} of the tree")]
    Read {
        /// Its path in the tree.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what the manifest says.
    #[error("{0} changed while it was packed")]
    Changed(TreePath),
    /// zstd failed.
    #[error("compressing a frame")]
    Compress(#[source] io::Error),
    /// Pack or index cannot be written.
    #[error("writing the pack")]
    Write(#[source] io::Error),
}

impl Fault for PackError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

/// A piece, the file that holds it, and the length of its whole content.
#[derive(Debug)]
struct Source {
    path: TreePath,
    piece: Piece,
    size: u64,
}

/// The pieces of all contents in the order of the pack, and which of them share a frame.
#[derive(Default)]
pub struct Plan {
    sources: Vec<Source>,
    frames: Vec<Range<usize>>,
}

/// A frame that was made.
struct Made {
    length: u64,
    compressed: Vec<u8>,
    digest: Digest,
    /// What is in it, where that is a part of a content: only with the other parts can it be checked.
    part: Option<Vec<u8>>,
}

/// Writes pack and index of the tree below `root` as planned, with frames of an `earlier` pack where they hold the same;
/// `packed` is told of the bytes of each frame.
///
/// # Errors
/// [`PackError`].
pub fn write(
    root: &Path,
    plan: &Plan,
    pack: &mut impl Write,
    index: &mut impl Write,
    earlier: &Earlier,
    mut packed: impl FnMut(u64),
) -> Result<Packed, PackError> {
    index.write_all(index_head().as_bytes()).map_err(PackError::Write)?;
    let (mut sum, mut check) = (Packed::default(), Check::default());
    let length = |frame: &Range<usize>| plan.frame(frame).iter().map(|s| u64::from(s.piece.length)).sum();
    let work = |frame: &Range<usize>| make(root, plan.frame(frame), earlier);
    parallel::in_order(&plan.frames, (length, AHEAD), work, |frame, made| {
        let (sources, made) = (plan.frame(frame), made?);
        if let (Some(bytes), [source]) = (&made.part, sources) {
            check.part(source, bytes)?;
        }
        let frame = framed(sources, &made, sum.compressed);
        pack.write_all(&made.compressed).map_err(PackError::Write)?;
        index.write_all(frame.to_string().as_bytes()).map_err(PackError::Write)?;
        sum.add(&frame);
        packed(u64::from(frame.length));
        Ok::<(), PackError>(())
    })?;
    pack.flush().and_then(|()| index.flush()).map_err(PackError::Write)?;
    Ok(sum)
}

impl Plan {
    /// That of the tree below `root`, whose manifest this is.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn of(root: &Path, manifest: &mut Reader<impl BufRead>) -> Result<Self, PackError> {
        let packages = Packages::of(root)?;
        let (mut seen, mut contents) = (HashSet::new(), Vec::new());
        while let Some(record) = manifest.next_record()? {
            let Some((size, digest)) = record.content() else { continue };
            if size > 0 && seen.insert(digest) {
                contents.push((packages.source(record.path.as_str()), record.path, size, digest));
            }
        }
        drop(seen);
        // Stable: of one package they stay in the order of the manifest.
        contents.sort_by_key(|(package, ..)| *package);
        let mut plan = Self::default();
        // Where the frame begins that more may be put into, how long it is, and of which package its last content is.
        let (mut begin, mut length, mut last) = (0, 0, 0);
        for (package, path, size, digest) in contents {
            let full = length + size > SHARED
                || plan.sources.len() - begin == PIECES
                || package != last && length >= LEAST;
            if full {
                plan.end(&mut begin);
                length = 0;
            }
            last = package;
            let paths = iter::repeat_n(path, number_of_pieces(size));
            for (piece, path) in pieces(digest, size).zip(paths) {
                plan.sources.push(Source { path, piece, size });
                if size > SHARED {
                    plan.end(&mut begin);
                } else {
                    length += size;
                }
            }
        }
        plan.end(&mut begin);
        Ok(plan)
    }

    /// What is in a frame.
    fn frame(&self, frame: &Range<usize>) -> &[Source] {
        &self.sources[frame.clone()]
    }

    /// Ends the frame that began at `begin`, where anything is in it; the next one begins.
    fn end(&mut self, begin: &mut usize) {
        if *begin < self.sources.len() {
            self.frames.push(*begin..self.sources.len());
            *begin = self.sources.len();
        }
    }
}

fn number_of_pieces(size: u64) -> usize {
    usize::try_from(size.div_ceil(FRAME_LIMIT.into())).expect("of a file that is there")
}

/// A content cut so that each piece fits a frame.
fn pieces(content: Digest, size: u64) -> impl Iterator<Item = Piece> {
    let limit = u64::from(FRAME_LIMIT);
    (0..number_of_pieces(size)).map(move |n| {
        let offset = n as u64 * limit;
        let length = u32::try_from(limit.min(size - offset)).expect("at most FRAME_LIMIT");
        Piece { content, offset, length }
    })
}

fn make(root: &Path, sources: &[Source], earlier: &Earlier) -> Result<Made, PackError> {
    if let Some((frame, compressed)) = earlier.frame(sources.iter().map(|source| &source.piece)) {
        // A part is needed to check the content that it belongs to, of which other frames may be new.
        let part = is_part(sources).then(|| zstd::bulk::decompress(&compressed, frame.length as usize));
        if let Ok(part) = part.transpose() {
            return Ok(Made { length: frame.length.into(), compressed, digest: frame.digest, part });
        }
    }
    let mut contents = Vec::new();
    for Source { path, piece, .. } in sources {
        let unread = |source| PackError::Read { path: path.to_string(), source };
        let mut file = File::open(root.join(path.as_str())).map_err(unread)?;
        file.seek(SeekFrom::Start(piece.offset)).map_err(unread)?;
        let n = file.take(u64::from(piece.length)).read_to_end(&mut contents).map_err(unread)?;
        if n as u64 != u64::from(piece.length) {
            return Err(PackError::Changed(path.clone()));
        }
    }
    let compressed = zstd::bulk::compress(&contents, LEVEL).map_err(PackError::Compress)?;
    made(sources, contents, compressed)
}

/// Whether a frame holds a part of a content, and nothing else.
fn is_part(sources: &[Source]) -> bool {
    matches!(sources, [source] if u64::from(source.piece.length) < source.size)
}

/// A frame whose whole contents are what the manifest says.
fn made(sources: &[Source], contents: Vec<u8>, compressed: Vec<u8>) -> Result<Made, PackError> {
    let (length, digest) = (contents.len() as u64, Digest::of(&compressed));
    if is_part(sources) {
        return Ok(Made { length, compressed, digest, part: Some(contents) });
    }
    let mut rest = &contents[..];
    for Source { path, piece, .. } in sources {
        let (bytes, tail) = rest.split_at(piece.length as usize);
        rest = tail;
        if Digest::of(bytes) != piece.content {
            return Err(PackError::Changed(path.clone()));
        }
    }
    Ok(Made { length, compressed, digest, part: None })
}

fn framed(sources: &[Source], made: &Made, offset: u64) -> Frame {
    let length = |n: u64| u32::try_from(n).expect("at most COMPRESSED_LIMIT");
    Frame {
        offset,
        compressed: length(made.compressed.len() as u64),
        length: length(made.length),
        digest: made.digest,
        pieces: sources.iter().map(|source| source.piece).collect(),
    }
}

/// Hashes contents across frames and compares them with the manifest.
#[derive(Default)]
struct Check(Hasher);

impl Check {
    fn part(&mut self, Source { path, piece, size }: &Source, bytes: &[u8]) -> Result<(), PackError> {
        self.0.update(bytes);
        if piece.offset + u64::from(piece.length) == *size
            && std::mem::take(&mut self.0).finish() != piece.content
        {
            return Err(PackError::Changed(path.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
