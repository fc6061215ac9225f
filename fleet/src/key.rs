//! The key that signs plans: `fleet.pem` of the data folder, PKCS#8 v1 as OpenSSL reads it, its owner's alone.
//!
//! Its public half is what `targets.json` delegates plans to. A key that others may read, or that belongs to another
//! user, is refused: who holds it says what machines become.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey, KeypairBytes};
use pkcs8::DecodePrivateKey;
use rustix::rand::{GetRandomFlags, getrandom};
use zeroize::Zeroizing;

/// The name of its file.
pub const FILE: &str = "fleet.pem";
/// No such file is longer.
const LIMIT: u64 = 64 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may use it.
    #[error("{path}: mode {mode:04o}: others may not read a key; run `chmod 600 {path}`")]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("{path}: belongs to user {owner}, not to user {user} who runs this, nor to root")]
    Owner {
        /// Which.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// There is something else in it.
    #[error("{0}: not a private Ed25519 key in PEM, unencrypted")]
    NotAKey(PathBuf),
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path, source }
}

/// The key of the data folder, made if there is none.
///
/// # Errors
/// [`KeyError`].
pub fn load_or_make(data: &Path) -> Result<SigningKey, KeyError> {
    let path = data.join(FILE);
    match OpenOptions::new().read(true).custom_flags(no_follow()).open(&path) {
        Ok(file) => load(&path, file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(data, &path),
        Err(error) => Err(io(&path)(error)),
    }
}

/// The public half, in PEM.
///
/// # Errors
/// Never, for a key that [`load_or_make`] gave.
pub fn public_pem(key: &SigningKey) -> Result<String, pkcs8::spki::Error> {
    key.verifying_key().to_public_key_pem(LineEnding::LF)
}

fn no_follow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

fn load(path: &Path, file: File) -> Result<SigningKey, KeyError> {
    let about = file.metadata().map_err(io(path))?;
    let (mode, owner) = (about.mode() & 0o7777, about.uid());
    let user = rustix::process::geteuid().as_raw();
    if owner != user && owner != 0 {
        return Err(KeyError::Owner { path: path.to_owned(), owner, user });
    }
    if mode & !0o600 != 0 {
        return Err(KeyError::Mode { path: path.to_owned(), mode });
    }
    // Its room is made once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(LIMIT as usize));
    file.take(LIMIT).read_to_string(&mut text).map_err(io(path))?;
    let pair = KeypairBytes::from_pkcs8_pem(&text).map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    Ok(SigningKey::from_bytes(&pair.secret_key))
}

/// Whole or not at all, and for good: a lost key takes a new delegation.
fn make(data: &Path, path: &Path) -> Result<SigningKey, KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom(&mut *seed, GetRandomFlags::empty()).map_err(|error| io(path)(error.into()))?;
    let key = SigningKey::from_bytes(&seed);
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let pem = pair.to_pkcs8_pem(LineEnding::LF).map_err(|_| KeyError::NotAKey(path.to_owned()))?;
    let beside = data.join(format!("{FILE}.{}", std::process::id()));
    // One that was killed left it: in a container all have the same number.
    let _ = fs::remove_file(&beside);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).map_err(io(&beside))?;
    let written = file.write_all(pem.as_bytes()).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(io(&beside))?;
    // A link does not replace: of two that make it at once, one wins, and both use that.
    let linked = fs::hard_link(&beside, path);
    fs::remove_file(&beside).map_err(io(&beside))?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => load_or_make(data),
        Err(error) => Err(io(path)(error)),
        Ok(()) => {
            File::open(data).and_then(|folder| folder.sync_all()).map_err(io(data))?;
            Ok(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone() {
        let data = tempfile::tempdir().unwrap();
        let key = load_or_make(data.path()).unwrap();
        assert_eq!(load_or_make(data.path()).unwrap().to_bytes(), key.to_bytes());
        let names: Vec<_> = fs::read_dir(data.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, [FILE]);
        assert_eq!(fs::metadata(data.path().join(FILE)).unwrap().mode() & 0o7777, 0o600);
        assert!(public_pem(&key).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    }

    #[test]
    fn what_a_start_that_was_killed_left_is_in_no_ones_way() {
        let data = tempfile::tempdir().unwrap();
        let beside = format!("{FILE}.{}", std::process::id());
        fs::write(data.path().join(beside), "half a k").unwrap();
        load_or_make(data.path()).unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let data = tempfile::tempdir().unwrap();
        load_or_make(data.path()).unwrap();
        let path = data.path().join(FILE);
        for mode in [0o640, 0o604, 0o700] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = load_or_make(data.path()).unwrap_err().to_string();
            let says =
                format!("mode {mode:04o}: others may not read a key; run `chmod 600 {}`", path.display());
            assert_eq!(error, format!("{}: {says}", path.display()));
        }
    }

    #[test]
    fn a_link_or_another_text_is_no_key() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        symlink("elsewhere", &path).unwrap();
        assert!(matches!(load_or_make(data.path()), Err(KeyError::Io { .. })));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "no key").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(load_or_make(data.path()), Err(KeyError::NotAKey(_))));
    }
}
