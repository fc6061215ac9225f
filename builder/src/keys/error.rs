//! Why keys cannot be used. No message holds a byte of a key, a passphrase, or of the text of a key's file.

use std::io;
use std::path::PathBuf;

use edeploy_format::exit::Exit;
use edeploy_format::tuf::Fault as TufFault;

use super::command::CommandError;
use crate::durable::WriteError;
use crate::failure::Fault;

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
    /// No public key.
    #[error("{0} holds no Ed25519 public key: 64 hex digits or PEM (BEGIN PUBLIC KEY) were expected")]
    Public(PathBuf),
    /// Not a plain file: a link, a folder, a device.
    #[error("{0} is no plain file; a key is never read through a link")]
    NotPlain(PathBuf),
    /// Others may read or write it.
    #[error("{path} has mode {mode:04o}, which lets others at it, or is none for a secret: chmod 600 {path}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Others may put files into its folder, or commands into its text.
    #[error("{path} has mode {mode:04o}: others could put what signs there: chmod go-w {path}")]
    Writable {
        /// The folder, the file of a signer, or its program.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error(
        "{path} belongs to user {owner}, who can read and change it, not to user {user} or root: chown {user} {path}"
    )]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Not an Ed25519 key in PKCS#8 PEM.
    #[error("{0} is not an Ed25519 private key in PKCS#8 PEM, encrypted (PBES2) or not")]
    NotAKey(PathBuf),
    /// The text of a signer is wrong.
    #[error("{path}: {what}")]
    Signer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A key would be overwritten.
    #[error("{0} is there already; keys are never overwritten")]
    Exists(PathBuf),
    /// A name that is no file name of a key.
    #[error("{0:?} is no name for a key: use letters, digits, `.`, `_` and `-`")]
    Name(String),
    /// There is no key of this name.
    #[error("there is no key {name} in {folder} or the other folders of --keys{}", .locked.told())]
    NoKey {
        /// The name.
        name: String,
        /// Where was looked first.
        folder: PathBuf,
        /// Keys that were not opened.
        locked: Locked,
    },
    /// Too few of the keys that must sign are here.
    #[error(
        "{role} must be signed by {threshold} of the keys {listed}, and {found} of them lie in {folder}; \
         name the folder that holds the others with --keys{}", .locked.told()
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
        /// Keys that were not opened.
        locked: Locked,
    },
    /// A file of a passphrase has none.
    #[error("{0} holds no passphrase: its first line is empty")]
    NoPassphrase(PathBuf),
    /// A passphrase cannot be asked for.
    #[error("there is no terminal to ask for a passphrase on; give --passphrase-file")]
    NoTerminal(#[source] io::Error),
    /// What was typed cannot be a passphrase.
    #[error("{0}")]
    Typed(&'static str),
    /// A key cannot be encrypted.
    #[error("encrypting {0}")]
    Encrypt(PathBuf),
    /// The command of a key does not sign.
    #[error(transparent)]
    Command(#[from] CommandError),
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

/// Encrypted keys that no passphrase opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Locked(pub Vec<PathBuf>);

impl Locked {
    /// The end of a message that speaks of keys that are missing.
    fn told(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let files: Vec<String> = self.0.iter().map(|file| file.display().to_string()).collect();
        format!("; encrypted and not opened: {} (--passphrase-file)", files.join(", "))
    }
}

impl Fault for KeysError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } | Self::Random(_) | Self::Id(_) | Self::Encrypt(_) => Exit::Failed,
            Self::Write(error) => error.exit(),
            Self::Command(error) => error.exit(),
            Self::NotPlain(_)
            | Self::Mode { .. }
            | Self::Writable { .. }
            | Self::Owner { .. }
            | Self::NotAKey(_)
            | Self::Public(_)
            | Self::Signer { .. }
            | Self::Name(_)
            | Self::NoPassphrase(_)
            | Self::Typed(_) => Exit::Input,
            Self::Exists(_) => Exit::Refused,
            Self::NoKey { .. } | Self::Missing { .. } | Self::NoTerminal(_) => Exit::NotFound,
        }
    }
}
