//! A version that is published, built again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::fixture::{Case, done, stderr};

/// Every file below a folder, with its bytes.
fn all(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

/// Everything but libostree's own workplace, whose content the next build takes over.
fn state(case: &Case) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = all(case.folder.path());
    all.retain(|path, _| {
        let below = |folder: &str| path.starts_with(case.path(folder));
        (below("repo") || below("builds")) && !below("repo/ostree/tmp")
    });
    all
}

#[test]
fn another_build_of_a_published_version_is_refused_and_changes_nothing() {
    let case = Case::new();
    case.write("metadata/any/any/any/exclude", "/etc/hostname\n");
    done(&case.rolebuild(&["init"]));
    case.built("1");
    case.write("tree/etc/motd", "before it is published, a build may change");
    case.built("1");
    done(&case.rolebuild(&["publish", "web", "1"]));
    let digest = |build: &str| {
        let bytes = fs::read(case.path(build).join("manifest")).unwrap();
        edeploy_format::digest::Digest::of(&bytes)
    };
    let (published, before) = (digest("builds/web@1"), state(&case));
    let commit = case.manifest("1").0.ostree;

    case.write("tree/etc/motd", "afterwards it may not");
    let output = case.build("1", &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(state(&case) == before);
    done(&case.build("1", &["--repo", "elsewhere", "--builds", "elsewhere/builds"]));
    let built = digest("elsewhere/builds/web@1");
    let said = format!(
        "rolebuild: web 1 is published with manifest {published}, this build has {built}; a change needs a new \
         version\n"
    );
    assert!(stderr(&output).ends_with(&said), "{}", stderr(&output));

    case.write("tree/etc/motd", "before it is published, a build may change");
    case.built("1");
    assert_eq!(case.manifest("1").0.ostree, commit);
    done(&case.rolebuild(&["fsck"]));
}
