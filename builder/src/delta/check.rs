//! A delta is applied before it is published, and by `fsck`: what it makes must be what the manifest wants.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead};

use edeploy_format::delta::patch::PatchError;
use edeploy_format::delta::{Frame, Head, IndexReader, Piece, View, patches};
use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;
use edeploy_format::frames::IndexError;
use edeploy_format::repack::{self, RepackError};

use super::contents::ContentsError;
use crate::failure::Fault;

/// Gives a content.
pub type Read<'a> = dyn Fn(&Digest) -> Result<Cow<'a, [u8]>, ContentsError> + 'a;

/// What a delta is held against.
pub struct Work<'a> {
    /// The two trees.
    pub head: Head,
    /// The contents it is to make, with their sizes.
    pub wanted: &'a HashMap<Digest, u64>,
    /// Whether the older tree has a content.
    pub kept: &'a dyn Fn(&Digest) -> bool,
    /// Contents of either tree.
    pub read: &'a Read<'a>,
}

/// Why a delta is not what it must be.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The delta cannot be read.
    #[error("reading the delta")]
    Read(#[from] io::Error),
    /// Its index is wrong.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Its index is that of another delta.
    #[error("leads from the tree {} to {}, not between the two it is published for", .0.from, .0.to)]
    Head(Head),
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
    /// A base that hosts do not have by then.
    #[error("the base {0} is neither in the older tree nor made before it is needed")]
    Later(Digest),
    /// A content that is not what its form says.
    #[error("unpacking or packing {content}")]
    Form {
        /// The content.
        content: Digest,
        /// Why not.
        #[source]
        source: RepackError,
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
            | Self::Head(_)
            | Self::Frame(_)
            | Self::Longer
            | Self::Patch { .. }
            | Self::Later(_)
            | Self::Form { .. }
            | Self::Content(_)
            | Self::Missing(_) => Exit::Differs,
        }
    }
}

/// Applies the delta; all that is wanted must come out of it, from bases that hosts have by then.
///
/// # Errors
/// [`CheckError`].
pub fn check(index: impl BufRead, mut delta: impl io::Read, work: &Work<'_>) -> Result<(), CheckError> {
    let (head, mut frames) = IndexReader::new(index)?;
    if head != work.head {
        return Err(CheckError::Head(head));
    }
    let mut making = Making { work, done: HashSet::new(), now: None };
    // Pieces of one content mostly have the same bases.
    let (mut names, mut bases): (Vec<View>, Vec<Cow<'_, [u8]>>) = Default::default();
    while let Some(frame) = frames.next_frame()? {
        let streams = read(&mut delta, &frame)?;
        for (piece, patch) in patches(&frame, &streams) {
            let mut made = Vec::with_capacity(piece.length as usize);
            if names != piece.bases {
                bases = piece.bases.iter().map(|base| making.base(base)).collect::<Result<_, _>>()?;
                names.clone_from(&piece.bases);
            }
            let joined: Vec<(u64, &[u8])> = bases.iter().map(|base| (base.len() as u64, &base[..])).collect();
            patch.apply(&joined, &mut made).map_err(|source| CheckError::Patch {
                content: piece.view.content,
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
fn read(delta: &mut impl io::Read, frame: &Frame) -> Result<Vec<u8>, CheckError> {
    let mut bytes = vec![0; frame.compressed as usize];
    delta.read_exact(&mut bytes)?;
    let wrong = || CheckError::Frame(frame.offset);
    if Digest::of(&bytes) != frame.digest {
        return Err(wrong());
    }
    let streams = zstd::bulk::decompress(&bytes, frame.length as usize).map_err(|_| wrong())?;
    if streams.len() == frame.length as usize { Ok(streams) } else { Err(wrong()) }
}

/// What was made so far, and the view that is being made.
struct Making<'w, 'a> {
    work: &'w Work<'a>,
    done: HashSet<Digest>,
    now: Option<Now>,
}

impl<'a> Making<'_, 'a> {
    /// A base, if hosts have it by now.
    fn base(&self, view: &View) -> Result<Cow<'a, [u8]>, CheckError> {
        let View { content, form } = view;
        if !(self.work.kept)(content) && !self.done.contains(content) {
            return Err(CheckError::Later(*content));
        }
        let bytes = (self.work.read)(content)?;
        let Some(form) = form else { return Ok(bytes) };
        let mut unpacked = Vec::new();
        repack::unpack(form, &mut &bytes[..], &mut unpacked)
            .map_err(|source| CheckError::Form { content: *content, source })?;
        Ok(unpacked.into())
    }

    fn piece(&mut self, piece: &Piece, made: &[u8]) -> Result<(), CheckError> {
        let content = piece.view.content;
        if piece.proof.is_some_and(|proof| proof != Digest::of(made)) {
            return Err(CheckError::Content(content));
        }
        if self.now.as_ref().is_none_or(|now| now.view != piece.view) {
            self.ended()?;
        }
        let now = self.now.get_or_insert_with(|| Now::new(&piece.view));
        if now.length != piece.offset {
            return Err(CheckError::Content(content));
        }
        now.add(made);
        Ok(())
    }

    fn ended(&mut self) -> Result<(), CheckError> {
        let Some(now) = self.now.take() else { return Ok(()) };
        let content = now.view.content;
        let (length, made) = now.content().map_err(|source| CheckError::Form { content, source })?;
        let wanted = self.work.wanted.get(&content) == Some(&length);
        if !wanted || made != content || !self.done.insert(content) {
            return Err(CheckError::Content(content));
        }
        Ok(())
    }

    fn end(mut self) -> Result<(), CheckError> {
        self.ended()?;
        let missing = self.work.wanted.keys().filter(|content| !self.done.contains(content)).min();
        missing.map_or(Ok(()), |content| Err(CheckError::Missing(*content)))
    }
}

/// What was made of a view so far: as its digest, for it may be long, or as its bytes where these are to be packed.
struct Now {
    view: View,
    length: u64,
    digest: Hasher,
    unpacked: Vec<u8>,
}

impl Now {
    fn new(view: &View) -> Self {
        Self { view: view.clone(), length: 0, digest: Hasher::new(), unpacked: Vec::new() }
    }

    fn add(&mut self, made: &[u8]) {
        self.length += made.len() as u64;
        if self.view.form.is_some() {
            self.unpacked.extend_from_slice(made);
        } else {
            self.digest.update(made);
        }
    }

    /// The length and the digest of the content that the view is of.
    fn content(self) -> Result<(u64, Digest), RepackError> {
        let Some(form) = self.view.form else { return Ok((self.length, self.digest.finish())) };
        let mut packed = Vec::new();
        repack::repack(&form, &mut &self.unpacked[..], &mut packed)?;
        Ok((packed.len() as u64, Digest::of(&packed)))
    }
}
