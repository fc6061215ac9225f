//! Frames of an earlier pack: what did not change is not compressed again.
//!
//! A frame is taken where it holds the same pieces and its bytes are those that its index names. It was held to a
//! manifest when it was made, and is not unpacked again for that: what lies in the folder of builds is this program's
//! word. A host holds what it makes of it to the manifest, whatever lies there.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use edeploy_format::digest::Digest;
use edeploy_format::name::Role;
use edeploy_format::pack::{Frame, IndexReader, Piece};

/// The pack of an earlier build.
#[derive(Default)]
pub struct Earlier {
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
        Ok(Self { pack: Some(File::open(folder.join("pack"))?), frames })
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
