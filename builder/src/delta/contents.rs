//! Contents of published packs, each in a file of its own in a folder that goes when it is dropped.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::frames::IndexError;
use edeploy_format::pack::{Frame, IndexReader};
use tempfile::TempDir;

use crate::failure::Fault;
use crate::parallel;

/// So many frames are opened at once, by all threads together.
const BATCH: usize = 64;

/// Why contents cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentsError {
    /// The scratch folder.
    #[error("the scratch folder {path}")]
    Scratch {
        /// Where it is, or would be.
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

/// The folder.
pub struct Contents {
    folder: TempDir,
}

impl Contents {
    /// An empty folder below `parent`.
    ///
    /// # Errors
    /// [`ContentsError::Scratch`].
    pub fn new(parent: &Path) -> Result<Self, ContentsError> {
        let folder = tempfile::Builder::new().prefix(".delta-").tempdir_in(parent);
        let folder = folder.map_err(|source| ContentsError::Scratch { path: parent.to_owned(), source })?;
        Ok(Self { folder })
    }

    /// Takes the `wanted` contents out of a pack; the compressed bytes of the frames that have them.
    ///
    /// # Errors
    /// [`ContentsError`].
    pub fn take(
        &self,
        index: impl BufRead,
        pack: &Path,
        wanted: &HashSet<Digest>,
    ) -> Result<u64, ContentsError> {
        let mut compressed = 0;
        let mut frames = IndexReader::new(index)?;
        let unread = |source| ContentsError::Frame { path: pack.to_owned(), at: 0, source };
        let file = File::open(pack).map_err(unread)?;
        let mut batch: Vec<Frame> = Vec::new();
        loop {
            let frame = frames.next_frame()?;
            let ended = frame.is_none();
            batch.extend(frame.filter(|frame| frame.pieces.iter().any(|p| wanted.contains(&p.content))));
            if batch.len() == BATCH || ended {
                let opened = parallel::map(&batch, |frame| self.open(&file, frame, wanted));
                for (frame, opened) in batch.drain(..).zip(opened) {
                    compressed += u64::from(frame.compressed);
                    let (path, at) = (pack.to_owned(), frame.offset);
                    opened.map_err(|source| ContentsError::Frame { path, at, source })?;
                }
            }
            if ended {
                return Ok(compressed);
            }
        }
    }

    fn open(&self, pack: &File, frame: &Frame, wanted: &HashSet<Digest>) -> io::Result<()> {
        let mut bytes = vec![0; frame.compressed as usize];
        pack.read_exact_at(&mut bytes, frame.offset)?;
        if Digest::of(&bytes) != frame.digest {
            return Err(io::Error::other("it is not the one of the index"));
        }
        let plain = zstd::bulk::decompress(&bytes, frame.length as usize)?;
        let mut rest = &plain[..];
        for piece in &frame.pieces {
            let split = rest.split_at_checked(piece.length as usize);
            let (bytes, tail) = split.ok_or_else(|| io::Error::other("it is too short"))?;
            rest = tail;
            if wanted.contains(&piece.content) {
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(self.path(&piece.content))?;
                file.write_all_at(bytes, piece.offset)?;
            }
        }
        Ok(())
    }

    /// Whether a content that was taken begins with these bytes.
    ///
    /// # Errors
    /// [`ContentsError::Content`].
    pub fn begins(&self, content: &Digest, with: &[u8]) -> Result<bool, ContentsError> {
        let mut begin = Vec::new();
        let file = File::open(self.path(content)).map_err(|_| ContentsError::Content(*content))?;
        let read = file.take(with.len() as u64).read_to_end(&mut begin);
        read.map_err(|_| ContentsError::Content(*content))?;
        Ok(begin == with)
    }

    fn path(&self, content: &Digest) -> PathBuf {
        self.folder.path().join(content.to_string())
    }

    /// A content that was taken.
    ///
    /// # Errors
    /// [`ContentsError::Content`].
    pub fn read(&self, content: &Digest) -> Result<Vec<u8>, ContentsError> {
        let bytes = std::fs::read(self.path(content)).ok().filter(|bytes| Digest::of(bytes) == *content);
        bytes.ok_or(ContentsError::Content(*content))
    }
}
