//! Two trees become a delta.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Write};
use std::path::Path;

use edeploy_format::delta::{Head, View};
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{ManifestError, Reader};
use serde::Serialize;

use super::archive::{self, Member};
use super::choose::{self, Effort, Opened, PIECE, Way};
use super::contents::{Contents, ContentsError};
use super::cut::Cut;
use super::frames::{Frames, Part};
use super::large;
use super::pair::{Content, Old};
use super::search::LONGEST;
use crate::failure::Fault;
use crate::parallel;

/// No content is begun while those that were, and are not written yet, are this long together.
const AHEAD: u64 = 64 << 20;

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

/// What one content of the new tree costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// The first path that has it.
    pub path: String,
    /// Its length.
    pub size: u64,
    /// The path of its base, unless it is sent whole; of an archive made of its tree's files, the old one's.
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
    /// The contents of the older tree.
    pub kept: HashSet<Digest>,
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
pub(super) fn files(manifest: impl BufRead) -> Result<Vec<Content>, ManifestError> {
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
    let source = Source::new(from, to, effort, scratch)?;
    index.write_all(Head { from: from.digest, to: to.digest }.to_string().as_bytes())?;
    let mut frames = Frames::new(effort.level, PIECE, delta, index);
    let mut costs = Vec::with_capacity(source.new.len());
    let weight = |content: &Content| content.size;
    parallel::in_order(
        &source.new,
        (weight, AHEAD),
        |content| source.way(content, effort),
        |content, way| {
            let (mut parts, cost) = way?;
            parts.try_for_each(|part| frames.add(part))?;
            costs.push(cost);
            made(content.size);
            Ok::<(), MakeError>(())
        },
    )?;
    frames.finish()?;
    let Source { wanted, kept, spares, contents, .. } = source;
    Ok(Made { costs, wanted, kept, spares, contents })
}

/// What a delta is made from, and what it is to make.
struct Source {
    old: Old,
    /// Contents that only the new tree has, archives of its own files last.
    new: Vec<Content>,
    /// The members of those archives that the tree has.
    archives: HashMap<Digest, Vec<Member>>,
    wanted: HashMap<Digest, u64>,
    kept: HashSet<Digest>,
    spares: u64,
    contents: Contents,
}

impl Source {
    fn new(from: &Tree<'_>, to: &Tree<'_>, effort: Effort, scratch: &Path) -> Result<Self, MakeError> {
        let old = files(from.manifest)?;
        let kept: HashSet<Digest> = old.iter().map(|content| content.digest).collect();
        let mut known = kept.clone();
        let mut new = files(to.manifest)?;
        let tree: HashMap<Digest, u64> = new.iter().map(|content| (content.digest, content.size)).collect();
        new.retain(|content| known.insert(content.digest));
        let old = Old::new(old);
        let wanted: HashMap<Digest, u64> = new.iter().map(|content| (content.digest, content.size)).collect();
        let mut contents = Contents::new(scratch);
        let spares = contents.take(to.index, to.pack, &wanted.keys().copied().collect())?;
        let archives = archives(&new, &tree, &contents)?;
        let members = archives.values().flatten().map(|(_, content)| *content);
        let bases = new.iter().flat_map(|content| old.bases(content, effort.tried)).map(|base| base.digest);
        let bases = bases.chain(members.filter(|content| kept.contains(content))).collect();
        contents.take(from.index, from.pack, &bases)?;
        // Their members come before them.
        new.sort_by_key(|content| archives.contains_key(&content.digest));
        Ok(Self { old, new, archives, wanted, kept, spares, contents })
    }

    /// The parts that make `content`, and what they cost.
    fn way(&self, content: &Content, effort: Effort) -> Result<(Parts<'_>, Cost), MakeError> {
        let candidates = self.old.bases(content, effort.tried);
        let closed = |digest| self.contents.read(&digest).map(|bytes| Opened::closed(digest, bytes));
        let new = closed(content.digest)?;
        let way = if let Some(members) = self.archives.get(&content.digest) {
            let none = Opened::closed(Digest::of(b""), &[]);
            let old = candidates.first().map_or(Ok(none), |old| closed(old.digest))?;
            archive::way(&new, members, &old, effort)
        } else {
            let new = if effort.opens { Opened::new(content.digest, new.bytes) } else { new };
            let base = |base: &&Content| match &new.unpacked {
                Some(_) => self.contents.read(&base.digest).map(|bytes| Opened::base(base.digest, bytes)),
                None => closed(base.digest),
            };
            if new.unpacked.is_none() && new.bytes.len() > LONGEST {
                return self.large(content, new.bytes, &candidates, effort);
            }
            let bases = candidates.iter().map(base).collect::<Result<Vec<_>, ContentsError>>()?;
            choose::best(&new, &bases, effort)
        };
        let first = way.sources.first().map(|view| view.content);
        let base = candidates.iter().find(|base| Some(base.digest) == first).map(|base| base.path.clone());
        let (path, size, bytes) = (content.path.clone(), content.size, way.cost as u64);
        Ok((Box::new(parts(way).into_iter()), Cost { path, size, base, bytes }))
    }

    /// As [`Self::way`], of one too long to be held in memory: its base is the candidate nearest in size.
    fn large<'a>(
        &'a self,
        content: &Content,
        new: &'a [u8],
        candidates: &[&Content],
        effort: Effort,
    ) -> Result<(Parts<'a>, Cost), MakeError> {
        let nearest = candidates.iter().min_by_key(|base| base.size.abs_diff(content.size));
        let old = |base: &&Content| Ok((View::from(base.digest), self.contents.read(&base.digest)?));
        let best = large::best(new, nearest.map(old).transpose().map_err(MakeError::Contents)?, effort);
        let base = nearest.filter(|_| best.base.is_some()).map(|base| base.path.clone());
        let cost = Cost { path: content.path.clone(), size: content.size, base, bytes: best.cost as u64 };
        let sources: Vec<View> = best.base.iter().map(|(view, _)| view.clone()).collect();
        let view = View::from(content.digest);
        Ok((Box::new(best.cuts().map(move |cut| part(&view, cut, &sources))), cost))
    }
}

/// The archives among contents, with their members in the tree.
fn archives(
    new: &[Content],
    tree: &HashMap<Digest, u64>,
    contents: &Contents,
) -> Result<HashMap<Digest, Vec<Member>>, ContentsError> {
    let mut archives = HashMap::new();
    for content in new {
        let bytes = contents.read(&content.digest)?;
        if bytes.starts_with(archive::MAGIC) {
            let members = archive::members(bytes, tree);
            if archive::is_worth_it(bytes, &members) {
                archives.insert(content.digest, members);
            }
        }
    }
    // One in another would have to come before it.
    let all: HashSet<Digest> = archives.keys().copied().collect();
    archives.values_mut().for_each(|members| members.retain(|(_, content)| !all.contains(content)));
    Ok(archives)
}

/// The parts of a content, one at a time.
type Parts<'a> = Box<dyn Iterator<Item = Part> + Send + 'a>;

/// The parts of a way. One that is all of its view needs no proof: the content's digest is one.
pub(super) fn parts(way: Way) -> Vec<Part> {
    let Way { view, cuts, sources, .. } = way;
    cuts.into_iter().map(|cut| part(&view, cut, &sources)).collect()
}

fn part(view: &View, cut: Cut, sources: &[View]) -> Part {
    let bases = cut.sources.iter().map(|&source| sources[source].clone()).collect();
    Part { view: view.clone(), proof: cut.proof, bases, cut }
}
