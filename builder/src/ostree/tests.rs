//! Repositories made here, read by the stock `ostree` program.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use ed25519_dalek::SigningKey;
use edeploy_format::digest::Digest;

use super::commit::Identity;
use super::*;
use crate::keys::Signer;

struct Case {
    folder: tempfile::TempDir,
    repository: Repository,
}

fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("etc/empty")).unwrap();
    fs::write(tree.join("etc/passwd"), "root:x:0:0\n").unwrap();
    fs::hard_link(tree.join("etc/passwd"), tree.join("etc/again")).unwrap();
    fs::write(tree.join("sudo"), "setuid").unwrap();
    chown(tree.join("sudo"), Some(12), Some(34)).expect("owners need root");
    fs::set_permissions(tree.join("sudo"), fs::Permissions::from_mode(0o4751)).unwrap();
    // cap_net_raw+ep, as setcap writes it.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let flags = rustix::fs::XattrFlags::CREATE;
    fs::write(tree.join("ping"), "capable").unwrap();
    rustix::fs::lsetxattr(tree.join("ping"), "security.capability", &capability, flags).unwrap();
    rustix::fs::lsetxattr(tree.join("etc/empty"), "user.note", b"x", flags).unwrap();
    symlink("etc/passwd", tree.join("link")).unwrap();
    let repository = Repository::open(&folder.path().join("ostree")).unwrap();
    Case { folder, repository }
}

impl Case {
    fn commit(&self, version: &str, serial: u64) -> String {
        let (role, version) = ("web".parse().unwrap(), version.parse().unwrap());
        let identity = Identity { role: &role, version: &version, serial, epoch: 1_780_000_000 };
        let tree = self.folder.path().join("tree");
        self.repository.commit(&tree, identity, |_| ()).unwrap().finish().unwrap()
    }

    /// The file of an object.
    fn object(&self, checksum: &str, kind: &str) -> PathBuf {
        let (folder, name) = checksum.split_at(2);
        self.folder.path().join(format!("ostree/objects/{folder}/{name}.{kind}"))
    }

