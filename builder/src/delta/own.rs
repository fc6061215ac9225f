//! The delta of a version from itself: the initrd made of files of its own tree, for hosts to which no delta leads.
//!
//! Whatever runs on a host, it has those files, or fetches them: so this is one delta for all of them, and for a first
//! install. What is no archive of the tree's files, or is one for less than half of its bytes, is left to the pack.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use edeploy_format::delta::Head;
use edeploy_format::digest::Digest;
use edeploy_format::manifest::Reader;

use super::archive;
use super::choose::{Effort, Opened, PIECE};
use super::contents::Contents;
use super::frames::Frames;
use super::make::{Cost, Made, MakeError, Tree, files, parts};

/// Writes the delta and its index, which may make nothing; scratch files lie below `scratch` meanwhile.
///
/// # Errors
/// [`MakeError`].
pub fn make(
    tree: &Tree<'_>,
    effort: Effort,
    scratch: &Path,
    delta: &mut dyn Write,
    index: &mut dyn Write,
) -> Result<Made, MakeError> {
    let initrd = Reader::new(tree.manifest)?.head().initrd.to_string();
    let files = files(tree.manifest)?;
    let mut kept: HashMap<Digest, u64> = files.iter().map(|file| (file.digest, file.size)).collect();
    let mut contents = Contents::new(scratch);
    let (mut wanted, mut costs, mut spares) = (HashMap::new(), Vec::new(), 0);
    index.write_all(Head { from: tree.digest, to: tree.digest }.to_string().as_bytes())?;
    let mut frames = Frames::new(effort.level, PIECE, delta, index);
    if let Some(file) = files.into_iter().find(|file| file.path == initrd) {
        let of_pack = contents.take(tree.index, tree.pack, &HashSet::from([file.digest]))?;
        kept.remove(&file.digest);
        let bytes = contents.read(&file.digest)?.to_vec();
        let members = archive::members(&bytes, &kept);
        if archive::is_worth_it(&bytes, &members) {
            let bases = members.iter().map(|(_, content)| *content).collect();
            contents.take(tree.index, tree.pack, &bases)?;
            let none = Opened::closed(Digest::of(b""), b"");
            let way = archive::way(&Opened::closed(file.digest, &bytes), &members, &none, effort);
            costs.push(Cost { path: file.path, size: file.size, base: None, bytes: way.cost as u64 });
            wanted.insert(file.digest, file.size);
            spares = of_pack;
            parts(way).into_iter().try_for_each(|part| frames.add(part))?;
        }
    }
    frames.finish()?;
    Ok(Made { costs, wanted, kept: kept.into_keys().collect(), spares, contents })
}
