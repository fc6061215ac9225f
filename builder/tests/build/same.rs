//! The same input gives the same version, and `diff` says when it does not.

use std::fs;
use std::process::Command;

use crate::fixture::{Case, done, stderr};

/// The answer of a build.
fn json(case: &Case, args: &[&str]) -> serde_json::Value {
    let args =
        [&["build", "recipes/web", "--updater", "edeploy-ab", "--version", "1", "--json"], args].concat();
    let output = case.rolebuild(&args);
    done(&output);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn two_folders_two_repositories_and_a_tar_give_one_digest() {
    let (one, two) = (Case::new(), Case::new());
    // What was there before is no part of a version.
    two.write("tree/etc/other", "");
    done(&two.build("0", &["--serial", "0"]));
    fs::remove_file(two.path("tree/etc/other")).unwrap();
    for case in [&one, &two] {
        // What an overlay would make two files of, were it touched; the trees are younger than the build.
        fs::hard_link(case.path("tree/var/lib/site/data"), case.path("tree/etc/linked")).unwrap();
        let touched = fs::File::open(case.path("tree/etc/group")).unwrap();
        touched.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let tar = ["--create", "--directory", "tree", "--file", "tree.tar", "."];
    assert!(Command::new("tar").args(tar).current_dir(two.path("")).status().unwrap().success());

    let first = json(&one, &["--from-dir", "tree"]);
    assert_eq!(first["serial"], 1);
    let digest = edeploy_format::digest::Digest::of(&fs::read(one.path("builds/web@1/manifest")).unwrap());
    assert_eq!(first["manifest"], digest.to_string());
    let second = json(&two, &["--from-tar", "tree.tar"]);
    assert_eq!(second, first);
    for part in ["manifest", "pack", "pack-index", "sbom"] {
        let of = |case: &Case| fs::read(case.path(&format!("builds/web@1/{part}"))).unwrap();
        assert_eq!(of(&one), of(&two), "{part}");
    }
    assert_eq!(json(&one, &["--from-dir", "tree"]), first);
}

#[test]
fn diff_names_what_differs_and_exits_with_9() {
    let case = Case::new();
    case.built("1");
    case.write("tree/boot/initrd.img-6", "another");
    case.write("tree/etc/more", "");
    case.recipe("kernel-arguments = ['quiet']\n");
    case.built("2");
    let output = case.rolebuild(&["diff", "web@1", "builds/web@2"]);
    assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let derived = |line: &&str| ["ostree: ", "entries: ", "bytes: "].iter().any(|key| line.starts_with(key));
    let lines: Vec<_> = text.lines().filter(|line| !derived(line)).collect();
    let expected = [
        "version: 1 -> 2",
        "serial: 1 -> 2",
        "options: = -> =quiet",
        "content boot/initrd.img-6",
        "added etc/more",
        "2 paths differ",
    ];
    assert_eq!(lines, expected);

    let output = case.rolebuild(&["diff", "web@1", "web@2", "--json"]);
    assert_eq!(output.status.code(), Some(9));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["head"][0]["key"], "version");
    assert_eq!(json["head"][0]["second"][0], "2");
    assert_eq!(json["differences"][0]["path"], "boot/initrd.img-6");
    assert_eq!(json["differences"][0]["differs_in"][0], "content");

    let output = case.rolebuild(&["diff", "web@1", "builds/web@1/manifest"]);
    done(&output);
    assert_eq!(output.stdout, b"no differences\n");
    assert_eq!(case.rolebuild(&["diff", "web@1", "web@3"]).status.code(), Some(4));
    let output = case.rolebuild(&["diff", "web@1", "edeploy-ab"]);
    assert_eq!(output.status.code(), Some(11), "{}", stderr(&output));
}

#[test]
fn serials_grow_and_a_version_keeps_its_own() {
    let case = Case::new();
    let serial = |version: &str| {
        case.built(version);
        case.manifest(version).0.serial
    };
    assert_eq!([serial("a"), serial("b"), serial("a"), serial("c")], [1, 2, 1, 3]);
}
