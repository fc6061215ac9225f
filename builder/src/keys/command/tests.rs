use std::fs;
use std::os::unix::fs::PermissionsExt;

use ed25519_dalek::pkcs8::EncodePublicKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use edeploy_format::digest::hex;

use super::*;

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The file of a signer that runs a line of shell.
fn signer(line: &str, seconds: u64) -> (tempfile::TempDir, PathBuf) {
    let public = hex(key().verifying_key().as_bytes());
    let line = serde_json::to_string(line).unwrap();
    file(&format!("public-key = \"{public}\"\ncommand = [\"sh\", \"-c\", {line}]\nseconds = {seconds}\n"))
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hsm.signer.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    (folder, file)
}

fn sign(line: &str) -> Result<[u8; 64], CommandError> {
    let (_guard, file) = signer(line, 60);
    let (public, command) = read(&file).unwrap();
    command.sign(&public, b"message")
}

fn signature() -> [u8; 64] {
    key().sign(b"message").to_bytes()
}

fn octal(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("\\{b:03o}")).collect()
}

#[test]
fn a_signature_is_taken_as_bytes_as_hex_and_as_base64() {
    let raw = octal(&signature());
    let base64 = Base64::encode_string(&signature());
    for line in [
        format!("printf '{raw}'"),
        format!("echo ' {}'", hex(&signature())),
        format!("cat >/dev/null; echo {base64}"),
    ] {
        assert_eq!(sign(&line).unwrap(), signature(), "{line}");
    }
}

#[test]
fn the_command_gets_the_message_and_nothing_else() {
    let line = format!("test \"$(cat)\" = message || exit 9; echo {}", hex(&signature()));
    assert_eq!(sign(&line).unwrap(), signature());
}

#[test]
fn a_signature_of_something_else_or_by_another_key_is_never_used() {
    let other = SigningKey::from_bytes(&[8; 32]).sign(b"message").to_bytes();
    for wrong in [key().sign(b"massage").to_bytes(), other, [0; 64]] {
        let error = sign(&format!("echo {}", hex(&wrong))).unwrap_err();
        assert!(matches!(error, CommandError::Wrong { .. }), "{error}");
        assert_eq!(error.exit(), Exit::Untrusted);
    }
}

#[test]
fn anything_but_one_signature_is_none() {
    let twice = hex(&[signature(), signature()].concat());
    for line in ["true", "printf 1234", &format!("echo {twice}"), "yes"] {
        let error = sign(line).unwrap_err();
        assert!(matches!(error, CommandError::NoSignature { .. }), "{line}: {error}");
    }
}

#[test]
fn a_command_that_fails_is_shown_with_its_last_words_only() {
    let (_guard, file) = signer("yes word | head -c 100000 >&2; echo \"no slot 3\" >&2; exit 4", 60);
    let (public, command) = read(&file).unwrap();
    let error = command.sign(&public, b"message").unwrap_err().to_string();
    let begin = format!("the command of {} ended with exit status: 4: ", file.display());
    assert!(error.starts_with(&begin) && error.ends_with(" word no slot 3"), "{error}");
    assert!(error.len() <= begin.len() + SAID, "{}", error.len());
}

#[test]
fn a_command_that_does_not_end_is_ended() {
    let (_guard, file) = signer("echo waiting for the card >&2; exec sleep 1000", 1);
    let (public, command) = read(&file).unwrap();
    let error = command.sign(&public, b"message").unwrap_err().to_string();
    let expected = format!(
        "the command of {} did not end within 1 s, and was ended: waiting for the card",
        file.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_command_that_closes_its_output_and_goes_on_is_ended_too() {
    let line = format!("echo {}; exec sleep 1000 >&- 2>&-", hex(&signature()));
    let (_guard, file) = signer(&line, 1);
    let (public, command) = read(&file).unwrap();
    assert!(matches!(command.sign(&public, b"message"), Err(CommandError::Late { seconds: 1, .. })));
}

#[test]
fn a_program_with_a_slash_lies_beside_its_file_and_one_without_is_searched() {
    let public = key().verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let (guard, file) =
        file(&format!("public-key = \"\"\"{public}\"\"\"\ncommand = [\"./sign\", \"a b\"]\n"));
    let (public, command) = read(&file).unwrap();
    assert_eq!(public, key().verifying_key());
    assert!(matches!(command.sign(&public, b"message"), Err(CommandError::Run { .. })), "not there yet");
    let script = guard.path().join("sign");
    fs::write(&script, format!("#!/bin/sh\ntest \"$1\" = 'a b' && echo {}\n", hex(&signature()))).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(command.sign(&public, b"message").unwrap(), signature());
}

#[test]
fn a_file_that_makes_no_signer_is_refused_and_not_quoted() {
    let public = hex(key().verifying_key().as_bytes());
    let secret = "MC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH";
    let cases = [
        (format!("command = [\"x\"]\nprivate-key = \"{secret}\"\n"), "line 2: a key that is none"),
        (format!("-----BEGIN PRIVATE KEY-----\n{secret}\n"), "line 1: no TOML of a signer"),
        (format!("public-key = \"{secret}\"\ncommand = [\"x\"]\n"), "public-key: an Ed25519 key"),
        (format!("public-key = \"{}\"\ncommand = [\"x\"]\n", "00".repeat(32)), "public-key: an Ed25519 key"),
        (format!("public-key = \"{public}\"\n"), "line 1: public-key and command are needed"),
        (format!("public-key = \"{public}\"\ncommand = \"sign it\"\n"), "line 2: no TOML of a signer"),
        (format!("public-key = \"{public}\"\ncommand = []\n"), "command: a list"),
        (format!("public-key = \"{public}\"\ncommand = [\"x\"]\nseconds = 0\n"), "seconds: 1 to 3600"),
    ];
    for (text, expected) in cases {
        let (_guard, file) = file(&text);
        let error = read(&file).unwrap_err();
        assert_eq!(error.exit(), Exit::Input);
        let error = error.to_string();
        assert!(error.starts_with(&format!("{}: {expected}", file.display())), "{error}");
        assert!(!error.contains(&secret[..8]), "{error}");
    }
}

#[test]
fn a_file_that_others_could_write_a_command_into_is_refused() {
    let (_guard, file) = signer("true", 60);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(matches!(read(&file), Err(KeysError::Writable { mode: 0o664, .. })));
}

#[test]
fn a_program_that_others_could_change_is_refused() {
    let public = hex(key().verifying_key().as_bytes());
    let (guard, file) = file(&format!("public-key = \"{public}\"\ncommand = [\"./sign\"]\n"));
    let program = guard.path().join("sign");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    for (mode, is_taken) in [(0o755, true), (0o500, true), (0o775, false), (0o757, false)] {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        match read(&file) {
            Ok(_) => assert!(is_taken, "{mode:o}"),
            Err(error) => assert!(!is_taken && matches!(error, KeysError::Writable { .. }), "{error}"),
        }
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&program, Some(12345), None).expect("only root gives files away");
    assert!(matches!(read(&file), Err(KeysError::Owner { owner: 12345, .. })));
}
