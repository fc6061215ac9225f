//! The file of a private key: who may hold it, and what stands in it.
//!
//! PKCS#8 v1 PEM, as OpenSSL 3.0 reads and writes it, plain or encrypted (PBES2: scrypt or PBKDF2, AES in CBC).
//! A file is opened once; owner and mode are those of what was opened.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, PrivateKeyInfoRef};
use pkcs8::pkcs5::pbes2;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

use super::KeysError;
use super::passphrase::Passphrase;

/// No file of a key, signer or passphrase is longer.
const LIMIT: u64 = 64 << 10;
/// How PEM names an encrypted key.
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// scrypt's cost: N, r and p. OpenSSL 3.0 takes no more than 32 MiB, which N = 2^15 would go past; p makes up for it.
const SCRYPT: (u8, u32, u32) = (14, 8, 5);

pub(super) fn unread(path: &Path) -> impl FnOnce(io::Error) -> KeysError {
    let path = path.to_owned();
    move |source| KeysError::Read { path, source }
}

/// How much of a file must be kept from others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Care {
    /// All of it: others may not even read it.
    Secret,
    /// Who writes it says what is run: others may read it only.
    Command,
}

/// Refuses what belongs to another user than the one who runs this, or root.
fn check_owner(path: &Path, owner: u32) -> Result<(), KeysError> {
    let user = rustix::process::geteuid().as_raw();
    if owner == user || owner == 0 {
        return Ok(());
    }
    Err(KeysError::Owner { path: path.to_owned(), owner, user })
}

fn check(path: &Path, metadata: &std::fs::Metadata, care: Care) -> Result<(), KeysError> {
    check_owner(path, metadata.uid())?;
    let mode = metadata.mode() & 0o7777;
    match care {
        Care::Secret if mode & !0o600 != 0 => Err(KeysError::Mode { path: path.to_owned(), mode }),
        Care::Command if mode & 0o022 != 0 => Err(KeysError::Writable { path: path.to_owned(), mode }),
        Care::Secret | Care::Command => Ok(()),
    }
}

/// Refuses a folder that others can put files into. Those above it are not looked at.
pub(super) fn check_folder(folder: &Path) -> Result<(), KeysError> {
    let metadata = folder.metadata().map_err(unread(folder))?;
    check_owner(folder, metadata.uid())?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 == 0 { Ok(()) } else { Err(KeysError::Writable { path: folder.to_owned(), mode }) }
}

/// Refuses a program that others can change, at the end of its links; one that is not there cannot sign, and is told then.
pub(super) fn check_program(program: &Path) -> Result<(), KeysError> {
    match program.metadata() {
        Ok(metadata) => check(program, &metadata, Care::Command),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unread(program)(error)),
    }
}

/// The text of a file of a key folder.
pub(super) fn read(path: &Path, care: Care) -> Result<Zeroizing<String>, KeysError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) => return Err(KeysError::NotPlain(path.to_owned())),
        Err(error) => return Err(unread(path)(error.into())),
    };
    let metadata = file.metadata().map_err(unread(path))?;
    if !metadata.is_file() {
        return Err(KeysError::NotPlain(path.to_owned()));
    }
    check(path, &metadata, care)?;
    text(path, file)
}

/// The text of the file of a passphrase, which may be a link or a pipe; a plain one must be its owner's alone.
pub(super) fn read_passphrase(path: &Path) -> Result<Zeroizing<String>, KeysError> {
    let file = File::open(path).map_err(unread(path))?;
    let metadata = file.metadata().map_err(unread(path))?;
    if metadata.is_file() {
        check(path, &metadata, Care::Secret)?;
    }
    text(path, file)
}

fn text(path: &Path, file: File) -> Result<Zeroizing<String>, KeysError> {
    // Its room is made once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LIMIT as usize + 1));
    file.take(LIMIT).read_to_end(&mut bytes).map_err(unread(path))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| KeysError::NotAKey(path.to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// What a PEM file holds.
pub(super) enum Pem {
    /// A key.
    Plain(SigningKey),
    /// One that a passphrase opens.
    Encrypted(Sealed),
}

/// An encrypted key.
pub(super) struct Sealed {
    file: PathBuf,
    document: SecretDocument,
}

impl Pem {
    /// Reads `text`, which stands in `file`. Text around the PEM block is passed over, as OpenSSL does.
    pub(super) fn parse(file: &Path, text: &str) -> Result<Self, KeysError> {
        let wrong = || KeysError::NotAKey(file.to_owned());
        let block = &text[text.find("-----BEGIN ").ok_or_else(wrong)?..];
        let (label, document) = SecretDocument::from_pem(block).map_err(|_| wrong())?;
        if label == ENCRYPTED {
            return Ok(Self::Encrypted(Sealed { file: file.to_owned(), document }));
        }
        let pair = KeypairBytes::from_pkcs8_der(document.as_bytes()).map_err(|_| wrong())?;
        Ok(Self::Plain(SigningKey::from_bytes(&pair.secret_key)))
    }
}

impl Sealed {
    /// The key; `None` where the passphrase is another.
    pub(super) fn open(&self, passphrase: &Passphrase) -> Result<Option<SigningKey>, KeysError> {
        let wrong = || KeysError::NotAKey(self.file.clone());
        let info = EncryptedPrivateKeyInfoRef::try_from(self.document.as_bytes()).map_err(|_| wrong())?;
        if info.encryption_algorithm.pbes2().is_none() {
            return Err(wrong());
        }
        let Ok(plain) = info.decrypt(passphrase.bytes()) else { return Ok(None) };
        let pair = KeypairBytes::from_pkcs8_der(plain.as_bytes()).map_err(|_| wrong())?;
        Ok(Some(SigningKey::from_bytes(&pair.secret_key)))
    }
}

/// The text of the file of `key`. OpenSSL 3.0 reads PKCS#8 v1 only, which has no public half.
pub(super) fn pem(key: &SigningKey, seal: Option<&Passphrase>) -> Option<Zeroizing<String>> {
    let pair = KeypairBytes { secret_key: key.to_bytes(), public_key: None };
    let Some(passphrase) = seal else { return pair.to_pkcs8_pem(LineEnding::LF).ok() };
    let plain = pair.to_pkcs8_der().ok()?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).ok()?;
    let sealed = info.encrypt_with_params(parameters()?, passphrase.bytes()).ok()?;
    sealed.to_pem(ENCRYPTED, LineEnding::LF).ok()
}

fn parameters() -> Option<pbes2::Parameters> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    super::random(&mut salt).ok()?;
    super::random(&mut iv).ok()?;
    let (log_n, r, p) = SCRYPT;
    let scrypt = scrypt::Params::new(log_n, r, p).ok()?;
    pbes2::Parameters::generate_scrypt_aes256cbc(scrypt, &salt, iv).ok()
}
