//! The repository a build fills, read by the stock program.

use std::process::Command;

use edeploy_format::manifest::{Kind, Record};

use crate::fixture::{Case, done, manifest};

/// What OSTree can hold of a record: no time, and hard links are files.
fn held(record: Record) -> Record {
    let kind = match record.kind {
        Kind::HardLink { size, digest, .. } => Kind::File { size, digest },
        kind @ (Kind::File { .. } | Kind::Folder | Kind::Symlink { .. }) => kind,
    };
    Record { mtime: 0, kind, ..record }
}

#[test]
fn a_checkout_is_the_manifests_tree() {
    let case = Case::new();
    std::fs::hard_link(case.path("tree/etc/group"), case.path("tree/etc/linked")).unwrap();
    std::os::unix::fs::chown(case.path("tree/etc/group"), Some(1), Some(2)).unwrap();
    let flags = rustix::fs::XattrFlags::CREATE;
    rustix::fs::lsetxattr(case.path("tree/etc/group"), "user.note", b"x", flags).unwrap();
    case.built("1");
    let (head, records) = case.manifest("1");
    let ostree = |args: &[&str]| {
        let output = Command::new("ostree").args(args).current_dir(case.path("")).output();
        let output = output.expect("ostree is needed: apt-get install ostree");
        done(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    ostree(&["fsck", "--repo=repo/ostree"]);
    assert_eq!(ostree(&["rev-parse", "--repo=repo/ostree", "web/1"]).trim(), head.ostree.unwrap());
    ostree(&["checkout", "--repo=repo/ostree", "web/1", "out"]);

    let scanned = case.path("scanned");
    let mut head = manifest(&case.path("builds/web@1/manifest")).0;
    let survey = rolebuild::scan::survey(&case.path("out")).unwrap();
    // Without hard links, every name counts.
    head.bytes = survey.bytes;
    let file = std::fs::File::create(&scanned).unwrap();
    let out = case.path("out");
    let contents = rolebuild::scan::contents(&out).unwrap();
    rolebuild::scan::write_manifest(&out, &head, &contents, file).unwrap();
    let checked_out: Vec<_> = manifest(&scanned).1.into_iter().map(held).collect();
    assert_eq!(checked_out, records.into_iter().map(held).collect::<Vec<_>>());
}
