//! The OSTree repository of a site: signed with what is published, checked with it, pruned with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::VerifyingKey;
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

/// The key that the metadata names for the role.
fn role_key(place: &Place) -> VerifyingKey {
    let state = place.state();
    let targets = state.chain.targets();
    let id = targets.delegation(&web()).unwrap().keys.keyids.first().unwrap().clone();
    targets.delegations.as_ref().unwrap().keys[&id].ed25519().unwrap()
}

fn rolebuild(place: &Place, line: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
    let output = command.args(line.split(' ')).current_dir(place.path()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_commit_of_a_published_version_is_signed_by_the_key_of_its_role() {
    let (place, commits) = published();
    for commit in &commits {
        assert!(repository(&place).is_signed_by(commit, &[role_key(&place)]).unwrap());
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
fn no_bit_of_the_repository_flips_unseen() {
    let place = Place::new();
    // Zeros can be compressed in many ways; what cannot be compressed lies behind filler bits.
    let noise: Vec<u8> = (1..40_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let tree = place.path().join("tree");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("zeros"), [0; 700]).unwrap();
    fs::write(tree.join("noise"), noise).unwrap();
    std::os::unix::fs::symlink("zeros", tree.join("link")).unwrap();
    let (build, _) = place.committed("1.0", 1);
    place.publish_build(&build).unwrap();
    let ostree = place.repo().join(OSTREE);
    let mut files = [objects(&ostree.join("objects")), objects(&ostree.join("refs"))].concat();
    files.push(ostree.join("config"));
    let kind = |path: &PathBuf| path.extension().unwrap_or_default().to_str().unwrap().to_owned();
    let mut kinds: Vec<String> = files.iter().map(kind).collect();
    kinds.sort();
    // The ref's name ends with a number.
    let expected = [
        "",
        "0",
        "commit",
        "commitmeta",
        "dirmeta",
        "dirtree",
        "dirtree",
        "filez",
        "filez",
        "filez",
        "filez",
    ];
    assert_eq!(kinds, expected);
    for path in files {
        // One bit of each byte where the file's name is the SHA-256 of its bytes.
        let every = !["commit", "dirmeta", "dirtree"].contains(&&*kind(&path));
        let bits = |at: usize| if every { 0..8 } else { at as u32 % 8..at as u32 % 8 + 1 };
        assert_eq!(unseen(&place, &path, bits), [], "{}", path.display());
    }
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_key_that_was_replaced_signs_no_commit_any_more() {
    let (place, commits) = published();
    let key = role_key(&place);
    rolebuild(&place, "root rotate --replace role-web");
    for commit in &commits {
        assert!(!repository(&place).is_signed_by(commit, &[key]).unwrap());
        assert!(repository(&place).is_signed_by(commit, &[role_key(&place)]).unwrap());
    }
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
