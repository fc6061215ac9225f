//! Private keys: a folder of PKCS#8 v1 PEM files that OpenSSL reads, each of mode 0600.
//!
//! Keys are found by their identifier; file names are labels for people. No private key is printed, and none
//! is written over or removed. A key that the metadata does not name any more may be deleted by hand.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes};
use edeploy_format::exit::Exit;
use edeploy_format::tuf::{Fault as TufFault, Key, KeyId, RoleKeys};

use crate::durable::{self, WriteError};
use crate::failure::Fault;

/// The keys of one or more folders.
#[derive(Debug)]
pub struct Keys {
    /// Where new keys go.
    folder: PathBuf,
    by_id: BTreeMap<KeyId, Kept>,
}

#[derive(Debug)]
struct Kept {
    file: PathBuf,
    key: SigningKey,
}

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A folder or file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others may read it, or it is no plain file.
    #[error("{path} has mode {mode:04o}: a private key must be a plain file of mode 0600")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Not an Ed25519 key in PKCS#8 PEM.
    #[error("{0} is not an Ed25519 private key in PKCS#8 PEM")]
    NotAKey(PathBuf),
    /// A key would be overwritten.
    #[error("{0} is there already; keys are never overwritten")]
    Exists(PathBuf),
    /// A name that is no file name of a key.
    #[error("{0:?} is no name for a key: use letters, digits, `.`, `_` and `-`")]
    Name(String),
    /// Too few of the keys that must sign are here.
    #[error(
        "{role} must be signed by {threshold} of the keys {listed}, and {found} of them lie in {folder}; \
         name the folder that holds the others with --keys"
    )]
    Missing {
        /// What must be signed.
        role: String,
        /// How many must.
        threshold: u64,
        /// How many are here.
        found: usize,
        /// The identifiers, shortened.
        listed: String,
        /// Where was looked.
        folder: PathBuf,
    },
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A new key could not be made.
    #[error("making a key")]
    Random(#[source] io::Error),
    /// An identifier could not be computed.
    #[error("the identifier of a key")]
    Id(#[source] TufFault),
}

impl Fault for KeysError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::Random(_) | Self::Id(_) => Exit::Failed,
            Self::Write(error) => error.exit(),
            Self::Mode { .. } | Self::NotAKey(_) | Self::Name(_) => Exit::Input,
            Self::Exists(_) => Exit::Refused,
            Self::Missing { .. } => Exit::NotFound,
        }
    }
}

/// The identifier of the public half of `key`.
fn id_of(key: &SigningKey) -> Result<KeyId, KeysError> {
    Key::from(&key.verifying_key()).id().map_err(KeysError::Id)
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::Read { path, source }
}

impl Keys {
    /// Reads every `*.pem` of `folders`, which may be missing; new keys will go into the first.
    ///
    /// # Errors
    /// [`KeysError`] names the file that is no key, or that others may read.
    pub fn load(folders: &[PathBuf]) -> Result<Self, KeysError> {
        let folder = folders.first().cloned().unwrap_or_else(|| PathBuf::from("keys"));
        let mut keys = Self { folder, by_id: BTreeMap::new() };
        for folder in folders {
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(unread(folder)(e)),
            };
            for entry in entries {
                let file = entry.map_err(unread(folder))?.path();
                if file.extension().is_some_and(|ending| ending == "pem") {
                    let key = read(&file)?;
                    keys.by_id.insert(id_of(&key)?, Kept { file, key });
                }
            }
        }
        Ok(keys)
    }

    /// The file of the key called `name`, whether it is there or not.
    fn file(&self, name: &str) -> Result<PathBuf, KeysError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(KeysError::Name(name.to_owned()));
        }
        Ok(self.folder.join(format!("{name}.pem")))
    }

    /// Makes the key `name`, which must not be there.
    ///
    /// # Errors
    /// [`KeysError::Exists`], or that it could not be written.
    pub fn make(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let file = self.file(name)?;
        if file.exists() {
            return Err(KeysError::Exists(file));
        }
        let mut secret = [0; 32];
        rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())
            .map_err(|e| KeysError::Random(e.into()))?;
        let key = SigningKey::from_bytes(&secret);
        // OpenSSL 3.0 reads PKCS#8 v1 only, which has no public half.
        let pair = KeypairBytes { secret_key: secret, public_key: None };
        let pem = pair.to_pkcs8_pem(LineEnding::LF).expect("32 bytes fit the form");
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(unread(&self.folder))?;
        durable::write(&self.folder, &format!("{name}.pem"), pem.as_bytes(), 0o600)?;
        let id = id_of(&key)?;
        self.by_id.insert(id.clone(), Kept { file, key });
        Ok(id)
    }

    /// The key called `name`, made if it is missing.
    ///
    /// # Errors
    /// As [`Keys::make`].
    pub fn kept_or_made(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let file = self.file(name)?;
        match self.by_id.iter().find(|(_, kept)| kept.file == file) {
            Some((id, _)) => Ok(id.clone()),
            None => self.make(name),
        }
    }

    /// A new key called `name`, or, where that is taken, `name-2`, `name-3` and so on.
    ///
    /// # Errors
    /// As [`Keys::make`].
    pub fn fresh(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let mut candidate = name.to_owned();
        let mut n = 1;
        while self.file(&candidate)?.exists() {
            n += 1;
            candidate = format!("{name}-{n}");
        }
        self.make(&candidate)
    }

    /// The public half of the key `id`, as metadata holds it.
    #[must_use]
    pub fn public(&self, id: &KeyId) -> Option<Key> {
        self.by_id.get(id).map(|kept| Key::from(&kept.key.verifying_key()))
    }

    /// The file of the key `id`.
    #[must_use]
    pub fn path(&self, id: &KeyId) -> Option<&Path> {
        self.by_id.get(id).map(|kept| kept.file.as_path())
    }

    /// Those of the keys of `wanted` that are here.
    #[must_use]
    pub fn present(&self, wanted: &RoleKeys) -> Vec<&SigningKey> {
        wanted.keyids.iter().filter_map(|id| self.by_id.get(id)).map(|kept| &kept.key).collect()
    }

    /// The keys that must sign `role`: at least as many as `wanted` asks for.
    ///
    /// # Errors
    /// [`KeysError::Missing`].
    pub fn signers(&self, role: &str, wanted: &RoleKeys) -> Result<Vec<&SigningKey>, KeysError> {
        let present = self.present(wanted);
        if present.len() as u64 >= wanted.threshold {
            return Ok(present);
        }
        let short = |id: &KeyId| id.as_str().chars().take(8).collect::<String>();
        Err(KeysError::Missing {
            role: role.to_owned(),
            threshold: wanted.threshold,
            found: present.len(),
            listed: wanted.keyids.iter().map(short).collect::<Vec<_>>().join(", "),
            folder: self.folder.clone(),
        })
    }
}

fn read(file: &Path) -> Result<SigningKey, KeysError> {
    let metadata = fs::symlink_metadata(file).map_err(unread(file))?;
    let mode = metadata.mode() & 0o7777;
    if !metadata.is_file() || mode != 0o600 {
        return Err(KeysError::Mode { path: file.to_owned(), mode });
    }
    let text = fs::read_to_string(file).map_err(unread(file))?;
    let pair = KeypairBytes::from_pkcs8_pem(&text).map_err(|_| KeysError::NotAKey(file.to_owned()))?;
    Ok(SigningKey::from_bytes(&pair.secret_key))
}

#[cfg(test)]
mod tests;
