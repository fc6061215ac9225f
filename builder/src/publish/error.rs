//! Why a build cannot be published.

use std::io;
use std::path::PathBuf;

use edeploy_format::exit::Exit;
use edeploy_format::frames::IndexError;
use edeploy_format::manifest::ManifestError;
use edeploy_format::name::{Channel, Role, Version};

use crate::durable::WriteError;
use crate::failure::Fault;
use crate::finish::Secret;
use crate::keys::KeysError;
use crate::ostree::OstreeError;
use crate::site::SiteError;
use crate::transition::TransitionError;

/// Why a build cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// There is no build of that name.
    #[error("there is no build of {role} {version}: {folder} has no manifest")]
    NoBuild {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
        /// Where it should be.
        folder: PathBuf,
    },
    /// A part of it cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its manifest is wrong.
    #[error("{path}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ManifestError,
    },
    /// Its pack index is wrong.
    #[error("{path}")]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: IndexError,
    },
    /// A frame of the pack is not what the index says, or is missing.
    #[error("{path}: the frame at byte {at} is not the one its index lists; build it again")]
    Frame {
        /// The pack.
        path: PathBuf,
        /// Where the frame begins.
        at: u64,
    },
    /// The pack goes on behind its last frame.
    #[error("{path} is longer than the {length} bytes its index lists")]
    PackLength {
        /// The pack.
        path: PathBuf,
        /// What the index says.
        length: u64,
    },
    /// A part of the build changed while it was read.
    #[error("{0} changed while it was published")]
    Changed(PathBuf),
    /// The tree holds what must be unique to a machine.
    #[error(transparent)]
    Secret(#[from] Secret),
    /// One of the keys that sign for the site is in what would be published.
    #[error("{place} holds the key of {}, which signs for this site; nothing published may", key.display())]
    Signing {
        /// The path in the tree, or the object.
        place: String,
        /// The file of the key.
        key: PathBuf,
    },
    /// The manifest is for another role or version.
    #[error("{folder} holds {role} {version}, not the build that was asked for")]
    Other {
        /// The folder.
        folder: PathBuf,
        /// What it holds.
        role: Role,
        /// What it holds.
        version: Version,
    },
    /// The version is published with other content.
    #[error("{role} {version} is published with another {object}; a change needs a new version")]
    Differs {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
        /// The object that differs.
        object: String,
    },
    /// Hosts would take it for an older version.
    #[error("{role} {version} has serial {serial}, and {highest} is published; build it again")]
    Serial {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
        /// Its serial.
        serial: u64,
        /// The highest published.
        highest: u64,
    },
    /// The least serial is above this version, or below what it was.
    #[error(
        "--min-serial {asked} must lie between {least}, as it is now, and {most}, the serial of this version"
    )]
    MinSerial {
        /// What was asked for.
        asked: u64,
        /// What it is.
        least: u64,
        /// The serial of this version.
        most: u64,
    },
    /// A channel names a version that would be ended.
    #[error(
        "channel {name} of {role} names {version}, of serial {serial}, which that would withdraw; let it name another one first"
    )]
    Channel {
        /// The role.
        role: Role,
        /// The channel.
        name: Channel,
        /// What it names.
        version: Version,
        /// Its serial.
        serial: u64,
    },
    /// The commit is not in the repository, or its ref is another.
    #[error(
        "{path} does not hold commit {commit}, which the manifest names; build it again with this --repo"
    )]
    Commit {
        /// The repository.
        path: PathBuf,
        /// The commit.
        commit: String,
    },
    /// The OSTree repository.
    #[error(transparent)]
    Ostree(#[from] OstreeError),
    /// Keys.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The transition is wrong.
    #[error(transparent)]
    Transition(#[from] TransitionError),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The site.
    #[error(transparent)]
    Site(#[from] SiteError),
}

impl Fault for PublishError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoBuild { .. } | Self::Commit { .. } => Exit::NotFound,
            Self::Read { .. } => Exit::Failed,
            Self::Manifest { .. }
            | Self::Index { .. }
            | Self::Frame { .. }
            | Self::PackLength { .. }
            | Self::Secret(_)
            | Self::Signing { .. }
            | Self::Other { .. } => Exit::Input,
            Self::Differs { .. } | Self::Serial { .. } | Self::Channel { .. } | Self::Changed(_) => {
                Exit::Refused
            }
            Self::MinSerial { .. } => Exit::Usage,
            Self::Ostree(error) => error.exit(),
            Self::Keys(error) => error.exit(),
            Self::Transition(error) => error.exit(),
            Self::Write(error) => error.exit(),
            Self::Site(error) => error.exit(),
        }
    }
}
