//! What a build makes of the initrd in a tree.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use edeploy_format::manifest::Kind;

use crate::fixture::{Case, EPOCH, done, stderr};

const INITRD: &str = "tree/boot/initrd.img-6";

/// Puts an initrd into the tree as a shell makes it from two files.
fn pack(case: &Case, script: &str) {
    let script = format!("cd $0 && printf '#!/bin/sh\\n' > init && echo x > a && {script}");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh").args(["-c", &script]).arg(folder.path()).output().unwrap();
    done(&output);
    fs::write(case.path(INITRD), output.stdout).unwrap();
}

#[test]
fn it_becomes_plain_whoever_packed_it_and_keeps_its_mode() {
    let case = Case::new();
    pack(&case, "printf '%s\\n' init a | cpio --create --format=newc --quiet | gzip");
    fs::set_permissions(case.path(INITRD), fs::Permissions::from_mode(0o600)).unwrap();
    case.built("1");
    pack(&case, "printf '%s\\n' a init | cpio --create --format=newc --quiet | xz --check=crc32");
    case.built("2");
    let record = case.record("1", "boot/initrd.img-6");
    let Kind::File { digest, .. } = record.kind else { panic!("{record:?}") };
    let Kind::File { digest: second, .. } = case.record("2", "boot/initrd.img-6").kind else { panic!() };
    assert_eq!(digest, second);
    assert_eq!((record.mode, record.mtime), (0o600, EPOCH.parse().unwrap()));
    let text = case.text("1", "/boot/initrd.img-6");
    assert!(text.starts_with("07070100000001000081a4"), "{text}");
    for part in ["00000000a\0x\n\0", "init\0", "#!/bin/sh\n\0", "TRAILER!!!"] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
}

#[test]
fn it_stays_when_the_recipe_says_so() {
    let case = Case::new();
    case.recipe("initrd = 'small'\n");
    let said = case.refused();
    assert!(
        said.contains("recipe.toml:3: initrd: unknown variant `small`, expected `plain` or `keep`"),
        "{said}"
    );
    pack(&case, "echo init | cpio --create --format=newc --quiet | gzip");
    case.recipe("initrd = 'keep'\n");
    case.built("1");
    let packed = fs::metadata(case.path(INITRD)).unwrap().len();
    let kind = case.record("1", "boot/initrd.img-6").kind;
    assert!(matches!(kind, Kind::File { size, .. } if size == packed), "{kind:?}");
}

#[test]
fn one_of_another_kind_stays_and_the_build_says_so() {
    let case = Case::new();
    let output = case.build("1", &[]);
    done(&output);
    let said = "\n/boot/initrd.img-6 is no cpio archive, compressed or not: kept as it is\n";
    assert!(stderr(&output).contains(said), "{}", stderr(&output));
    assert_eq!(case.text("1", "/boot/initrd.img-6"), "initrd");
}

#[test]
fn a_broken_one_is_refused() {
    let case = Case::new();
    pack(&case, "printf '%s\\n' init a | cpio --create --format=newc --quiet | head -c 300");
    assert_eq!(
        case.refused(),
        "rolebuild: /boot/initrd.img-6: its cpio archive, at byte 244 of what it unpacks to: it ends within a header"
    );
    pack(&case, "echo init | cpio --create --format=newc --quiet | gzip | head -c 60");
    let said = case.refused();
    assert!(
        said.starts_with("rolebuild: /boot/initrd.img-6: unpacking its gzip stream at byte 0: "),
        "{said}"
    );
}
