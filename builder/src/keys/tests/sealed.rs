//! Encrypted keys, held against OpenSSL in both directions.

use super::*;

const WORDS: &str = "correct horse battery staple";

fn passphrase(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    durable::write(folder.path(), name, format!("{text}\nnot this line\n").as_bytes(), 0o600).unwrap();
    folder.path().join(name)
}

fn openssl(args: &[&str]) -> std::process::Output {
    Command::new("openssl").args(args).output().expect("openssl is missing: apt-get install openssl")
}

/// The keys, opened by what `files` hold; nobody is asked.
fn unlocked(paths: &[PathBuf], files: &[PathBuf]) -> Keys {
    let mut passphrases = Passphrases::read(files, false).unwrap();
    passphrases.never_ask();
    Keys::unlock(paths, passphrases).unwrap()
}

#[test]
fn openssl_opens_what_we_encrypted_and_nobody_else_does() {
    let (guard, paths) = folder();
    let file = passphrase(&guard, "words", WORDS);
    let mut keys = unlocked(&paths, std::slice::from_ref(&file));
    let id = keys.make("root").unwrap();
    let pem = paths[0].join("root.pem");
    let text = fs::read_to_string(&pem).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{text}");
    assert_eq!(mode(&pem), 0o600);
    let from = format!("file:{}", file.display());
    let args = ["pkey", "-pubout", "-outform", "DER", "-passin", &from, "-in", pem.to_str().unwrap()];
    let output = openssl(&args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let public = keys.public(&id).unwrap().ed25519().unwrap();
    assert_eq!(output.stdout[output.stdout.len() - 32..], public.to_bytes());
    let wrong = ["pkey", "-noout", "-passin", "pass:another", "-in", pem.to_str().unwrap()];
    assert!(!openssl(&wrong).status.success());
    assert_eq!(unlocked(&paths, &[file]).path(&id), Some(&*pem));
}

#[test]
fn what_openssl_encrypted_is_opened_by_scrypt_and_by_pbkdf2() {
    for (kdf, cipher) in
        [(&["-scrypt"][..], "aes-256-cbc"), (&["-iter", "4096"], "aes-256-cbc"), (&[], "aes-128-cbc")]
    {
        let (guard, paths) = folder();
        let file = passphrase(&guard, "words", WORDS);
        fs::create_dir(&paths[0]).unwrap();
        let plain = guard.path().join("plain.pem");
        let (plain, sealed) = (plain.to_str().unwrap(), paths[0].join("theirs.pem"));
        assert!(openssl(&["genpkey", "-algorithm", "ed25519", "-out", plain]).status.success());
        let from = format!("file:{}", file.display());
        let to = ["pkcs8", "-topk8", "-in", plain, "-out", sealed.to_str().unwrap(), "-passout", &from];
        assert!(openssl(&[&to[..], &["-v2", cipher], kdf].concat()).status.success());
        fs::set_permissions(&sealed, fs::Permissions::from_mode(0o600)).unwrap();
        let keys = unlocked(&paths, &[file]);
        let id = keys.named("theirs").unwrap();
        let der = openssl(&["pkey", "-in", plain, "-pubout", "-outform", "DER"]).stdout;
        assert_eq!(der[der.len() - 32..], keys.public(&id).unwrap().ed25519().unwrap().to_bytes(), "{kdf:?}");
    }
}

#[test]
fn a_locked_key_hinders_nobody_who_does_not_need_it_and_is_named_to_who_does() {
    let (guard, paths) = folder();
    let [one, other] = ["one", "other"].map(|text| passphrase(&guard, text, text));
    let root = unlocked(&paths, std::slice::from_ref(&one)).make("root").unwrap();
    let timestamp = unlocked(&paths, std::slice::from_ref(&other)).make("timestamp").unwrap();
    let mut keys = unlocked(&paths, std::slice::from_ref(&other));
    assert_eq!(keys.locked.0, [paths[0].join("root.pem")]);
    assert!(keys.signers("timestamp", &RoleKeys::new([timestamp], 1)).is_ok());
    let error = keys.signers("root", &RoleKeys::new([root.clone()], 1)).unwrap_err().to_string();
    let named =
        format!("; encrypted and not opened: {} (--passphrase-file)", paths[0].join("root.pem").display());
    assert!(error.ends_with(&named), "{error}");
    assert!(
        matches!(keys.kept_or_made("root"), Err(KeysError::NoKey { .. })),
        "no second key takes its place"
    );
    let both = unlocked(&paths, &[one, other]);
    assert!(both.signers("root", &RoleKeys::new([root], 1)).is_ok());
}

#[test]
fn a_file_of_a_passphrase_must_be_its_owners_alone_and_hold_one() {
    let (guard, _) = folder();
    let file = passphrase(&guard, "words", "");
    assert!(matches!(Passphrases::read(std::slice::from_ref(&file), false), Err(KeysError::NoPassphrase(_))));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Passphrases::read(&[file], false), Err(KeysError::Mode { mode: 0o644, .. })));
}

#[test]
fn no_debug_form_shows_a_secret() {
    let (guard, paths) = folder();
    let file = passphrase(&guard, "words", WORDS);
    let mut keys = unlocked(&paths, &[file]);
    let id = keys.make("root").unwrap();
    let secret = keys.by_id[&id].signer.private().unwrap().to_bytes();
    let shown = format!("{keys:?} {:?}", keys.signers("root", &RoleKeys::new([id], 1)).unwrap());
    assert!(!shown.contains(WORDS), "{shown}");
    assert!(!shown.contains(&format!("{:?}", &secret[..4]).replace(['[', ']'], "")), "{shown}");
    assert_eq!(keys.needles().find(shown.as_bytes()), None);
}
