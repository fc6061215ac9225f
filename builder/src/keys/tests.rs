use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use edeploy_format::exit::Exit;

use super::*;
use crate::failure::Fault;

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
    for wrong in [0o640, 0o604, 0o620, 0o602, 0o644, 0o700, 0o4600] {
        fs::set_permissions(&file, fs::Permissions::from_mode(wrong)).unwrap();
        let error = Keys::load(&paths).unwrap_err();
        let path = file.display();
        let expected = format!(
            "{path} has mode {wrong:04o}, which lets others at it, or is none for a secret: chmod 600 {path}"
        );
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.exit(), Exit::Input);
    }
}

#[test]
fn a_key_that_is_only_read_is_taken() {
    let (_guard, paths) = folder();
    Keys::load(&paths).unwrap().make("root").unwrap();
    fs::set_permissions(paths[0].join("root.pem"), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(Keys::load(&paths).unwrap().by_id.len(), 1);
}

#[test]
fn a_key_or_folder_of_another_user_is_refused_with_the_line_that_mends_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: nobody's files cannot be made here");
        return;
    }
    let (_guard, paths) = folder();
    Keys::load(&paths).unwrap().make("root").unwrap();
    for path in [paths[0].join("root.pem"), paths[0].clone()] {
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        let shown = path.display();
        let expected = format!(
            "{shown} belongs to user 65534, who can read and change it, not to user 0 or root: chown 0 {shown}"
        );
        assert_eq!(Keys::load(&paths).unwrap_err().to_string(), expected);
        std::os::unix::fs::chown(&path, Some(0), None).unwrap();
    }
    assert!(Keys::load(&paths).is_ok());
}

#[test]
fn a_folder_that_others_can_put_files_into_is_refused_and_one_they_can_read_is_not() {
    let (_guard, paths) = folder();
    Keys::load(&paths).unwrap().make("root").unwrap();
    fs::set_permissions(&paths[0], fs::Permissions::from_mode(0o755)).unwrap();
    assert!(Keys::load(&paths).is_ok());
    for wrong in [0o775, 0o757, 0o1777] {
        fs::set_permissions(&paths[0], fs::Permissions::from_mode(wrong)).unwrap();
        let path = paths[0].display();
        let expected =
            format!("{path} has mode {wrong:04o}: others could put what signs there: chmod go-w {path}");
        assert_eq!(Keys::load(&paths).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_key_is_not_read_through_a_link() {
    let (_guard, paths) = folder();
    Keys::load(&paths).unwrap().make("root").unwrap();
    std::os::unix::fs::symlink("root.pem", paths[0].join("other.pem")).unwrap();
    let error = Keys::load(&paths).unwrap_err();
    assert!(matches!(&error, KeysError::NotPlain(path) if *path == paths[0].join("other.pem")), "{error}");
    fs::remove_file(paths[0].join("other.pem")).unwrap();
    fs::create_dir(paths[0].join("other.pem")).unwrap();
    assert!(matches!(Keys::load(&paths), Err(KeysError::NotPlain(_))));
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

mod sealed;
mod sought;
