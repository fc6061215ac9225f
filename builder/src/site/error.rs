//! Why a site cannot be read or changed.

use std::io;
use std::path::PathBuf;

use edeploy_format::exit::Exit;
use edeploy_format::name::{Channel, Role, Version};
use edeploy_format::tuf::{Fault as TufFault, TufError};

use crate::durable::WriteError;
use crate::failure::Fault;
use crate::keys::KeysError;

/// Why a site cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// There is none.
    #[error("there is no repository at {0}; make one with `rolebuild init --repo {0}`")]
    NoSite(PathBuf),
    /// There is one, where one was to be made.
    #[error("there is a repository at {0} already")]
    Exists(PathBuf),
    /// The role is not published.
    #[error("no role {0} is published here")]
    NoRole(Role),
    /// The version is not published.
    #[error("{role} {version} is not published here")]
    NoVersion {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
    },
    /// The version must not be installed any more.
    #[error("{role} {version} has serial {serial}; versions below serial {least} were withdrawn")]
    Ended {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
        /// Its serial.
        serial: u64,
        /// The least that may be installed.
        least: u64,
    },
    /// There is no such channel.
    #[error("{role} has no channel {name}")]
    NoChannel {
        /// The role.
        role: Role,
        /// The channel.
        name: Channel,
    },
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The lock cannot be had.
    #[error("locking {path}")]
    Lock {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be removed.
    #[error("removing {path}")]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is published does not hold.
    #[error("the published metadata is damaged or was tampered with")]
    Metadata(#[from] TufError),
    /// What was to be signed is not what clients accept.
    #[error("{file} cannot be signed")]
    Sign {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: TufFault,
    },
    /// More signatures asked for than there are keys.
    #[error("a threshold of {threshold} needs at least as many root keys; --root-keys says {keys}")]
    Threshold {
        /// How many must sign.
        threshold: u64,
        /// How many keys there are to be.
        keys: usize,
    },
    /// Nothing of this name can be given a new key.
    #[error("{0:?} has no key to replace: say root, targets, snapshot, timestamp or role-<name>")]
    NoSuchKey(String),
    /// Several keys for what one signs.
    #[error("{0}: one key signs this, several can only be named for root")]
    OneKey(String),
    /// More root keys named than there are to be.
    #[error("{named} root keys are named, and --root-keys says {keys}")]
    Named {
        /// How many are named.
        named: usize,
        /// How many there are to be.
        keys: usize,
    },
    /// A key is named twice, perhaps by two names.
    #[error("{0} is a root key that is named twice; each counts once")]
    Twice(String),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Fault for SiteError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoSite(_) | Self::NoRole(_) | Self::NoVersion { .. } | Self::NoChannel { .. } => {
                Exit::NotFound
            }
            Self::Exists(_) | Self::Ended { .. } => Exit::Refused,
            Self::Read { .. } | Self::Lock { .. } | Self::Remove { .. } => Exit::Failed,
            Self::Metadata(_) => Exit::Untrusted,
            Self::Sign { .. } => Exit::Failed,
            Self::Threshold { .. }
            | Self::NoSuchKey(_)
            | Self::OneKey(_)
            | Self::Named { .. }
            | Self::Twice(_) => Exit::Usage,
            Self::Keys(error) => error.exit(),
            Self::Write(error) => error.exit(),
        }
    }
}
