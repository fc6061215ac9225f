//! Private keys: a folder of PKCS#8 v1 PEM files that OpenSSL reads, each its owner's alone, and of signers, which name
//! a command that has the key elsewhere.
//!
//! Keys are found by their identifier; file names are labels for people. No private key is printed, and none
//! is written over or removed. A key that the metadata does not name any more may be deleted by hand.

mod command;
mod error;
mod file;
mod needles;
mod passphrase;
mod signer;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use edeploy_format::tuf::{Key, KeyId, RoleKeys};
use zeroize::Zeroizing;

use crate::durable;
pub use command::CommandError;
pub use error::{KeysError, Locked};
use file::{Care, Pem, Sealed, unread};
pub use needles::Needles;
pub use passphrase::{Passphrase, Passphrases};
pub use signer::Signer;

/// How the name of a key's file ends.
const PEM: &str = ".pem";
/// How the name of a signer's file ends.
const SIGNER: &str = ".signer.toml";

/// The keys of one or more folders.
#[derive(Debug)]
pub struct Keys {
    /// Where new keys go.
    folder: PathBuf,
    by_id: BTreeMap<KeyId, Kept>,
    locked: Locked,
    passphrases: Passphrases,
    needles: Needles,
}

#[derive(Debug)]
struct Kept {
    /// Its files: a key may lie in several, under other names. That of the signer is the first.
    files: Vec<PathBuf>,
    signer: Signer,
}

/// The identifier of the public half of `signer`.
fn id_of(signer: &Signer) -> Result<KeyId, KeysError> {
    Key::from(signer.public()).id().map_err(KeysError::Id)
}

/// The public key in the file `path`: 64 hex digits, or PEM as `openssl pkey -pubout` writes it.
///
/// # Errors
/// [`KeysError::Public`].
pub fn public(path: &Path) -> Result<Key, KeysError> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|source| KeysError::Read { path: path.to_owned(), source })?;
    let key = command::public(&text).ok_or_else(|| KeysError::Public(path.to_owned()))?;
    Ok(Key::from(&key))
}

/// Bytes nobody can guess.
fn random(bytes: &mut [u8]) -> io::Result<()> {
    rustix::rand::getrandom(bytes, rustix::rand::GetRandomFlags::empty()).map(drop).map_err(io::Error::from)
}

impl Keys {
    /// Reads every `*.pem` and `*.signer.toml` of `folders`, which may be missing; new keys will go into the first.
    /// Encrypted keys stay locked.
    ///
    /// # Errors
    /// [`KeysError`] names the file that is no key, or that others may read.
    pub fn load(folders: &[PathBuf]) -> Result<Self, KeysError> {
        Self::unlock(folders, Passphrases::default())
    }

    /// The same, and opens what is encrypted as far as `passphrases` do; new keys are encrypted by the first
    /// that was given, not by what was typed to open another.
    ///
    /// # Errors
    /// As [`Keys::load`].
    pub fn unlock(folders: &[PathBuf], passphrases: Passphrases) -> Result<Self, KeysError> {
        let folder = folders.first().cloned().unwrap_or_else(|| PathBuf::from("keys"));
        let (by_id, locked, needles) = (BTreeMap::new(), Locked::default(), Needles::none());
        let mut keys = Self { folder, by_id, locked, passphrases, needles };
        let mut sealed = Vec::new();
        for folder in folders.iter().filter(|folder| folder.exists()) {
            file::check_folder(folder)?;
            let entries = fs::read_dir(folder).map_err(unread(folder))?;
            let files = entries.map(|entry| Ok(entry.map_err(unread(folder))?.path()));
            let mut files = files.collect::<Result<Vec<PathBuf>, KeysError>>()?;
            files.sort();
            files.into_iter().try_for_each(|file| keys.read(file, &mut sealed))?;
        }
        sealed.into_iter().try_for_each(|(file, sealed)| keys.open(file, &sealed))?;
        if keys.passphrases.is_wanted() {
            keys.passphrases.ask_for_new()?;
        }
        Ok(keys)
    }

