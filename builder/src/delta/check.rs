//! A delta is applied before it is published: what it makes must be what the manifest wants.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use edeploy_format::delta::patch::PatchError;
use edeploy_format::delta::{DeltaError, Frame, IndexReader, Piece, patches};
use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;

use super::contents::{Contents, ContentsError};
use crate::failure::Fault;

/// Why a delta is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The delta cannot be read.
    #[error("reading the delta")]
    Read(#[from] io::Error),
    /// Its index is wrong.
    #[error(transparent)]
    Index(#[from] DeltaError),
    /// A frame is not the one of the index.
    #[error("the delta's frame at byte {0} is not the one of its index")]
    Frame(u64),
    /// The delta goes on behind its last frame.
    #[error("the delta goes on behind its last frame")]
    Longer,
    /// A base that is neither there nor made before.
    #[error(transparent)]
    Base(#[from] ContentsError),
    /// A patch that cannot be applied.
    #[error("making {content} at byte {at}")]
    Patch {
        /// The content.
        content: Digest,
        /// Where in it.
        at: u64,
        /// Why not.
        #[source]
        source: PatchError,
    },
    /// What it makes is not what was wanted.
    #[error("the delta makes another {0}")]
    Content(Digest),
    /// It does not make all of a content.
    #[error("the delta does not make all of {0}")]
    Missing(Digest),
}

impl Fault for CheckError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) => Exit::Failed,
            Self::Base(error) => error.exit(),
            Self::Index(_)
            | Self::Frame(_)
            | Self::Longer
            | Self::Patch { .. }
            | Self::Content(_)
            | Self::Missing(_) => Exit::Differs,
        }
    }
}

/// Applies the delta to `bases`; all of `wanted` (with their sizes) must come out of it.
///
/// # Errors
/// [`CheckError`].
pub fn check(
    index: impl BufRead,
    mut delta: impl Read,
    bases: &Contents,
    wanted: &HashMap<Digest, u64>,
) -> Result<(), CheckError> {
    let mut frames = IndexReader::new(index)?;
    let mut making = Making { wanted: wanted.clone(), now: None };
    // Pieces of one content have the same bases.
    let (mut names, mut joined): (Vec<Digest>, Vec<(u64, Vec<u8>)>) = Default::default();
    while let Some(frame) = frames.next_frame()? {
        let streams = read(&mut delta, &frame)?;
        for (piece, patch) in patches(&frame, &streams) {
            let mut made = Vec::with_capacity(piece.length as usize);
            if names != piece.bases {
                let base = |name| bases.read(name).map(|base| (base.len() as u64, base));
                joined = piece.bases.iter().map(base).collect::<Result<_, _>>()?;
                names.clone_from(&piece.bases);
            }
            patch.apply(&joined, &mut made).map_err(|source| CheckError::Patch {
                content: piece.content,
                at: piece.offset,
                source,
            })?;
            making.piece(piece, &made)?;
        }
    }
    if delta.read(&mut [0])? > 0 {
        return Err(CheckError::Longer);
    }
    making.end()
}

/// The streams of a frame.
fn read(delta: &mut impl Read, frame: &Frame) -> Result<Vec<u8>, CheckError> {
    let mut bytes = vec![0; frame.compressed as usize];
    delta.read_exact(&mut bytes)?;
    let wrong = || CheckError::Frame(frame.offset);
    if Digest::of(&bytes) != frame.digest {
        return Err(wrong());
    }
    let streams = zstd::bulk::decompress(&bytes, frame.length as usize).map_err(|_| wrong())?;
    if streams.len() == frame.length as usize { Ok(streams) } else { Err(wrong()) }
}

/// What is still to be made, and the content that is being made.
struct Making {
    wanted: HashMap<Digest, u64>,
    now: Option<(Digest, Hasher, u64)>,
}

impl Making {
    fn piece(&mut self, piece: &Piece, made: &[u8]) -> Result<(), CheckError> {
        if piece.proof.is_some_and(|proof| proof != Digest::of(made)) {
            return Err(CheckError::Content(piece.content));
        }
        let begins = self.now.as_ref().is_none_or(|(content, ..)| *content != piece.content);
        if begins {
            self.ended()?;
            self.now = Some((piece.content, Hasher::new(), 0));
        }
        let Some((content, hasher, length)) = &mut self.now else { return Ok(()) };
        if *length != piece.offset {
            return Err(CheckError::Content(*content));
        }
        hasher.update(made);
        *length += made.len() as u64;
        Ok(())
    }

    fn ended(&mut self) -> Result<(), CheckError> {
        let Some((content, hasher, length)) = self.now.take() else { return Ok(()) };
        let right = self.wanted.remove(&content) == Some(length) && hasher.finish() == content;
        if right { Ok(()) } else { Err(CheckError::Content(content)) }
    }

    fn end(mut self) -> Result<(), CheckError> {
        self.ended()?;
        self.wanted.into_keys().min().map_or(Ok(()), |content| Err(CheckError::Missing(content)))
    }
}
