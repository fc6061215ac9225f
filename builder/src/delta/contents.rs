//! Contents of published packs, in scratch files that nobody else sees: each is taken and hashed once, then looked at
//! in place, as often as is wanted and however long it is.
//!
//! One file holds those of a pack. A file for each content was measured: making and removing some 4,700 of them took
//! more of the kernel's time than all reading and writing.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::frames::IndexError;
use edeploy_format::pack::{Frame, IndexReader};

use super::mapped::Mapped;
use crate::failure::Fault;
use crate::parallel;

/// Why contents cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// A scratch file.
    #[error("scratch files in {path}")]
    Scratch {
        /// The folder it is in.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The pack's index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The pack.
    #[error("the pack {path}: the frame at byte {at}")]
    Frame {
        /// The pack.
        path: PathBuf,
        /// Where the frame begins.
        at: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What the packs held is not what was asked for.
    #[error("the content {0} is missing or damaged in the pack; `rolebuild fsck` says more")]
    Content(Digest),
}

impl Fault for ContentsError {
    fn exit(&self) -> Exit {
        match self {
            Self::Scratch { .. } => Exit::Failed,
            Self::Index(_) | Self::Frame { .. } | Self::Content(_) => Exit::Input,
        }
    }
}

/// The contents that were taken.
pub struct Contents {
    /// Where the scratch files are made.
    folder: PathBuf,
    /// One for each pack.
    files: Vec<Mapped>,
    places: HashMap<Digest, (usize, Range<usize>)>,
}

/// Where in a scratch file contents go.
type Places = HashMap<Digest, Range<usize>>;

impl Contents {
    /// None yet; scratch files lie in `folder`.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: Vec::new(), places: HashMap::new() }
    }

    /// Takes the `wanted` contents out of a pack; the compressed bytes of the frames that have them.
    ///
    /// # Errors
    /// [`ContentsError`]; not for a content that the pack does not have, or has damaged: that is then not there.
    pub fn take(
        &mut self,
        index: impl BufRead,
        pack: &Path,
        wanted: &HashSet<Digest>,
    ) -> Result<u64, ContentsError> {
        let scratch = |source| ContentsError::Scratch { path: self.folder.clone(), source };
        let unread = |source, at| ContentsError::Frame { path: pack.to_owned(), at, source };
        let frames = frames(index, wanted)?;
        let (places, length) = places(&frames, wanted);
        let file = tempfile::tempfile_in(&self.folder).map_err(scratch)?;
        file.set_len(length).map_err(scratch)?;
        let from = File::open(pack).map_err(|source| unread(source, 0))?;
        for opened in parallel::map(&frames, |frame| {
            let plain = plain(&from, frame).map_err(|source| unread(source, frame.offset))?;
            put(frame, &plain, &places, &file).map_err(scratch)
        }) {
            opened?;
        }
        let mapped = Mapped::new(file).map_err(scratch)?;
        let places: Vec<(Digest, Range<usize>)> = places.into_iter().collect();
        let sound = parallel::map(&places, |(content, place)| Digest::of(&mapped[place.clone()]) == *content);
        let sound = places.into_iter().zip(sound).filter(|(_, sound)| *sound);
        let number = self.files.len();
        self.places.extend(sound.map(|((content, place), _)| (content, (number, place))));
        self.files.push(mapped);
        Ok(frames.iter().map(|frame| u64::from(frame.compressed)).sum())
    }

    /// A content that was taken.
    ///
    /// # Errors
    /// [`ContentsError::Content`].
    pub fn read(&self, content: &Digest) -> Result<&[u8], ContentsError> {
        let (number, place) = self.places.get(content).ok_or(ContentsError::Content(*content))?;
        Ok(&self.files[*number][place.clone()])
    }
}

/// The frames that have wanted contents.
fn frames(index: impl BufRead, wanted: &HashSet<Digest>) -> Result<Vec<Frame>, IndexError> {
    let has = |frame: &Frame| frame.pieces.iter().any(|piece| wanted.contains(&piece.content));
    IndexReader::new(index)?.filter(|frame| frame.as_ref().map_or(true, has)).collect()
}

/// Where the wanted contents go, one behind the other, and how long they are together.
fn places(frames: &[Frame], wanted: &HashSet<Digest>) -> (Places, u64) {
    let mut lengths: HashMap<Digest, u64> = HashMap::new();
    let pieces = || frames.iter().flat_map(|frame| &frame.pieces).filter(|p| wanted.contains(&p.content));
    for piece in pieces() {
        let length = lengths.entry(piece.content).or_default();
        *length = (*length).max(piece.offset.saturating_add(piece.length.into()));
    }
    let (mut places, mut end) = (HashMap::new(), 0_u64);
    for piece in pieces() {
        let Some(length) = lengths.remove(&piece.content) else { continue };
        let begin = end;
        end = end.saturating_add(length);
        let [from, to] =
            [begin, end].map(|at| usize::try_from(at).expect("64 bits: others are not supported"));
        places.insert(piece.content, from..to);
    }
    (places, end)
}

