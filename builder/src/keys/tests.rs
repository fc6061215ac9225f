use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

fn folder() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = vec![folder.path().join("keys")];
    (folder, paths)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_key_is_kept_for_its_owner_alone_and_found_again() {
    let (_guard, paths) = folder();
    let id = Keys::load(&paths).unwrap().make("targets").unwrap();
    let file = paths[0].join("targets.pem");
    assert_eq!((mode(&paths[0]), mode(&file)), (0o700, 0o600));
    let mut keys = Keys::load(&paths).unwrap();
    assert_eq!(keys.path(&id), Some(&*file));
    assert_eq!(keys.kept_or_made("targets").unwrap(), id);
    assert!(matches!(keys.make("targets"), Err(KeysError::Exists(path)) if path == file));
    let second = keys.fresh("targets").unwrap();
    assert_ne!(second, id);
    assert_eq!(keys.path(&second), Some(&*paths[0].join("targets-2.pem")));
}

#[test]
fn openssl_reads_a_key_and_sees_the_same_public_half() {
    let (_guard, paths) = folder();
    let mut keys = Keys::load(&paths).unwrap();
    let id = keys.make("root").unwrap();
    let file = paths[0].join("root.pem");
    let output =
        Command::new("openssl").args(["pkey", "-pubout", "-outform", "DER", "-in"]).arg(&file).output();
    let output = output.expect("openssl is missing: apt-get install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let public = keys.public(&id).unwrap().ed25519().unwrap();
    assert_eq!(output.stdout[output.stdout.len() - 32..], public.to_bytes());
}

#[test]
fn a_key_that_openssl_made_is_read() {
    let (_guard, paths) = folder();
    fs::create_dir(&paths[0]).unwrap();
    let file = paths[0].join("mine.pem");
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519", "-out"]).arg(&file).status();
    assert!(made.expect("openssl is missing: apt-get install openssl").success());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Keys::load(&paths).unwrap().by_id.len(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused_by_name() {
    let (_guard, paths) = folder();
    Keys::load(&paths).unwrap().make("root").unwrap();
    let file = paths[0].join("root.pem");
    for wrong in [0o640, 0o604, 0o644, 0o700] {
        fs::set_permissions(&file, fs::Permissions::from_mode(wrong)).unwrap();
        let error = Keys::load(&paths).unwrap_err();
        let path = file.display();
        let expected =
            format!("{path} has mode {wrong:04o}: a private key must be a plain file of mode 0600");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit(), Exit::Input);
    }
}

#[test]
fn other_files_are_no_keys() {
    let (_guard, paths) = folder();
    fs::create_dir(&paths[0]).unwrap();
    durable::write(&paths[0], "README", b"not looked at", 0o644).unwrap();
    assert!(Keys::load(&paths).is_ok());
    durable::write(&paths[0], "x.pem", b"-----BEGIN PRIVATE KEY-----\n", 0o600).unwrap();
    assert!(matches!(Keys::load(&paths), Err(KeysError::NotAKey(_))));
}

#[test]
fn names_cannot_leave_the_folder() {
    let (_guard, paths) = folder();
    for name in ["", "..", "../x", "a/b", ".hidden", "a b"] {
        assert!(matches!(Keys::load(&paths).unwrap().make(name), Err(KeysError::Name(_))), "{name}");
    }
}

#[test]
fn missing_signers_are_counted_and_named() {
    let (_guard, mut paths) = folder();
    let other = tempfile::tempdir().unwrap();
    let first = Keys::load(&paths).unwrap().make("root").unwrap();
    let second = Keys::load(&[other.path().to_owned()]).unwrap().make("root").unwrap();
    let wanted = RoleKeys::new([first.clone(), second.clone()], 2);
    let error = Keys::load(&paths).unwrap().signers("root", &wanted).unwrap_err().to_string();
    let mut short = [&first.as_str()[..8], &second.as_str()[..8]];
    short.sort_unstable();
    let expected = format!(
        "root must be signed by 2 of the keys {}, {}, and 1 of them lie in {}; \
         name the folder that holds the others with --keys",
        short[0],
        short[1],
        paths[0].display()
    );
    assert_eq!(error, expected);
    paths.push(other.path().to_owned());
    assert_eq!(Keys::load(&paths).unwrap().signers("root", &wanted).unwrap().len(), 2);
}
