//! Keys that are encrypted, and keys that are elsewhere, through the life of a site. The stand-in for an HSM or KMS is
//! a script around OpenSSL.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use edeploy_format::tuf::{Expiry, Seen, TrustedRoot};
use rolebuild::fsck::fsck;

use crate::fixture::*;

/// What signs as an HSM would: the key never comes to rolebuild. Each call leaves a line.
const HSM: &str = "#!/bin/sh
set -e
cd \"$(dirname \"$0\")\"
cat > \"message-$1\"
openssl pkeyutl -sign -rawin -inkey \"$1.key\" -in \"message-$1\"
echo \"$1\" >> calls
";

fn run(place: &Place, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
    command.args(line.split(' ')).current_dir(place.path()).output().unwrap()
}

fn done(place: &Place, line: &str) -> String {
    let output = run(place, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(place: &Place, line: &str) -> String {
    let output = run(place, line);
    assert!(!output.status.success(), "{line}");
    String::from_utf8(output.stderr).unwrap().lines().last().unwrap().to_owned()
}

fn openssl(args: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new("openssl").args(args).current_dir(folder).output();
    let output = output.expect("openssl is missing: apt-get install openssl");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Lays a signer of a new key into the folder of keys.
fn hsm(place: &Place, name: &str) {
    let (vault, keys) = (place.path().join("vault"), place.path().join("keys"));
    [&vault, &keys].iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    fs::write(vault.join("sign"), HSM).unwrap();
    fs::set_permissions(vault.join("sign"), fs::Permissions::from_mode(0o755)).unwrap();
    openssl(&["genpkey", "-algorithm", "ed25519", "-out", &format!("{name}.key")], &vault);
    let public = openssl(&["pkey", "-pubout", "-in", &format!("{name}.key")], &vault);
    let public = String::from_utf8(public).unwrap();
    let text = format!("public-key = \"\"\"\n{public}\"\"\"\ncommand = [\"../vault/sign\", \"{name}\"]\n");
    fs::write(keys.join(format!("{name}.signer.toml")), text).unwrap();
}

fn calls(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.path().join("vault/calls")).unwrap_or_default();
    let _ = fs::remove_file(place.path().join("vault/calls"));
    text.lines().map(str::to_owned).collect()
}

/// Whether a host that trusts the first root believes all down to `web`, with the root `newest`.
fn is_believed(place: &Place, newest: u64) -> bool {
    let file = |name: &str| fs::read(place.repo().join("metadata").join(name)).unwrap();
    let mut root = TrustedRoot::anchor(&file("1.root.json")).unwrap();
    while root.root().common.version < newest {
        root = root.next(&file(&root.next_listing().file)).unwrap();
    }
    let seen = Seen::default();
    let timestamp = root.timestamp(&file("timestamp.json"), &seen, Expiry::Ignored).unwrap();
    let bytes = file(&timestamp.snapshot_listing().file);
    let snapshot = timestamp.snapshot(&bytes, &seen).unwrap();
    let bytes = file(&snapshot.targets_listing().unwrap().file);
    let targets = snapshot.targets(&bytes).unwrap();
    let role = file(&targets.role_listing(&web()).unwrap().file);
    targets.role(&web(), &role).unwrap().versions().len() == 1
}

#[test]
fn a_site_whose_keys_are_all_elsewhere_is_made_published_to_refreshed_and_rotated() {
    let place = Place::bare();
    for name in ["root", "targets", "snapshot", "timestamp", "role-web"] {
        hsm(&place, name);
    }
    done(&place, "init");
    assert_eq!(calls(&place), ["root", "targets", "snapshot", "timestamp"]);
    place.committed("1.0", 1);
    done(&place, "publish web 1.0");
    assert_eq!(
        calls(&place),
        ["role-web", "role-web", "targets", "snapshot", "timestamp"],
        "commit and metadata"
    );
    assert!(is_believed(&place, 1));
    assert!(done(&place, "publish web 1.0").contains("is published already"));
    assert_eq!(calls(&place), [""; 0], "what is signed is not signed again");
    done(&place, "refresh");
    assert_eq!(calls(&place), ["timestamp"]);

    ["root-2", "web-2"].iter().for_each(|name| hsm(&place, name));
    done(&place, "root rotate --replace root=root-2 --replace role-web=web-2 --replace timestamp");
    let by = calls(&place);
    assert_eq!(by.iter().filter(|name| *name == "root" || *name == "root-2").count(), 2, "{by:?}");
    assert_eq!(by.iter().filter(|name| *name == "web-2").count(), 2, "metadata and commit: {by:?}");
    assert!(place.path().join("keys/timestamp-2.pem").exists(), "a new key for what is not named");
    assert!(is_believed(&place, 2));
    assert_eq!(fsck(&place.repo(), &mut |_| {}).unwrap().findings, []);
}

#[test]
fn keys_that_rotate_is_to_take_must_be_there_and_as_many_as_it_takes() {
    let place = Place::new();
    let said = refused(&place, "root rotate --replace timestamp=hsm");
    assert_eq!(said, "rolebuild: there is no key hsm in keys or the other folders of --keys");
    let said = refused(&place, "root rotate --replace timestamp=a,b");
    assert_eq!(said, "rolebuild: timestamp=a,b: one key signs this, several can only be named for root");
    ["a", "b"].iter().for_each(|name| hsm(&place, name));
    let said = refused(&place, "root rotate --replace root=a,b");
    assert_eq!(said, "rolebuild: 2 root keys are named, and --root-keys says 1");
    let copies = [("a", "same"), ("b", "other")];
    let file = |name: &str| place.path().join(format!("keys/{name}.signer.toml"));
    for (from, to) in copies {
        fs::copy(file(from), file(to)).unwrap();
    }
    for (named, twice) in [("a,a", "a"), ("a,same", "same"), ("b,a,b", "b")] {
        let said = refused(&place, &format!("root rotate --replace root={named} --root-keys 3"));
        assert_eq!(said, format!("rolebuild: {twice} is a root key that is named twice; each counts once"));
    }
    copies.iter().for_each(|(_, to)| fs::remove_file(file(to)).unwrap());
    let made = || fs::read_dir(place.path().join("keys")).unwrap().count();
    let before = made();
    refused(&place, "root rotate --replace root --replace timestamp=typo");
    refused(&place, "root rotate --replace root --replace role-typo");
    assert_eq!(made(), before, "no key is made before all names are known");
    done(&place, "root rotate --replace root=a,b --root-keys 3 --root-threshold 2");
    assert!(place.path().join("keys/root-3.pem").exists());
    assert_eq!(place.state().chain.root().roles.root.keyids.len(), 3);
}

#[test]
fn a_signer_that_fails_or_lies_changes_nothing_that_is_published() {
    let place = Place::bare();
    hsm(&place, "timestamp");
    done(&place, "init");
    let before = fs::read(place.repo().join("metadata/timestamp.json")).unwrap();
    let sign = place.path().join("vault/sign");
    let begin = "rolebuild: the command of keys/timestamp.signer.toml ";
    for (script, code, end) in [
        ("#!/bin/sh\necho no such slot >&2; exit 3\n", 1, "ended with exit status: 3: no such slot"),
        ("#!/bin/sh\nprintf x\n", 5, "wrote no signature: 64 bytes, or their hex or base64, were expected"),
        (
            "#!/bin/sh\nhead -c 64 /dev/zero\n",
            5,
            "wrote a signature that is not one of its public-key over what was to be signed",
        ),
    ] {
        fs::write(&sign, script).unwrap();
        let output = run(&place, "refresh");
        assert_eq!(output.status.code(), Some(code), "{script}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("{begin}{end}\n"));
        assert_eq!(fs::read(place.repo().join("metadata/timestamp.json")).unwrap(), before);
    }
}

#[test]
fn a_site_whose_keys_are_encrypted_needs_the_passphrase_for_everything_it_signs() {
    let place = Place::bare();
    let words = place.path().join("words");
    fs::write(&words, "one two three\n").unwrap();
    fs::set_permissions(&words, fs::Permissions::from_mode(0o600)).unwrap();
    done(&place, "init --passphrase-file words");
    for name in ["root", "targets", "snapshot", "timestamp"] {
        let text = fs::read_to_string(place.path().join(format!("keys/{name}.pem"))).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{name}");
    }
    place.build("1.0", 1, &[]);
    done(&place, "publish web 1.0 --passphrase-file words");
    let text = fs::read_to_string(place.path().join("keys/role-web.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "the role's new key too");
    done(&place, "root rotate --replace snapshot --passphrase-file words");
    // Without a terminal nobody is asked.
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(env!("CARGO_BIN_EXE_rolebuild")).arg("refresh").current_dir(place.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("; encrypted and not opened: keys/"), "{said}");
    fs::write(&words, "one two four\n").unwrap();
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(env!("CARGO_BIN_EXE_rolebuild")).args([
        "refresh",
        "--passphrase-file",
        "words",
    ]);
    let output = command.current_dir(place.path()).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
}

/// Runs rolebuild on a terminal of its own and types `typed`; gives what the terminal showed.
fn typed(place: &Place, line: &str, typed: &str) -> String {
    let command = format!("{} {line}", env!("CARGO_BIN_EXE_rolebuild"));
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).current_dir(place.path());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal() {
    let place = Place::bare();
    let shown = typed(&place, "keygen targets --ask-passphrase", "sesame\nother\n");
    assert!(shown.contains("the two passphrases differ"), "{shown}");
    assert!(!place.path().join("keys/targets.pem").exists());
    let shown = typed(&place, "keygen root --ask-passphrase", "sesame\nsesame\n");
    assert!(shown.contains("passphrase for new keys: ") && shown.contains("once more: "), "{shown}");
    let text = fs::read_to_string(place.path().join("keys/root.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    let shown = typed(&place, "init", "wrong\nsesame\n");
    assert!(shown.contains("passphrase of keys/root.pem (none: leave it locked): "), "{shown}");
    assert!(shown.contains("that does not open it; passphrase of keys/root.pem"), "{shown}");
    assert!(shown.contains("repo is ready"), "{shown}");
    let text = fs::read_to_string(place.path().join("keys/targets.pem")).unwrap();
    assert!(text.starts_with("-----BEGIN PRIVATE KEY-----\n"), "what opened a key encrypts no new one");
    let shown = typed(&place, "keygen next --ask-passphrase", "sesame\nother\nother\n");
    let asked = ["passphrase of keys/root.pem", "passphrase for new keys: ", "once more: "];
    assert!(asked.iter().all(|prompt| shown.contains(prompt)), "{shown}");
    let words = place.path().join("words");
    fs::write(&words, "other\n").unwrap();
    openssl(&["pkey", "-noout", "-passin", "file:words", "-in", "keys/next.pem"], place.path());
    fs::write(&words, "sesame\n").unwrap();
    fs::set_permissions(&words, fs::Permissions::from_mode(0o600)).unwrap();
    let line = "keygen third --passphrase-file words --ask-passphrase";
    typed(&place, line, "other\nthird\nthird\n");
    fs::write(&words, "third\n").unwrap();
    openssl(&["pkey", "-noout", "-passin", "file:words", "-in", "keys/third.pem"], place.path());
}

#[test]
fn an_interrupt_where_a_passphrase_is_asked_for_leaves_the_terminal_as_it_was() {
    let place = Place::bare();
    let program = env!("CARGO_BIN_EXE_rolebuild");
    let line = format!("stty echo; {program} keygen root --ask-passphrase; echo code=$?; stty -a");
    fs::write(place.path().join("line"), line).unwrap();
    let mut script = Command::new("script");
    script.args(["-qec", "sh line", "/dev/null"]).current_dir(place.path());
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = Vec::new();
    let mut output = child.stdout.take().unwrap();
    while !String::from_utf8_lossy(&shown).contains("new keys: ") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"ses\x03").unwrap();
    output.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("nothing is done: it was interrupted"), "{shown}");
    assert!(shown.contains("code=11") && shown.contains(" echo ") && shown.contains("isig "), "{shown}");
    assert!(!place.path().join("keys/root.pem").exists());
}
