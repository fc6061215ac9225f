//! Two trees become a delta.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};
use std::path::Path;

use edeploy_format::delta::Head;
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{ManifestError, Reader};
use serde::Serialize;

use super::choose::{self, PIECE, Way};
use super::contents::{Contents, ContentsError};
use super::frames::{Frames, Part};
use super::pair::{Content, Old};
use crate::failure::Fault;
use crate::parallel;

/// Contents are worked on together until they are this long.
const BATCH: u64 = 64 << 20;

/// One of the two versions.
pub struct Tree<'a> {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The text of its manifest.
    pub manifest: &'a [u8],
    /// The text of its pack's index.
    pub index: &'a [u8],
    /// Its pack.
    pub pack: &'a Path,
}

/// How small, and at what cost.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The zstd level of the frames.
    pub level: i32,
}

impl Effort {
    /// As small as it gets.
    pub const SMALL: Self = Self { level: 19 };
    /// In less time, and larger.
    pub const FAST: Self = Self { level: 3 };
}

/// What one content of the new tree costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The first path that has it.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// The path of its base, unless it is sent whole.
    pub base: Option<String>,
    /// About so many bytes of the delta.
    pub bytes: u64,
}

/// The delta that was made.
pub struct Made {
    /// What its contents cost, in the order of the manifest.
    pub costs: Vec<Cost>,
    /// The contents it makes, with their sizes.
    pub wanted: HashMap<Digest, u64>,
    /// Bytes of the frames of the pack that hold them: what is fetched without the delta.
    pub spares: u64,
    /// All contents that it was made from and of.
    pub contents: Contents,
}

/// Why there is no delta.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The contents of a pack.
    #[error(transparent)]
    Contents(#[from] ContentsError),
    /// Delta or index cannot be written.
    #[error("writing the delta")]
    Write(#[from] io::Error),
}

impl Fault for MakeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Manifest(_) => Exit::Input,
            Self::Contents(error) => error.exit(),
            Self::Write(_) => Exit::Failed,
        }
    }
}

/// All files of a tree that hold something, in the order of its manifest.
fn files(manifest: impl BufRead) -> Result<Vec<Content>, ManifestError> {
    let (mut reader, mut files) = (Reader::new(manifest)?, Vec::new());
    while let Some(record) = reader.next_record()? {
        if let Some((size @ 1.., digest)) = record.content() {
            files.push(Content { digest, size, path: record.path.to_string() });
        }
    }
    Ok(files)
}

/// Writes the delta and its index; scratch files lie below `scratch` meanwhile, and `made` is told of the
/// bytes of each content that is done.
///
/// # Errors
/// [`MakeError`].
pub fn make(
    from: &Tree<'_>,
    to: &Tree<'_>,
    effort: Effort,
    scratch: &Path,
    delta: &mut dyn Write,
    index: &mut dyn Write,
    mut made: impl FnMut(u64),
) -> Result<Made, MakeError> {
    let old = files(from.manifest)?;
    let mut known: HashSet<Digest> = old.iter().map(|content| content.digest).collect();
    let mut new = files(to.manifest)?;
    new.retain(|content| known.insert(content.digest));
    let old = Old::new(old);
    let wanted: HashMap<Digest, u64> = new.iter().map(|content| (content.digest, content.size)).collect();
    let contents = Contents::new(scratch)?;
    let spares = contents.take(to.index, to.pack, &wanted.keys().copied().collect())?;
    let bases = new.iter().flat_map(|content| old.bases(content)).map(|base| base.digest).collect();
    contents.take(from.index, from.pack, &bases)?;

    index.write_all(Head { from: from.digest, to: to.digest }.to_string().as_bytes())?;
    let mut frames = Frames::new(effort.level, PIECE, delta, index);
    let mut costs = Vec::with_capacity(new.len());
    for batch in batches(&new) {
        let ways = parallel::map(batch, |content| way(content, &old, &contents));
        for (content, way) in batch.iter().zip(ways) {
            let (parts, cost) = way?;
            parts.into_iter().try_for_each(|part| frames.add(part))?;
            costs.push(cost);
            made(content.size);
        }
    }
    frames.finish()?;
    Ok(Made { costs, wanted, spares, contents })
}

/// Runs of contents that are about [`BATCH`] bytes together.
fn batches(contents: &[Content]) -> impl Iterator<Item = &[Content]> {
    let mut length = 0;
    contents.chunk_by(move |content, _| {
        length += content.size;
        let goes_on = length < BATCH;
        length = if goes_on { length } else { 0 };
        goes_on
    })
}

/// The parts that make `content`, and what they cost.
fn way(content: &Content, old: &Old, contents: &Contents) -> Result<(Vec<Part>, Cost), MakeError> {
    let new = contents.read(&content.digest)?;
    let candidates = old.bases(content);
    let read = |base: &&Content| Ok((base.digest, contents.read(&base.digest)?));
    let bases = candidates.iter().map(read).collect::<Result<Vec<_>, ContentsError>>()?;
    let Way { cuts, base, cost } = choose::best(&new, &bases);
    let alone = cuts.len() == 1;
    let part = |cut: super::cut::Cut| {
        let begin = usize::try_from(cut.offset).expect("an offset in memory");
        let proof = (!alone).then(|| Digest::of(&new[begin..begin + cut.length()]));
        Part { content: content.digest, proof, bases: base.into_iter().collect(), cut }
    };
    let path = |digest| candidates.iter().find(|base| base.digest == digest).map(|base| base.path.clone());
    let cost = Cost {
        path: content.path.clone(),
        size: content.size,
        base: base.and_then(path),
        bytes: cost as u64,
    };
    Ok((cuts.into_iter().map(part).collect(), cost))
}
