//! `rolebuild installer` on a small tree: what lies in install/ then, and what is in the initrd.

use std::fs;
use std::process::Command;

use crate::fixture::{Case, done, last_line, stderr};

/// A site, and a tree in an archive in which a recipe's script has gathered something.
fn case() -> Case {
    let case = Case::new();
    done(&case.rolebuild(&["init"]));
    case.write("ipxe/installer/recipe.toml", "role = 'installer'\narchitecture = 'amd64'\n");
    case.write("ipxe/boot.ipxe", "#!ipxe\nkernel vmlinuz initrd=initrd @ARGUMENTS@\ninitrd initrd\nboot\n");
    case.write("tree/installer/usr/bin/busybox", "all programs");
    case.write("tree/installer/usr/lib/edeploy/.keep", "");
    case.write("edeploy-installer", "#!the program");
    let tar = ["--create", "--directory=tree", "--file=tree.tar", "--numeric-owner", "."];
    assert!(Command::new("tar").args(tar).current_dir(case.path("")).status().unwrap().success());
    case
}

const MAKE: [&str; 3] = ["installer", "--from-tar=tree.tar", "--program=edeploy-installer"];

fn read(case: &Case, name: &str) -> Vec<u8> {
    fs::read(case.path("repo/install").join(name)).unwrap()
}

/// The names in the initrd, and the content of one of them.
fn unpacked(case: &Case, name: &str) -> (String, String) {
    let archive = zstd::decode_all(&*read(case, "initrd")).unwrap();
    fs::write(case.path("archive"), archive).unwrap();
    let script = format!(
        "mkdir -p out && cd out && cpio -idv --quiet < ../archive 2>&1 && cat ../out/{name} > ../content"
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(case.path("")).output().unwrap();
    assert!(output.status.success(), "cpio: apt-get install cpio: {output:?}");
    (String::from_utf8(output.stdout).unwrap(), fs::read_to_string(case.path("content")).unwrap())
}

#[test]
fn the_installer_is_the_same_for_the_same_contents_and_has_all_it_needs() {
    let case = case();
    let settings = "--settings=edeploy.server=http://fleet.example edeploy.verbose";
    let make = [&MAKE[..], &[settings, "--arguments=quiet edeploy.server=http://a"]].concat();
    done(&case.rolebuild(&make));
    let before = (read(&case, "initrd"), read(&case, "SHA256SUMS"));
    done(&case.rolebuild(&make));
    assert!(before == (read(&case, "initrd"), read(&case, "SHA256SUMS")));
    assert_eq!(read(&case, "vmlinuz"), b"kernel");
    let script = String::from_utf8(read(&case, "boot.ipxe")).unwrap();
    assert_eq!(
        script,
        "#!ipxe\nkernel vmlinuz initrd=initrd quiet edeploy.server=http://a\ninitrd initrd\nboot\n"
    );
    let (names, arguments) = unpacked(&case, "etc/edeploy/arguments");
    assert_eq!(arguments, "edeploy.server=http://fleet.example edeploy.verbose\n");
    for name in ["init", "etc/edeploy/root.json", "usr/bin/busybox", "usr/lib/edeploy/lease", "proc", "dev"] {
        assert!(names.lines().any(|line| line == name), "{name}: {names}");
    }
    assert!(!names.contains("boot"), "only what was gathered is in it: {names}");
    let (_, root) = unpacked(&case, "etc/edeploy/root.json");
    assert_eq!(root.into_bytes(), fs::read(case.path("repo/metadata/root.json")).unwrap());
    let folder = case.path("repo/install");
    let sums = Command::new("sha256sum").args(["-c", "SHA256SUMS"]).current_dir(folder).output().unwrap();
    assert!(sums.status.success(), "{sums:?}");
}

#[test]
fn signatures_for_imgverify_are_those_of_the_certificate() {
    let case = case();
    let request = "req -x509 -newkey rsa:2048 -nodes -keyout code.key -out code.pem -days 30 -subj /CN=operator \
                   -addext extendedKeyUsage=codeSigning -addext keyUsage=digitalSignature";
    let openssl = |words: &str| {
        let output =
            Command::new("openssl").args(words.split_whitespace()).current_dir(case.path("")).output();
        output.expect("apt-get install openssl").status.success()
    };
    assert!(openssl(request));
    done(&case.rolebuild(&[&MAKE[..], &["--sign-key=code.key", "--sign-certificate=code.pem"]].concat()));
    for name in ["vmlinuz", "initrd", "boot.ipxe"] {
        let check = |content: &str| {
            openssl(&format!(
                "cms -verify -binary -inform DER -in repo/install/{name}.sig -content {content} -CAfile code.pem \
                 -purpose any -out out.bin"
            ))
        };
        assert!(check(&format!("repo/install/{name}")), "{name}");
        assert!(!check("tree.tar"), "{name}");
    }
}

#[test]
fn what_cannot_be_an_installer_is_refused_and_nothing_is_laid() {
    let case = case();
    let refused = |more: &[&str]| {
        let output = case.rolebuild(&[&MAKE[..], more].concat());
        assert!(!case.path("repo/install").exists());
        (output.status.code(), last_line(&stderr(&output)))
    };
    let (code, line) = refused(&["--arguments=a\nimgtrust --allow"]);
    assert_eq!(code, Some(11));
    assert!(line.ends_with("are no arguments of a kernel: they are one line of a boot script"), "{line}");
    case.write("plain.ipxe", "#!ipxe\nkernel vmlinuz\n");
    let (code, line) = refused(&["--script=plain.ipxe"]);
    assert_eq!(code, Some(11));
    assert!(line.ends_with("plain.ipxe has no @ARGUMENTS@ where the kernel's arguments come"), "{line}");
    fs::write(case.path("repo/metadata/root.json"), "{}").unwrap();
    assert_eq!(refused(&[]).0, Some(5));
}
