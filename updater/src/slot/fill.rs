//! The inactive slot becomes the tree of a manifest.
//!
//! Five passes, each a stream over the manifest or the pack's index:
//! 1. `clear`: what is not exactly right is removed; the content of files is hashed, never trusted;
//! 2. `make`: folders and links are made, files copied from the running slot where it has them, and
//!    what it has not is noted;
//! 3. `contents`: what the pack brings for fewer bytes comes from there, each frame and each content checked;
//! 4. `patch`: the rest is made by the delta from what is there by now; where that cannot be, `contents` again;
//! 5. `finish`: hard links, then folders from the inside out, with their times last.
//!
//! There is no journal: a file that a crash left half written does not hash right, so running it again completes the
//! slot. What comes in several pieces has a name of its own until it is whole, and is gone on with. What is there is
//! written out while the rest comes, which spares time but promises nothing: the barrier is one `syncfs` by the
//! caller. Excluded paths are written like all others, so that a first install has them; `carry` replaces them
//! afterwards.

mod base;
mod clear;
mod contents;
mod finish;
mod half;
mod make;
mod pages;
mod patch;
mod whole;
mod writeback;

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicBool;

use edeploy_format::delta::patch::PatchError;
use edeploy_format::digest::Digest;
use edeploy_format::manifest::ManifestError;
use edeploy_format::path::TreePath;
use edeploy_format::repack::RepackError;

use self::half::Lefts;
use super::beside;
use super::frames::{Frames, FramesError};
use super::index::{Index, manifest};
use super::merge::MergeError;
use super::tree::{Fault, Tree, fault};
use crate::fetch::FetchError;
use crate::progress::Progress;

/// Files are copied in pieces of this length.
const BUFFER: usize = 1 << 20;
/// So many drifted files of the running slot are named; all are counted.
const NAMED: u64 = 10;

/// The running slot as a source of contents.
#[derive(Clone, Copy)]
pub struct Running<'a> {
    /// Its tree; see [`Mount::alone`](crate::disk::mount::Mount::alone).
    pub tree: &'a Tree,
    /// What its manifest holds, less what it excludes.
    pub index: &'a Index<'a>,
}

/// What a slot is filled from, and with.
pub struct Filling<'a> {
    /// The inactive slot, mounted for writing.
    pub slot: &'a Tree,
    /// The verified manifest it is to match.
    pub manifest: &'a File,
    /// The running slot, if there is one.
    pub running: Option<Running<'a>>,
    /// The delta from what runs, else that of the version from itself, if one is published.
    pub delta: Option<Frames<'a>>,
    /// The pack of the same version.
    pub pack: Frames<'a>,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// What filling a slot took, in bytes of content unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Was there already.
    pub kept: u64,
    /// Copied from the running slot.
    pub copied: u64,
    /// Written from the pack.
    pub fetched: u64,
    /// Made from contents of the running slot or the new tree and the delta.
    pub patched: u64,
    /// Bytes of the pack and the delta that came.
    pub downloaded: u64,
    /// Paths removed, folders counted once.
    pub removed: u64,
    /// How often a file of the running slot was not what its manifest says, and so no source.
    pub drifted: u64,
}

