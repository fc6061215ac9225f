//! A real Debian tree: the same version twice, by root and by an ordinary user, from two working folders.
//!
//! Installs packages from the mirrors of this machine's apt, which takes minutes: `just test` runs it.

#![allow(clippy::unwrap_used, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NOBODY: u32 = 65534;
const RECIPE: &str = r#"
role = "probe"
suite = "bookworm"
variant = "apt"
exclude-docs = true
packages = [
    "initramfs-tools", "iputils-ping", "libcap2-bin", "linux-image-cloud-amd64", "openssh-server", "ssl-cert",
    "systemd", "systemd-boot-efi", "udev",
]
scripts = ["probe"]

[ids.users]
sshd = { uid = 905, home = "/run/sshd" }

[ids.groups]
_ssh = 906
"#;
/// What a script sees: its environment, one idle network interface, no disks, no services.
const SCRIPT: &str = r#"#!/bin/sh
{
  echo "$EDEPLOY_ROLE $EDEPLOY_VERSION $SOURCE_DATE_EPOCH"
  id -u
  ls /dev | tr '\n' ' '; ls /sys | wc -l
  grep -c : /proc/net/dev
  invoke-rc.d --disclose-deny ssh start >/dev/null 2>&1 || echo "service refused with $?"
} > /etc/probe
"#;

fn write(path: &Path, text: &str, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What the stock program says.
fn ostree(repo: &Path, args: &[&str]) -> String {
    let output = Command::new("ostree").arg(format!("--repo={}", repo.display())).args(args).output();
    let output = output.expect("ostree is needed: apt-get install ostree");
    done(&output);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "installs Debian packages, twice: `just test` runs it"]
fn root_and_an_ordinary_user_build_the_same_debian_tree() {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    write(&at("recipes/probe/recipe.toml"), RECIPE, 0o644);
    write(&at("recipes/probe/scripts/probe"), SCRIPT, 0o755);
    write(&at("edeploy-ab"), "the host binary", 0o755);
    write(&at("range"), "nobody:300000:65536\n", 0o644);
    fs::copy(env!("CARGO_BIN_EXE_rolebuild"), at("rolebuild")).unwrap();
    for user in ["root", "nobody"] {
        fs::create_dir(at(user)).unwrap();
    }
    chown(at("nobody"), Some(NOBODY), Some(NOBODY)).expect("this test needs root, to be two users");

    let build = "../rolebuild build ../recipes/probe --version=1 --updater=../edeploy-ab";
    let as_nobody = format!(
        "mount --bind range /etc/subuid && mount --bind range /etc/subgid && cd nobody &&
         exec setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups {build}"
    );
    let builds = [format!("cd root && exec {build}"), as_nobody].map(|script| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script]).current_dir(folder.path());
        command.env("SOURCE_DATE_EPOCH", "1780000000").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    for build in builds {
        done(&build.wait_with_output().unwrap());
    }

    let manifest = |user: &str| at(&format!("{user}/builds/probe@1/manifest"));
    let diff = Command::new(at("rolebuild"))
        .arg("diff")
        .args([manifest("root"), manifest("nobody")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(diff.stdout).unwrap(), "no differences\n");
    assert!(
        fs::read(at("root/builds/probe@1/sbom")).unwrap()
            == fs::read(at("nobody/builds/probe@1/sbom")).unwrap()
    );

    let repo = at("root/repo/ostree");
    let expected = "probe 1 1780000000\n0\nfull null random urandom zero 0\n1\nservice refused with 101\n";
    let cat = |path: &str| ostree(&repo, &["cat", "probe/1", path]);
    assert_eq!(cat("/etc/probe"), expected);
    assert!(cat("/etc/passwd").contains("\nsshd:x:905:65534::/run/sshd:/usr/sbin/nologin\n"));
    assert!(cat("/etc/group").contains("\n_ssh:x:906:\n"));
    let manifest = fs::read_to_string(manifest("root")).unwrap();
    for secret in ["ssh_host_", "snakeoil", "systemd/random-seed", "etc/passwd-"] {
        assert!(!manifest.lines().any(|line| line.split(' ').next().unwrap().contains(secret)), "{secret}");
    }
    // ping's capability is an attribute; a user namespace must not change it.
    let ping = manifest.lines().find(|line| line.starts_with("usr/bin/ping ")).unwrap();
    assert!(ping.contains(" security.capability="), "{ping}");

    // The stock program finds the repository whole, and the manifest's paths in it, besides the root.
    ostree(&repo, &["fsck", "--quiet"]);
    let listed = ostree(&repo, &["ls", "--recursive", "--nul-filenames-only", "probe/1"]);
    let listed: BTreeSet<String> = listed.split_terminator('\0').map(|path| path[1..].to_owned()).collect();
    let records = manifest.split_once("\n\n").unwrap().1.lines();
    let path = |record: &str| record.split(' ').next().unwrap().replace("\\x5c", "\\");
    assert_eq!(listed, records.map(path).chain([String::new()]).collect());
}
