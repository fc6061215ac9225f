//! Every object against the metadata: there, of the right length, with the right SHA-256.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use edeploy_format::name::{Object, Role, Version};
use edeploy_format::transition::Transition;
use edeploy_format::tuf::{Sha256, Sha256Hasher, Target};

use super::history::Commits;
use super::{Report, contents, deltas, texts};
use crate::site::{SiteError, State, TARGETS, files, named};

/// Checks all objects, and gives the OSTree commits that the manifests name.
pub(super) fn check(
    folder: &Path,
    state: Option<&State>,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<Commits, SiteError> {
    let mut commits = Commits::new();
    let named = state.map(named).unwrap_or_default();
    let mut sound = BTreeSet::new();
    for (name, _) in files(folder, TARGETS)? {
        let object = format!("{TARGETS}/{name}");
        let said = name.split_once('.').and_then(|(sha256, _)| sha256.parse::<Sha256>().ok());
        let (Some(expected), true) = (said, state.is_none() || named.contains(&name)) else {
            report.leftovers.push(object);
            continue;
        };
        match hash(&folder.join(&object), progress) {
            Ok((length, found)) => {
                report.read(length);
                if found == expected {
                    sound.insert((name, length));
                } else {
                    report.found(object, format!("its SHA-256 is {found}"));
                }
            }
            Err(error) => report.failed(object, &error),
        }
    }
    for (role, metadata) in state.iter().flat_map(|state| &state.roles) {
        for (name, target) in metadata.targets() {
            present(name, target, &named, &sound, report);
        }
        let part = |name: String| {
            let target = metadata.target(&name)?;
            let file = target.file(&name);
            let path = folder.join(TARGETS).join(&file);
            sound.contains(&(file, target.length)).then_some((name, path))
        };
        let mut trees = BTreeMap::new();
        for listed in metadata.versions() {
            let object = |object: Object<'_>| part(object.target(role, &listed.version));
            let parts = [Object::Manifest, Object::PackIndex, Object::Pack].map(object);
            if let [Some(manifest), Some(index), Some(pack)] = parts {
                let version = contents::Published { role, listed: &listed, metadata };
                let (commit, tree) = contents::check(&version, manifest, index, pack, report, progress);
                trees.extend(tree.map(|tree| (listed.version.clone(), tree)));
                commits.extend(commit.map(|commit| ((role.clone(), listed.version.clone()), commit)));
                report.versions += 1;
            }
            if let Some((name, path)) = object(Object::Transition) {
                transition(&name, &path, role, &listed.version, report);
            }
            for object in
                [Object::Manifest, Object::PackIndex, Object::Pack, Object::Transition, Object::Sbom]
            {
                let name = object.target(role, &listed.version);
                if metadata.target(&name).is_none() {
                    report.found(name, "is not published, though its version is");
                }
            }
        }
        deltas::check(role, metadata, &trees, &part, report);
        texts::check(metadata, &part, report);
    }
    Ok(commits)
}

/// A target that is listed must be there; its hash was checked under its name.
fn present(
    name: &str,
    target: &Target,
    named: &BTreeSet<String>,
    sound: &BTreeSet<(String, u64)>,
    report: &mut Report,
) {
    let file = target.file(name);
    let object = format!("{TARGETS}/{file}");
    let damaged = report.findings.iter().any(|finding| finding.object == object);
    debug_assert!(named.contains(&file));
    match sound.range((file.clone(), 0)..).next().filter(|(found, _)| *found == file) {
        Some((_, length)) if *length != target.length => {
            report.found(object, format!("{length} bytes, {} are listed", target.length));
        }
        Some(_) => {}
        None if damaged => {}
        None => report.found(object, "is missing"),
    }
}

fn transition(name: &str, path: &Path, role: &Role, version: &Version, report: &mut Report) {
    match std::fs::read(path) {
        Ok(bytes) => {
            if let Err(error) = Transition::parse(&bytes, role, version) {
                report.failed(name, &error);
            }
        }
        Err(error) => report.failed(name, &error),
    }
}

fn hash(path: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<(u64, Sha256)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256Hasher::default();
    let mut buffer = vec![0; 1 << 20];
    let mut length = 0;
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok((length, hasher.finish()));
        }
        hasher.update(&buffer[..n]);
        length += n as u64;
        progress(n as u64);
    }
}
