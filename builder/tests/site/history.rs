//! The OSTree repository of a site: signed with what is published, checked with it, pruned with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use edeploy_format::exit::Exit;
use rolebuild::failure::Fault;
use rolebuild::fsck::fsck;
use rolebuild::ostree::Repository;
use rolebuild::site::OSTREE;

use crate::fixture::*;

fn repository(place: &Place) -> Repository {
    Repository::open(&place.repo().join(OSTREE)).unwrap()
}

/// What is found, as `<object>: <fault>`.
fn faults(place: &Place) -> Vec<String> {
    let findings = fsck(&place.repo(), &mut |_| {}).unwrap().findings.into_iter();
    findings.map(|finding| format!("{}: {}", finding.object, finding.fault)).collect()
}

/// Two published versions; gives their commits.
fn published() -> (Place, [String; 2]) {
    let place = Place::new();
    let commits = [("1.0", 1), ("1.1", 2)].map(|(name, serial)| {
        let (build, commit) = place.committed(name, serial);
        place.publish_build(&build).unwrap();
        commit
    });
    (place, commits)
}

fn rolebuild(place: &Place, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
    let output = command.args(line.split(' ')).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_commit_of_a_published_version_is_signed_by_the_key_of_its_role() {
    let (place, commits) = published();
    let state = place.state();
    let targets = state.chain.targets();
    let id = targets.delegation(&web()).unwrap().keys.keyids.first().unwrap().clone();
    let key = targets.delegations.as_ref().unwrap().keys[&id].ed25519().unwrap();
    for commit in &commits {
        assert!(repository(&place).is_signed_by(commit, &key).unwrap());
    }
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_new_key_of_the_role_signs_its_commits_again() {
    let (place, _) = published();
    rolebuild(&place, "root rotate --replace role-web");
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_manifest_whose_commit_is_elsewhere_is_not_published() {
    let place = Place::new();
    let (build, commit) = place.committed("1.0", 1);
    fs::remove_dir_all(place.repo().join(OSTREE)).unwrap();
    let error = place.publish_build(&build).unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    let path = place.repo().join(OSTREE).display().to_string();
    let expected = format!(
        "{path} does not hold commit {commit}, which the manifest names; build it again with this --repo"
    );
    assert_eq!(chain(error), expected);
}

#[test]
fn a_pruned_version_leaves_the_repository_too() {
    let (place, commits) = published();
    let (_, unpublished) = place.committed("2.0", 3);
    rolebuild(&place, "prune --keep 1");
    let held = repository(&place).versions(&web()).unwrap();
    let held: Vec<&str> = held.iter().map(|held| held.commit.as_str()).collect();
    assert_eq!(held, [&*commits[1], &*unpublished], "a build that is not published yet stays");
    assert_eq!(faults(&place), [""; 0]);
}

/// All files of the repository that hold content, in a fixed order.
fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(objects(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_flipped_bit_in_the_repository_is_found() {
    let (place, _) = published();
    let ostree = place.repo().join(OSTREE);
    let files = [objects(&ostree.join("objects")), objects(&ostree.join("refs"))].concat();
    assert_eq!(
        files.len(),
        13,
        "2 versions: commit, signatures, 2 folders, a file, a ref; shared attributes"
    );
    for path in files {
        let sound = fs::read(&path).unwrap();
        // Behind the end of a deflate stream there may be bits that say nothing.
        let filler = usize::from(path.extension().is_some_and(|ending| ending == "filez"));
        for at in (0..sound.len() - filler).step_by(11) {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << (at % 7);
            fs::write(&path, &bytes).unwrap();
            let name = path.strip_prefix(place.repo()).unwrap().display().to_string();
            let found = faults(&place);
            // A damaged ref or signature is named by the version whose it is.
            let named =
                found.iter().any(|fault| fault.starts_with(&name) || fault.contains("refs/heads/web/"));
            assert!(named, "{name}, byte {at}: {found:?}");
        }
        fs::write(&path, sound).unwrap();
    }
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_lost_object_is_named() {
    let (place, commits) = published();
    let commit = &commits[1];
    let (folder, name) = commit.split_at(2);
    let object = place.repo().join(OSTREE).join("objects").join(folder).join(format!("{name}.commit"));
    fs::remove_file(object).unwrap();
    assert_eq!(faults(&place), [format!("ostree/refs/heads/web/1.1: its commit {commit} is missing")]);
    fs::remove_dir_all(place.repo().join(OSTREE)).unwrap();
    assert_eq!(faults(&place), ["ostree: is missing, and the manifests name commits of it"]);
}