    /// What the stock program says.
    fn ostree(&self, args: &[&str]) -> String {
        let repo = format!("--repo={}", self.folder.path().join("ostree").display());
        let output = Command::new("ostree").args(args).arg(repo).output();
        let output = output.expect("ostree is needed: apt-get install ostree");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// All that OSTree can hold of the paths below `root`.
fn held(root: &Path) -> Vec<String> {
    let mut held = Vec::new();
    crate::scan::walk(root, &mut |entry: crate::scan::Entry| -> Result<(), Refused> {
        use std::os::unix::fs::MetadataExt;
        let (m, xattrs) = (&entry.metadata, crate::scan::xattrs(&entry.on_disk).unwrap());
        let digest = m.is_file().then(|| Digest::of(&fs::read(&entry.on_disk).unwrap()));
        held.push(format!(
            "{} {:o} {}:{} {xattrs:?} {:?} {digest:?}",
            entry.path,
            m.mode(),
            m.uid(),
            m.gid(),
            entry.form
        ));
        Ok(())
    })
    .unwrap();
    held
}

#[test]
fn the_stock_program_checks_lists_and_checks_out_what_was_committed() {
    let case = case();
    let commit = case.commit("D12-1.0.0", 1);
    case.ostree(&["fsck"]);
    assert_eq!(case.ostree(&["refs"]), "web/D12-1.0.0\n");
    assert_eq!(case.ostree(&["rev-parse", "web/D12-1.0.0"]).trim(), commit);
    let listed = case.ostree(&["ls", "-R", "web/D12-1.0.0"]);
    assert!(listed.contains("-04751 12 34      6 /sudo\n"), "{listed}");
    let out = case.folder.path().join("out");
    case.ostree(&["checkout", "web/D12-1.0.0", out.to_str().unwrap()]);
    assert_eq!(held(&out), held(&case.folder.path().join("tree")));
    let log = case.ostree(&["log", "web/D12-1.0.0"]);
    assert!(log.contains("Version: D12-1.0.0") && log.contains("2026-05-28 20:26:40 +0000"), "{log}");
}

#[test]
fn the_same_tree_gives_the_same_commit_in_any_repository() {
    let (one, two) = (case(), case());
    two.commit("before", 7);
    assert_eq!(one.commit("D12-1.0.0", 1), two.commit("D12-1.0.0", 1));
    assert_ne!(one.commit("D12-1.0.0", 2), two.commit("D12-1.0.0", 1));
}

#[test]
fn versions_are_listed_by_serial_and_their_files_are_read() {
    let case = case();
    let newer = case.commit("b", 2);
    fs::write(case.folder.path().join("tree/etc/passwd"), "changed\n").unwrap();
    let older = case.commit("c", 1);
    let role = "web".parse().unwrap();
    let held = |version: &str, serial, commit: &str| Held {
        version: version.parse().unwrap(),
        serial,
        commit: commit.to_owned(),
    };
    assert_eq!(case.repository.versions(&role).unwrap(), [held("c", 1, &older), held("b", 2, &newer)]);
    assert_eq!(case.repository.versions(&"we".parse().unwrap()).unwrap(), []);
    assert_eq!(case.repository.read(&newer, "etc/passwd").unwrap().unwrap(), b"root:x:0:0\n");
    assert_eq!(case.repository.read(&older, "etc/passwd").unwrap().unwrap(), b"changed\n");
    assert_eq!(case.repository.read(&older, "etc/none").unwrap(), None);
}

#[test]
fn what_no_version_needs_is_pruned() {
    let case = case();
    let role = "web".parse().unwrap();
    case.commit("a", 1);
    fs::write(case.folder.path().join("tree/new"), vec![7; 5000]).unwrap();
    case.commit("b", 2);
    assert_eq!(case.repository.prune().unwrap(), 0);
    case.repository.forget(&role, &"b".parse().unwrap()).unwrap();
    assert!(case.repository.prune().unwrap() > 0);
    assert_eq!(case.ostree(&["refs"]), "web/a\n");
    case.ostree(&["fsck"]);
}

#[test]
fn a_commit_is_signed_by_the_present_keys_in_libostrees_format() {
    let case = case();
    let commit = case.commit("a", 1);
    let [one, two] = [[1; 32], [2; 32]].map(|secret| Signer::from(SigningKey::from_bytes(&secret)));
    let signed_by = |keys: &[&Signer]| {
        let keys: Vec<_> = keys.iter().map(|key| *key.public()).collect();
        case.repository.is_signed_by(&commit, &keys).unwrap()
    };
    assert!(!signed_by(&[&one]), "nobody signed it yet");
    case.repository.sign(&commit, &[&one, &two]).unwrap();
    assert!(signed_by(&[&one, &two]));
    assert!(!signed_by(&[&one]), "one signature is by another key");
    for _ in 0..2 {
        case.repository.sign(&commit, &[&one]).unwrap();
        assert!(signed_by(&[&one]));
    }
    let shown = case.ostree(&["show", "--print-detached-metadata-key=ostree.sign.ed25519", &commit]);
    let signature = one.sign(&fs::read(case.object(&commit, "commit")).unwrap()).unwrap();
    let bytes: Vec<String> = signature.iter().map(|byte| format!("0x{byte:02x}")).collect();
    assert_eq!(shown.trim(), format!("[[byte {}]]", bytes.join(", ")));
    case.ostree(&["fsck"]);
}

#[test]
fn the_seal_is_what_sha256sum_says_of_the_objects_and_stays() {
    let case = case();
    let commit = case.commit("a", 1);
    let key = Signer::from(SigningKey::from_bytes(&[1; 32]));
    case.repository.sign(&commit, &[&key]).unwrap();
    let script = "find objects -type f ! -name '*.commitmeta' | LC_ALL=C sort | xargs sha256sum | sha256sum";
    let ostree = case.folder.path().join("ostree");
    let output = Command::new("sh").args(["-c", script]).current_dir(ostree).output().unwrap();
    let expected = String::from_utf8(output.stdout).unwrap();
    let sealed = || case.ostree(&["show", "--print-detached-metadata-key=edeploy.objects", &commit]);
    assert_eq!(sealed().trim(), format!("'{}'", expected.trim_end_matches("  -\n")));

    let (before, sound) = (sealed(), case.repository.check().unwrap());
    assert_eq!(case.repository.check_seal(&commit, &sound).unwrap(), None);
    let path = case.repository.path.join(sound.sound.keys().find(|path| path.ends_with(".filez")).unwrap());
    // Behind the end of a deflate stream nothing is read.
    let longer = [fs::read(&path).unwrap(), vec![0]].concat();
    fs::remove_file(&path).unwrap();
    fs::write(&path, longer).unwrap();
    let checked = case.repository.check().unwrap();
    assert_eq!(checked.damaged, []);
    let said = case.repository.check_seal(&commit, &checked).unwrap();
    assert_eq!(said, Some("has an object with other bytes than were published, though its content is right"));
    case.repository.sign(&commit, &[&Signer::from(SigningKey::from_bytes(&[2; 32]))]).unwrap();
    assert_eq!(sealed(), before);
}
