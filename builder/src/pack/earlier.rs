//! Frames of an earlier pack: what did not change is not compressed again.
//!
//! A frame is taken where it holds the same pieces and its bytes are those that its index names. It was held to a
//! manifest when it was made, and is not unpacked again for that: what lies in the folder of builds is this program's
//! word. A host holds what it makes of it to the manifest, whatever lies there. Where all frames are those of the earlier
//! pack, both builds share its file: no build writes into a pack that is there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edeploy_format::digest::Digest;
use edeploy_format::name::Role;
use edeploy_format::pack::{Frame, IndexReader, Piece};

use super::{PackError, Packed, Plan};
use crate::parallel;

/// The pack of an earlier build.
#[derive(Default)]
pub struct Earlier {
    folder: PathBuf,
    pack: Option<File>,
    frames: HashMap<Digest, Frame>,
}

impl Earlier {
    /// The youngest build of the role below `builds`; an empty one if there is none that can be read.
    #[must_use]
    pub fn find(builds: &Path, role: &Role) -> Self {
        youngest(builds, role).and_then(|folder| Self::open(&folder).ok()).unwrap_or_default()
    }

    fn open(folder: &Path) -> io::Result<Self> {
        let index = BufReader::new(File::open(folder.join("pack-index"))?);
        let frames: Result<Vec<Frame>, _> = IndexReader::new(index).and_then(Iterator::collect);
        let frames = frames.map_err(io::Error::other)?.into_iter();
        let frames = frames.map(|frame| (key(&frame.pieces), frame)).collect();
        Ok(Self { folder: folder.to_owned(), pack: Some(File::open(folder.join("pack"))?), frames })
    }

    /// Pack and index in the folder `out` too, where they are what `plan` would make; what they amount to. `None` where
    /// they are not, or files cannot be shared.
    ///
    /// # Errors
    /// [`PackError::Write`] if one of both is there and the other cannot be.
    pub fn share(&self, plan: &Plan, out: &Path) -> Result<Option<Packed>, PackError> {
        if plan.frames.is_empty() || plan.frames.len() != self.frames.len() {
            return Ok(None);
        }
        let found = parallel::map(&plan.frames, |frame| {
            let pieces = plan.frame(frame).iter().map(|source| &source.piece);
            self.frame(pieces).map(|(frame, _)| frame)
        });
        let mut sum = Packed::default();
        for frame in found {
            let Some(frame) = frame.filter(|frame| frame.offset == sum.compressed) else { return Ok(None) };
            sum.add(frame);
        }
        let length = self.pack.as_ref().and_then(|pack| pack.metadata().ok()).map(|about| about.len());
        if length != Some(sum.compressed) {
            return Ok(None);
        }
        let link = |name: &str| fs::hard_link(self.folder.join(name), out.join(name));
        if link("pack").is_err() {
            return Ok(None);
        }
        link("pack-index").map_err(PackError::Write)?;
        Ok(Some(sum))
    }

    /// The frame with these pieces, and its bytes.
    pub(super) fn frame<'p>(&self, pieces: impl IntoIterator<Item = &'p Piece>) -> Option<(&Frame, Vec<u8>)> {
        let frame = self.frames.get(&key(pieces))?;
        let mut compressed = vec![0; frame.compressed as usize];
        self.pack.as_ref()?.read_exact_at(&mut compressed, frame.offset).ok()?;
        (Digest::of(&compressed) == frame.digest).then_some((frame, compressed))
    }
}

/// What frames are known by: the lines of their pieces.
fn key<'p>(pieces: impl IntoIterator<Item = &'p Piece>) -> Digest {
    let lines: Vec<String> = pieces.into_iter().map(ToString::to_string).collect();
    Digest::of(lines.join("\n").as_bytes())
}

fn youngest(builds: &Path, role: &Role) -> Option<PathBuf> {
    let prefix = format!("{role}@");
    let ours = |entry: io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let made: SystemTime = entry.metadata().ok()?.modified().ok()?;
        entry.file_name().to_str()?.starts_with(&prefix).then(|| (made, entry.path()))
    };
    std::fs::read_dir(builds).ok()?.filter_map(ours).max().map(|(_, path)| path)
}
