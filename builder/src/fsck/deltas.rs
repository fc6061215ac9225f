//! Deltas against the versions they lie between: each is applied, and must make what its version has and the older
//! one has not; of a version from itself, what it makes must be contents of the version.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io::BufReader;

use edeploy_format::delta::{Head, IndexReader};
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::TrustedRole;

use super::Report;
use super::contents::{Part, Tree, Wrong, unpacked, whole};
use super::packed::Packed;
use crate::delta::check::{self, CheckError, Work};
use crate::delta::contents::ContentsError;

type Trees = BTreeMap<Version, Tree>;

/// Checks all deltas of a role; `part` gives a published object if it is sound.
pub(super) fn check(
    role: &Role,
    metadata: &TrustedRole,
    trees: &Trees,
    part: &dyn Fn(String) -> Option<Part>,
    report: &mut Report,
) {
    let listed: BTreeSet<Version> = metadata.versions().into_iter().map(|listed| listed.version).collect();
    let pairs: BTreeSet<_> = metadata.targets().filter_map(|(name, _)| versions(name)).collect();
    for (from, to) in pairs {
        let names = [Object::Delta(&from), Object::DeltaIndex(&from)].map(|object| object.target(role, &to));
        for name in names.iter().filter(|name| metadata.target(name).is_none()) {
            report.found(name, "is not published, though the other part of the delta is");
        }
        for absent in [&from, &to].into_iter().filter(|version| !listed.contains(*version)) {
            report.found(&names[0], format!("{absent} is not published"));
        }
        let (Some(older), Some(newer)) = (trees.get(&from), trees.get(&to)) else { continue };
        let [Some(delta), Some(index)] = names.map(part) else { continue };
        if let Err((name, wrong)) = apply(metadata, [older, newer], &delta, &index) {
            report.failed(name, &wrong);
        }
    }
}

/// The versions that a delta or its index lies between.
fn versions(name: &str) -> Option<(Version, Version)> {
    let parts: Vec<&str> = name.split('@').collect();
    let [_, to, "delta" | "delta-index", from] = parts[..] else { return None };
    Some((from.parse().ok()?, to.parse().ok()?))
}

/// Why a delta is wrong.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error(transparent)]
    Object(#[from] Wrong),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error(transparent)]
    Pack(#[from] ContentsError),
}

/// Applies a delta; names the object that is wrong.
fn apply(
    metadata: &TrustedRole,
    [older, newer]: [&Tree; 2],
    delta: &Part,
    index: &Part,
) -> Result<(), (String, Unsound)> {
    let of_index = |wrong: Wrong| (index.0.clone(), wrong.into());
    whole(metadata, index).map_err(of_index)?;
    let frames = BufReader::new(unpacked(metadata, index).map_err(of_index)?);
    let of_delta = |wrong| (delta.0.clone(), wrong);
    let [from_older, from_newer] = [older, newer].map(|tree| packed(metadata, tree).map_err(of_delta));
    let (from_older, from_newer) = (from_older?, from_newer?);
    let own =
        (older.manifest == newer.manifest).then(|| made(metadata, index)).transpose().map_err(of_index)?;
    let has = |content: &Digest| match &own {
        Some(made) => newer.contents.contains_key(content) && !made.contains(content),
        None => older.contents.contains_key(content),
    };
    let missing = newer.contents.iter().filter(|(content, _)| !has(content));
    let wanted: HashMap<_, _> = missing.map(|(content, size)| (*content, *size)).collect();
    let work = Work {
        head: Head { from: older.manifest, to: newer.manifest },
        wanted: &wanted,
        kept: &has,
        read: &|content| {
            let from = if has(content) { &from_older } else { &from_newer };
            from.read(content).map(Cow::Owned)
        },
    };
    let file = File::open(&delta.1).map_err(|error| of_delta(Wrong::from(error).into()))?;
    check::check(frames, BufReader::new(file), &work).map_err(|wrong| match wrong {
        CheckError::Index(_) | CheckError::Head(_) => (index.0.clone(), wrong.into()),
        CheckError::Read(_)
        | CheckError::Frame(_)
        | CheckError::Longer
        | CheckError::Base(_)
        | CheckError::Patch { .. }
        | CheckError::Later(_)
        | CheckError::Form { .. }
        | CheckError::Content(_)
        | CheckError::Missing(_) => of_delta(wrong.into()),
    })
}

/// The contents that an index makes.
fn made(metadata: &TrustedRole, index: &Part) -> Result<HashSet<Digest>, Wrong> {
    let (_, mut frames) = IndexReader::new(BufReader::new(unpacked(metadata, index)?))?;
    let mut made = HashSet::new();
    while let Some(frame) = frames.next_frame()? {
        made.extend(frame.pieces.iter().map(|piece| piece.view.content));
    }
    Ok(made)
}

fn packed(metadata: &TrustedRole, tree: &Tree) -> Result<Packed, Unsound> {
    let index = BufReader::new(unpacked(metadata, &tree.index)?);
    Ok(Packed::open(index, tree.pack.1.clone())?)
}