/// The plain bytes of a frame.
fn plain(pack: &File, frame: &Frame) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; frame.compressed as usize];
    pack.read_exact_at(&mut bytes, frame.offset)?;
    if Digest::of(&bytes) != frame.digest {
        return Err(io::Error::other("it is not the one of the index"));
    }
    let plain = zstd::bulk::decompress(&bytes, frame.length as usize)?;
    if plain.len() == frame.length as usize { Ok(plain) } else { Err(io::Error::other("it is too short")) }
}

/// Writes the pieces of a frame to their places.
fn put(frame: &Frame, mut plain: &[u8], places: &Places, to: &File) -> io::Result<()> {
    for piece in &frame.pieces {
        let (bytes, rest) = plain.split_at(piece.length as usize);
        plain = rest;
        if let Some(place) = places.get(&piece.content) {
            to.write_all_at(bytes, place.start as u64 + piece.offset)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::noise;
    use edeploy_format::pack::{Piece, index_head};

    /// A pack of these frames, and its index; a piece is a content, where in it, and bytes that need not be its own.
    fn pack(path: &Path, frames: &[&[(Digest, u64, &[u8])]]) -> String {
        let (mut pack, mut index) = (Vec::new(), index_head());
        for pieces in frames {
            let plain: Vec<u8> = pieces.iter().flat_map(|(.., bytes)| *bytes).copied().collect();
            let compressed = zstd::bulk::compress(&plain, 1).unwrap();
            let piece = |&(content, offset, bytes): &(Digest, u64, &[u8])| Piece {
                content,
                offset,
                length: u32::try_from(bytes.len()).unwrap(),
            };
            let frame = Frame {
                offset: pack.len() as u64,
                compressed: u32::try_from(compressed.len()).unwrap(),
                length: u32::try_from(plain.len()).unwrap(),
                digest: Digest::of(&compressed),
                pieces: pieces.iter().map(piece).collect(),
            };
            pack.extend_from_slice(&compressed);
            index += &frame.to_string();
        }
        std::fs::write(path, pack).unwrap();
        index
    }

    #[test]
    fn wanted_contents_are_taken_whole_and_damaged_ones_are_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let (large, small, other) = (noise(1, 9000), noise(2, 70), noise(3, 800));
        let [l, s, o] = [&large, &small, &other].map(|bytes| Digest::of(bytes));
        let damaged = Digest::of(b"what it should be");
        let frames: [&[(Digest, u64, &[u8])]; 4] = [
            &[(o, 0, &other), (s, 0, &small), (l, 0, &large[..4000])],
            &[(l, 4000, &large[4000..])],
            &[(damaged, 0, b"what it is")],
            &[(o, 0, &other)],
        ];
        let index = pack(&path, &frames);
        let mut contents = Contents::new(folder.path());
        let compressed = contents.take(index.as_bytes(), &path, &HashSet::from([l, s, damaged])).unwrap();
        let all = std::fs::metadata(&path).unwrap().len();
        assert!((9000..all - 800).contains(&compressed), "{compressed} of {all}");
        assert_eq!((contents.read(&l).unwrap(), contents.read(&s).unwrap()), (&large[..], &small[..]));
        for absent in [o, damaged] {
            assert!(matches!(contents.read(&absent), Err(ContentsError::Content(one)) if one == absent));
        }
        contents.take(index.as_bytes(), &path, &HashSet::from([o])).unwrap();
        assert_eq!((contents.read(&o).unwrap(), contents.read(&l).unwrap()), (&other[..], &large[..]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_frame_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let (one, two) = (noise(1, 300), noise(2, 300));
        let [o, t] = [&one, &two].map(|bytes| Digest::of(bytes));
        let index = pack(&path, &[&[(o, 0, &one)], &[(t, 0, &two)]]);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let mut contents = Contents::new(folder.path());
        contents.take(index.as_bytes(), &path, &HashSet::from([o])).unwrap();
        let wrong = contents.take(index.as_bytes(), &path, &HashSet::from([o, t])).unwrap_err();
        assert!(matches!(wrong, ContentsError::Frame { at: 300.., .. }), "{wrong:?}");
    }
}
