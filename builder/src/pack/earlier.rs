//! Frames of an earlier pack: what did not change is not compressed again.
//!
//! A frame is taken where it holds the same pieces and its bytes are those that its index names. It was held to a
//! manifest when it was made, and is not unpacked again for that: what lies in the folder of builds is this program's
//! word. A host holds what it makes of it to the manifest, whatever lies there. Where all frames are those of the earlier
//! pack, both builds share its file: no build writes into a pack that is there.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edeploy_format::digest::Digest;
use edeploy_format::name::Role;
use edeploy_format::pack::{Frame, IndexReader, Piece};

use super::{PackError, Packed, Plan};
use crate::parallel;

/// Pack and index of a build.
const NAMES: [&str; 2] = ["pack", "pack-index"];

/// The pack of an earlier build.
#[derive(Default)]
pub struct Earlier {
    folder: PathBuf,
    /// Pack and index.
    files: Option<[File; 2]>,
    frames: HashMap<Digest, Frame>,
}

impl Earlier {
    /// The youngest build of the role below `builds`; an empty one if there is none that can be read.
    #[must_use]
    pub fn find(builds: &Path, role: &Role) -> Self {
        youngest(builds, role).and_then(|folder| Self::open(&folder).ok()).unwrap_or_default()
    }

    fn open(folder: &Path) -> io::Result<Self> {
        let [pack, index] = NAMES.map(|name| File::open(folder.join(name)));
        let (pack, index) = (pack?, index?);
        let frames: Result<Vec<Frame>, _> =
            IndexReader::new(BufReader::new(&index)).and_then(Iterator::collect);
        let frames = frames.map_err(io::Error::other)?.into_iter();
        let frames = frames.map(|frame| (key(&frame.pieces), frame)).collect();
        Ok(Self { folder: folder.to_owned(), files: Some([pack, index]), frames })
    }

    /// Pack and index in the folder `out` too, where they are what `plan` would make; what they amount to. `None` where
    /// they are not, or files cannot be shared.
    ///
    /// # Errors
    /// [`PackError::Write`] if what cannot be shared cannot be removed either.
    pub fn share(&self, plan: &Plan, out: &Path) -> Result<Option<Packed>, PackError> {
        let Some(sum) = self.holds_all(plan) else { return Ok(None) };
        if NAMES.iter().try_for_each(|name| fs::hard_link(self.folder.join(name), out.join(name))).is_ok()
            && self.are(out)
        {
            return Ok(Some(sum));
        }
        // The builds' folder may have changed since the files were opened.
        for name in NAMES {
            match fs::remove_file(out.join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(PackError::Write(e)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// What the pack amounts to, where it is what `plan` would make.
    fn holds_all(&self, plan: &Plan) -> Option<Packed> {
        let length = self.files.as_ref()?[0].metadata().ok()?.len();
        if plan.frames.len() != self.frames.len() {
            return None;
        }
        let keys: Vec<Digest> = plan.frames.iter().map(|frame| key(pieces(plan, frame))).collect();
        let mut sum = Packed::default();
        for key in &keys {
            sum.add(self.frames.get(key).filter(|frame| frame.offset == sum.compressed)?);
        }
        let is_whole = length == sum.compressed
            && parallel::map(&keys, |key| self.by_key(key).is_some()).into_iter().all(|whole| whole);
        is_whole.then_some(sum)
    }

    /// Whether the files in `out` are those that were opened.
    fn are(&self, out: &Path) -> bool {
        let is = |(name, file): (&str, &File)| {
            let there = fs::symlink_metadata(out.join(name));
            matches!((there, file.metadata()), (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
        };
        self.files.as_ref().is_some_and(|files| NAMES.into_iter().zip(files).all(is))
    }

    /// The frame with these pieces, and its bytes.
    pub(super) fn frame<'p>(&self, pieces: impl IntoIterator<Item = &'p Piece>) -> Option<(&Frame, Vec<u8>)> {
        self.by_key(&key(pieces))
    }

    fn by_key(&self, key: &Digest) -> Option<(&Frame, Vec<u8>)> {
        let frame = self.frames.get(key)?;
        let mut compressed = vec![0; frame.compressed as usize];
        self.files.as_ref()?[0].read_exact_at(&mut compressed, frame.offset).ok()?;
        (Digest::of(&compressed) == frame.digest).then_some((frame, compressed))
    }
}

fn pieces<'p>(plan: &'p Plan, frame: &Range<usize>) -> impl Iterator<Item = &'p Piece> {
    plan.frame(frame).iter().map(|source| &source.piece)
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