/// Why a slot cannot be filled.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The manifest of the new version.
    #[error("the manifest of the new version")]
    Manifest(#[from] ManifestError),
    /// The manifest of the running slot.
    #[error("the manifest of the running slot")]
    Running(#[source] ManifestError),
    /// A file of the slot.
    #[error(transparent)]
    Slot(#[from] Fault),
    /// The pack.
    #[error(transparent)]
    Frames(#[from] FramesError),
    /// The pack lacks a content.
    #[error("the pack does not hold the content of {0}")]
    Missing(TreePath),
    /// The pieces make another content than the manifest's.
    #[error("what came for {0} is not what the manifest says")]
    Content(TreePath),
    /// A patch of the delta.
    #[error("the delta")]
    Patch(#[source] PatchError),
    /// A piece of the delta makes something else than it says.
    #[error("the delta makes something else of the content {0} than it says")]
    Piece(Digest),
    /// The delta knows another form of a content than it has.
    #[error("the delta's form of the content {content}")]
    Form {
        /// The content.
        content: Digest,
        /// What is wrong with it.
        #[source]
        source: RepackError,
    },
    /// What is unpacked or packed cannot be read or written.
    #[error("a scratch file on the slot")]
    Scratch(#[from] io::Error),
    /// Pieces of one content that do not follow one another.
    #[error("the index holds the pieces of {0} out of order")]
    Order(TreePath),
}

impl From<MergeError> for FillError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::Manifest(error) => Self::Manifest(error),
            MergeError::Tree(fault) => Self::Slot(fault),
        }
    }
}

impl<'a> Filling<'a> {
    /// Fills the slot. The caller syncs it afterwards.
    ///
    /// # Errors
    /// [`FillError`]; the slot is then neither old nor new, and filling it again goes on.
    pub fn run(&self) -> Result<Filled, FillError> {
        let bytes = manifest(self.manifest)?.head().bytes;
        let mut filled = Filled::default();
        self.progress.stage("checking what the slot holds", bytes);
        let left = self.clear(&mut filled)?;
        self.progress.done();
        // What is not gone on with goes before anything else takes its room.
        let lefts = Lefts::find(self)?;
        let stage = match self.running {
            Some(_) => "copying from the running slot",
            None => "making folders and links",
        };
        self.progress.stage(stage, bytes.saturating_sub(filled.kept));
        let needs = self.make(&left, &mut filled)?;
        self.progress.done();
        let (root, ended, mut written) = (self.slot.root(), AtomicBool::new(false), Ok(()));
        std::thread::scope(|scope| {
            let _ended = writeback::Ended(&ended);
            // Without a thread the caller's barrier takes longer.
            beside::start(scope, Box::new(|| written = writeback::write_out(root, &ended)));
            self.bring(needs, &lefts, &mut filled)
        })?;
        written.map_err(fault("writing out", b""))?;
        half::sweep(self.slot)?;
        self.finish()?;
        Ok(filled)
    }

    /// Makes and fetches what `needs` lists, in this order.
    fn bring(&self, mut needs: Index<'a>, lefts: &Lefts, filled: &mut Filled) -> Result<(), FillError> {
        let choice = self.choice(&needs, lefts)?;
        let mut by_delta = needs.take(|prefix| choice.has_prefix(prefix));
        // First, because what the delta makes may be made of it.
        self.fetch(&needs, lefts, filled)?;
        let does = self.patch(&by_delta, lefts, filled)?;
        self.missing(&mut by_delta)?;
        // What was left is gone on with, or gone.
        let mut lefts = Lefts::find(self)?;
        if does && !by_delta.is_empty() {
            // A base drifted: what it was for is fetched, and is a base itself.
            let later = self.made_of_each_other(&by_delta)?;
            let mut later = by_delta.take(|prefix| later.binary_search(&prefix).is_ok());
            self.fetch(&by_delta, &lefts, filled)?;
            self.patch(&later, &lefts, filled)?;
            self.missing(&mut later)?;
            (by_delta, lefts) = (later, Lefts::find(self)?);
        }
        self.fetch(&by_delta, &lefts, filled)
    }
}

impl FillError {
    /// Whether it comes of the delta: then the pack does without.
    fn is_of_the_delta(&self) -> bool {
        match self {
            Self::Patch(_) | Self::Piece(_) | Self::Form { .. } | Self::Content(_) | Self::Order(_) => true,
            Self::Frames(error) => match error {
                FramesError::Index(_) | FramesError::Digest { .. } | FramesError::Decompress { .. } => true,
                // A server that is busy would be more so with whole contents: later is better.
                FramesError::Fetch(error) => error.is_missing() || matches!(error, FetchError::Answer { .. }),
                FramesError::Manifest(_) | FramesError::Read { .. } => false,
            },
            // It takes room of its own. What it leaves at a path is for the next run to judge.
            Self::Scratch(error) | Self::Slot(Fault { source: error, .. }) => {
                error.kind() == io::ErrorKind::StorageFull
            }
            Self::Manifest(_) | Self::Running(_) | Self::Missing(_) => false,
        }
    }
}