    /// Takes in a file, if it is one of a key or signer; an encrypted one goes to `sealed`.
    fn read(&mut self, file: PathBuf, sealed: &mut Vec<(PathBuf, Sealed)>) -> Result<(), KeysError> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.ends_with(SIGNER) {
            let signer = Signer::command(&file)?;
            self.keep(file, signer)?;
        } else if name.ends_with(PEM) {
            let text = file::read(&file, Care::Secret)?;
            match Pem::parse(&file, &text)? {
                Pem::Plain(key) => self.keep(file, key.into()).map(drop)?,
                Pem::Encrypted(key) => {
                    self.needles.add_sealed(&file, &text);
                    sealed.push((file, key));
                }
            }
        }
        Ok(())
    }

    /// Opens an encrypted key, or counts it among those that are locked.
    fn open(&mut self, file: PathBuf, sealed: &Sealed) -> Result<(), KeysError> {
        let tried = |passphrase| sealed.open(passphrase).transpose();
        let opened = self.passphrases.known().find_map(tried).transpose()?;
        if let Some(key) = opened {
            return self.keep(file, key.into()).map(drop);
        }
        for again in [false, true, true] {
            let Some(typed) = self.passphrases.ask_for(&file, again)? else { break };
            if let Some(key) = sealed.open(&typed)? {
                self.passphrases.learn(typed);
                return self.keep(file, key.into()).map(drop);
            }
        }
        self.locked.0.push(file);
        Ok(())
    }

    fn keep(&mut self, file: PathBuf, signer: Signer) -> Result<KeyId, KeysError> {
        if let Some(key) = signer.private() {
            self.needles.add_key(&file, key);
        }
        let id = id_of(&signer)?;
        let before = self.by_id.remove(&id).map(|kept| kept.files).unwrap_or_default();
        let files = std::iter::once(file).chain(before).collect();
        self.by_id.insert(id.clone(), Kept { files, signer });
        Ok(id)
    }

    /// What no tree may hold of these keys.
    #[must_use]
    pub fn needles(&self) -> &Needles {
        &self.needles
    }

    /// The files of a key called `name`, whether they are there or not: its own, and its signer's.
    fn files(&self, name: &str) -> Result<[PathBuf; 2], KeysError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
            return Err(KeysError::Name(name.to_owned()));
        }
        Ok([PEM, SIGNER].map(|ending| self.folder.join(format!("{name}{ending}"))))
    }

    /// Makes the key `name`, which must not be there.
    ///
    /// # Errors
    /// [`KeysError::Exists`], or that it could not be written.
    pub fn make(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let files = self.files(name)?;
        if let Some(taken) = files.iter().find(|file| file.symlink_metadata().is_ok()) {
            return Err(KeysError::Exists(taken.clone()));
        }
        let [file, _] = files;
        let mut secret = Zeroizing::new([0; 32]);
        random(&mut *secret).map_err(KeysError::Random)?;
        let key = SigningKey::from_bytes(&secret);
        let pem =
            file::pem(&key, self.passphrases.for_new()).ok_or_else(|| KeysError::Encrypt(file.clone()))?;
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(unread(&self.folder))?;
        durable::write(&self.folder, &format!("{name}{PEM}"), pem.as_bytes(), 0o600)?;
        if self.passphrases.for_new().is_some() {
            self.needles.add_sealed(&file, &pem);
        }
        self.keep(file, key.into())
    }

    /// The key called `name`, made if it is missing.
    ///
    /// # Errors
    /// As [`Keys::make`].
    pub fn kept_or_made(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let files = self.files(name)?;
        if files.iter().any(|file| self.locked.0.contains(file)) {
            return Err(self.none(name));
        }
        match self.by_id.iter().find(|(_, kept)| kept.files.iter().any(|file| files.contains(file))) {
            Some((id, _)) => Ok(id.clone()),
            None => self.make(name),
        }
    }

    /// The key called `name` in whichever folder.
    ///
    /// # Errors
    /// [`KeysError::NoKey`].
    pub fn named(&self, name: &str) -> Result<KeyId, KeysError> {
        let called = [PEM, SIGNER].map(|ending| format!("{name}{ending}"));
        let is = |file: &Path| file.file_name().is_some_and(|file| called.iter().any(|name| **name == *file));
        let found = self.by_id.iter().find(|(_, kept)| kept.files.iter().any(|file| is(file)));
        found.map(|(id, _)| id.clone()).ok_or_else(|| self.none(name))
    }

    fn none(&self, name: &str) -> KeysError {
        let (folder, locked) = (self.folder.clone(), self.locked.clone());
        KeysError::NoKey { name: name.to_owned(), folder, locked }
    }

    /// A new key called `name`, or, where that is taken, `name-2`, `name-3` and so on.
    ///
    /// # Errors
    /// As [`Keys::make`].
    pub fn fresh(&mut self, name: &str) -> Result<KeyId, KeysError> {
        let mut candidate = name.to_owned();
        let mut n = 1;
        while self.files(&candidate)?.iter().any(|file| file.symlink_metadata().is_ok()) {
            n += 1;
            candidate = format!("{name}-{n}");
        }
        self.make(&candidate)
    }

    /// The public half of the key `id`, as metadata holds it.
    #[must_use]
    pub fn public(&self, id: &KeyId) -> Option<Key> {
        self.by_id.get(id).map(|kept| Key::from(kept.signer.public()))
    }

    /// The file of the key `id`.
    #[must_use]
    pub fn path(&self, id: &KeyId) -> Option<&Path> {
        self.by_id.get(id).and_then(|kept| kept.files.first()).map(PathBuf::as_path)
    }

    /// Those of the keys of `wanted` that are here.
    #[must_use]
    pub fn present(&self, wanted: &RoleKeys) -> Vec<&Signer> {
        wanted.keyids.iter().filter_map(|id| self.by_id.get(id)).map(|kept| &kept.signer).collect()
    }

    /// The keys that must sign `role`: at least as many as `wanted` asks for.
    ///
    /// # Errors
    /// [`KeysError::Missing`].
    pub fn signers(&self, role: &str, wanted: &RoleKeys) -> Result<Vec<&Signer>, KeysError> {
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
            locked: self.locked.clone(),
        })
    }
}

#[cfg(test)]
mod tests;
