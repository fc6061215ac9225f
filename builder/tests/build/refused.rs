//! What no role may be made of: each refused as wrong input, with the thing named.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use crate::fixture::{Case, stderr};

#[test]
fn a_typo_in_a_recipe() {
    let case = Case::new();
    case.recipe("pakages = ['nginx']\n");
    let said = case.refused();
    assert!(said.starts_with("rolebuild: recipes/web/recipe.toml:3: pakages: unknown field"), "{said}");
}

#[test]
fn a_recipe_that_is_not_there() {
    let case = Case::new();
    fs::remove_dir_all(case.path("recipes")).unwrap();
    let said = case.refused();
    assert!(said.contains("recipes/web") && said.contains("No such file"), "{said}");
}

#[test]
fn special_files_and_names_that_are_not_utf8() {
    let special = |kind, (major, minor), word: &str| {
        let case = Case::new();
        let path = case.path("tree/srv");
        fs::create_dir(&path).unwrap();
        let mode = rustix::fs::Mode::from(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path.join("x"), kind, mode, rustix::fs::makedev(major, minor))
            .expect("device nodes need root");
        assert_eq!(
            case.refused(),
            format!("rolebuild: srv/x is a {word}: a role tree holds folders, files and symbolic links only")
        );
    };
    special(rustix::fs::FileType::CharacterDevice, (1, 3), "character device");
    // What an overlay would hide.
    special(rustix::fs::FileType::CharacterDevice, (0, 0), "character device");
    special(rustix::fs::FileType::Socket, (0, 0), "socket");
    special(rustix::fs::FileType::Fifo, (0, 0), "FIFO");

    let case = Case::new();
    fs::write(case.path("tree/boot").join(std::ffi::OsStr::from_bytes(b"\xe9t\xe9")), "").unwrap();
    assert_eq!(case.refused(), r#"rolebuild: "boot/\xE9t\xE9" as a name is not UTF-8"#);
}

#[test]
fn a_tree_that_leads_out_of_itself() {
    let case = Case::new();
    fs::remove_dir_all(case.path("tree/etc")).unwrap();
    symlink(case.path("recipes"), case.path("tree/etc")).unwrap();
    let said = case.refused();
    assert!(said.contains("etc is a symbolic link in this tree"), "{said}");
    assert_eq!(fs::read_dir(case.path("recipes")).unwrap().count(), 1);
}

#[test]
fn machine_secrets() {
    let case = Case::new();
    case.write("recipes/web/files/etc/ssh/ssh_host_ed25519_key", "x");
    let said = case.refused();
    assert!(said.contains("etc/ssh/ssh_host_ed25519_key: this must be unique to each machine"), "{said}");

    let case = Case::new();
    case.write("recipes/web/files/etc/site.pem", "-----BEGIN PRIVATE KEY-----\n");
    let said = case.refused();
    assert!(said.starts_with("rolebuild: /etc/site.pem holds a private key"), "{said}");
    case.recipe("[allow]\nprivate-keys = ['/etc/site.pem']\n");
    case.built("1");
}

#[test]
fn a_tree_that_cannot_boot() {
    let case = Case::new();
    case.write("tree/boot/vmlinuz-7", "");
    assert!(case.refused().ends_with("exactly one kernel /boot/vmlinuz-*; found: 6, 7"));
    fs::remove_file(case.path("tree/boot/vmlinuz-7")).unwrap();
    case.write("tree/boot/initrd.img-6", "");
    assert!(case.refused().ends_with("/boot/initrd.img-6 is missing or empty: install initramfs-tools"));
    case.write("tree/boot/initrd.img-6", "x");
    fs::remove_dir_all(case.path("tree/usr")).unwrap();
    let said = case.refused();
    assert!(said.ends_with("systemd-bootx64.efi is missing or empty: install systemd-boot-efi"), "{said}");
}

#[test]
fn limits_of_health_that_are_none() {
    let case = Case::new();
    case.write("recipes/web/files/usr/lib/edeploy/limits", "check-seconds 60\ntrial-seconds soon\n");
    let said = case.refused();
    assert!(said.starts_with("rolebuild: /usr/lib/edeploy/limits: limits line 2: "), "{said}");
}

#[test]
fn checks_outside_required_and_wanted() {
    let case = Case::new();
    case.write("recipes/web/health.d/site", "#!/bin/sh\n");
    let said = case.refused();
    assert!(said.contains("health.d/site: health.d holds the folders required and wanted"), "{said}");
}

#[test]
fn an_updater_that_is_not_there() {
    let case = Case::new();
    fs::remove_file(case.path("edeploy-ab")).unwrap();
    let said = case.refused();
    assert!(said.starts_with("rolebuild: edeploy-ab: there is no such file; --updater names"), "{said}");
}

#[test]
fn a_time_that_has_not_been() {
    let case = Case::new();
    for epoch in ["99999999999", "yesterday", ""] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rolebuild"));
        let args = ["build", "recipes/web", "--from-dir", "tree", "--version", "1"];
        let output =
            command.current_dir(case.path("")).env("SOURCE_DATE_EPOCH", epoch).args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(11));
        let expected = format!("rolebuild: SOURCE_DATE_EPOCH is {epoch:?}: it must be a number of seconds");
        assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
    }
}

#[test]
fn an_archive_that_is_none() {
    let case = Case::new();
    case.write("tree.tar", "no archive");
    let output = case.rolebuild(&["build", "recipes/web", "--from-tar", "tree.tar", "--version", "1"]);
    assert_eq!(output.status.code(), Some(11));
    assert!(stderr(&output).contains("rolebuild: importing tree.tar: `tar "), "{}", stderr(&output));
}

#[test]
fn a_recipe_without_a_suite_and_no_tree_to_import() {
    let case = Case::new();
    let output = case.rolebuild(&["build", "recipes/web", "--version", "1"]);
    assert_eq!(output.status.code(), Some(11));
    assert!(
        stderr(&output)
            .ends_with("the recipe of web names no suite: only an imported tree can be built from it\n")
    );
}

#[test]
fn a_version_that_is_none() {
    let case = Case::new();
    let output = case.rolebuild(&["build", "recipes/web", "--version", "any"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_key_that_signs_for_the_site_wherever_it_lies_and_whatever_is_allowed() {
    let case = Case::new();
    let made = case.rolebuild(&["keygen", "targets", "role-web"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let pem = fs::read_to_string(case.path("keys/role-web.pem")).unwrap();
    let body = pem.lines().nth(1).unwrap();
    case.recipe("[allow]\nprivate-keys = ['/usr/share/x']\n");
    let holds = |path: &str| {
        format!(
            "rolebuild: /{path} holds the key of keys/role-web.pem, which signs for this site; no tree may hold that"
        )
    };
    for (path, text) in [("usr/share/x", pem.clone()), ("usr/lib/y", format!("key = \"{body}\""))] {
        case.write(&format!("tree/{path}"), &text);
        assert_eq!(case.refused(), holds(path));
        fs::remove_file(case.path(&format!("tree/{path}"))).unwrap();
    }
    // An initrd is looked into, as it is unpacked before.
    case.write("key", &pem);
    let script = "echo key | cpio --quiet -o -H newc | gzip > tree/boot/initrd.img-6";
    let packed = std::process::Command::new("sh").args(["-c", script]).current_dir(case.path("")).status();
    assert!(packed.unwrap().success());
    assert_eq!(case.refused(), holds("boot/initrd.img-6"));
    case.write("tree/boot/initrd.img-6", "initrd");
    case.built("1");
}
