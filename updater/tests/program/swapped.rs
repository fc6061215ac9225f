//! Published files in each other's place, replayed, cut, lengthened and damaged, each in turn, against the program.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::bad_site::file;
use crate::lab::{Lab, Ran, rule, tree};

/// All files of a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// The upgrade is refused as wrong (5) or as impossible to read (6), and what ran boots next.
#[track_caller]
fn refused(lab: &Lab, what: &str) {
    let ran = lab.run(&["upgrade", "2"]);
    assert!(matches!(ran.code, 5 | 6), "{what}: {ran:?}");
    assert_eq!(next(lab), "edeploy-a-g1.conf", "{what}");
}

fn next(lab: &Lab) -> String {
    let status = lab.run(&["status", "--json"]).done().json();
    status["next"].as_str().unwrap().to_owned()
}

/// The site of another role, signed by the same keys, with this version of its own.
pub(crate) fn other_role(lab: &Lab, version: &str) -> Lab {
    let mut other = Lab::new();
    (other.site.role, other.site.now) = ("db".parse().unwrap(), lab.site.now);
    other.site.version = lab.site.version - 1;
    let (serial, role) = (version.parse().unwrap(), "db".parse().unwrap());
    let mut transition = rule(version, &json!({}));
    transition["role"] = json!("db");
    other.publish(version, serial, &tree("db"), &transition, |head| head.role = role);
    other
}

#[test]
fn metadata_in_the_place_of_any_other_is_refused() {
    let lab = Lab::installed();
    // The state before, the present one, and those of another role's site.
    let other = other_role(&lab, "9");
    let folder = lab.site_folder().join("metadata");
    let present = [".snapshot.json", ".targets.json", ".role-web.json", "timestamp.json"]
        .map(|end| file(&lab, "metadata", end));
    let offered: BTreeMap<_, _> =
        files(&folder).into_iter().chain(files(&other.site_folder().join("metadata"))).collect();
    let mut tried = 0;
    for place in &present {
        let good = fs::read(place).unwrap();
        for (path, bytes) in offered.iter().filter(|(_, bytes)| **bytes != good) {
            fs::write(place, bytes).unwrap();
            refused(&lab, &format!("{} as {}", path.display(), place.display()));
            tried += 1;
        }
        fs::write(place, good).unwrap();
    }
    assert!(tried >= 28, "{tried}");
    lab.run(&["upgrade", "2"]).done();
}

#[test]
fn metadata_of_the_state_before_is_refused_as_a_whole_after_a_newer_was_seen() {
    let mut lab = Lab::installed();
    let before = files(&lab.site_folder().join("metadata"));
    lab.sign();
    lab.run(&["upgrade", "2"]).done();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({})), |_| ());
    for (path, bytes) in before {
        fs::write(path, bytes).unwrap();
    }
    let ran = lab.run(&["list"]);
    let (code, said) = ran.failed();
    assert_eq!(code, 5, "{ran:?}");
    assert!(
        said.starts_with("reading timestamp.json: version ") && said.ends_with(" was seen before"),
        "{said}"
    );
}

#[test]
fn objects_in_the_place_of_any_other_are_refused() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({})), |_| ());
    let mut objects = files(&lab.site_folder().join("targets"));
    objects.extend(files(&other_role(&lab, "2").site_folder().join("targets")));
    let mut tried = 0;
    for end in ["web@2@manifest", "web@2@pack-index", "web@2@transition", "web@2@pack"] {
        let place = file(&lab, "targets", end);
        let good = fs::read(&place).unwrap();
        for (path, bytes) in objects.iter().filter(|(_, bytes)| **bytes != good) {
            fs::write(&place, bytes).unwrap();
            refused(&lab, &format!("{} as {end}", path.display()));
            tried += 1;
        }
        fs::write(&place, good).unwrap();
    }
    assert_eq!(tried, 44);
    lab.run(&["upgrade", "2"]).done();
}

/// Where a file is damaged: its ends, its middle, and between.
fn places(length: usize) -> [usize; 5] {
    [0, length / 4, length / 2, length * 3 / 4, length - 1]
}

#[test]
fn objects_damaged_cut_or_lengthened_anywhere_are_refused_and_bytes_after_a_pack_are_never_asked_for() {
    let mut lab = Lab::new();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    // An install needs every frame.
    let install = |lab: &Lab| -> Ran {
        lab.disk();
        lab.install(&[])
    };
    for end in ["web@1@manifest", "web@1@pack-index", "web@1@pack"] {
        let place = file(&lab, "targets", end);
        let good = fs::read(&place).unwrap();
        for at in places(good.len()) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&place, bad).unwrap();
            let ran = install(&lab);
            assert_eq!(ran.code, 5, "{end}, byte {at}: {ran:?}");
            fs::write(&place, &good[..at]).unwrap();
            let ran = install(&lab);
            assert!(matches!(ran.code, 5 | 6), "{end}, cut at {at}: {ran:?}");
        }
        fs::write(&place, [&good[..], b"\0"].concat()).unwrap();
        let ran = install(&lab);
        let expected = if end.ends_with("@pack") { 0 } else { 5 };
        assert_eq!(ran.code, expected, "{end}, longer: {ran:?}");
        fs::write(&place, good).unwrap();
    }
    install(&lab).done();
}

#[test]
fn a_transition_damaged_cut_or_lengthened_anywhere_is_refused() {
    let lab = Lab::installed();
    let place = file(&lab, "targets", "web@2@transition");
    let good = fs::read(&place).unwrap();
    for at in (0..good.len()).step_by(11) {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        for (what, bad) in [("flipped", &bad[..]), ("cut", &good[..at])] {
            fs::write(&place, bad).unwrap();
            refused(&lab, &format!("{what} at {at}"));
        }
    }
    fs::write(&place, [&good[..], b" "].concat()).unwrap();
    refused(&lab, "longer");
    fs::write(&place, good).unwrap();
    lab.run(&["upgrade", "2"]).done();
}

#[test]
fn a_frame_that_one_mirror_has_wrong_comes_from_another() {
    let mut lab = Lab::new();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    let mirror = lab.path("mirror");
    let copied = Command::new("cp").arg("-a").args([&lab.site_folder(), &mirror]).status().unwrap();
    assert!(copied.success());
    let pack = file(&lab, "targets", "web@1@pack");
    let name = pack.file_name().unwrap().to_owned();
    let mut bad = fs::read(&pack).unwrap();
    let middle = bad.len() / 2;
    bad[middle] ^= 1;
    fs::write(&pack, &bad).unwrap();
    lab.disk();
    let ran = lab.install(&["--repo", mirror.to_str().unwrap()]).done();
    let site = lab.site_folder();
    assert!(ran.err.contains("has another digest"), "{ran:?}");
    assert!(ran.err.contains(&format!("{} is asked last from now on", site.display())), "{ran:?}");
    // Where none has it right, that is the end of it.
    fs::write(mirror.join("targets").join(name), &bad).unwrap();
    lab.disk();
    let ran = lab.install(&["--repo", mirror.to_str().unwrap()]);
    assert_eq!(ran.code, 5, "{ran:?}");
}
