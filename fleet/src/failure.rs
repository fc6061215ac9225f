//! How a failed command ends: one line for the operator and an exit code for the caller.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use edeploy_format::exit::Exit;

use crate::generate::GenerateError;
use crate::hardware::HardwareError;
use crate::key::KeyError;
use crate::serve::ServeError;
use crate::spec::SpecError;
use crate::store::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("writing {path}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A hardware report makes no sense.
    #[error("{path}")]
    Hardware {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: HardwareError,
    },
    /// Spec lines make no sense.
    #[error("{path}")]
    Spec {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: SpecError,
    },
    /// A model makes no sense.
    #[error("{path}")]
    Generate {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: GenerateError,
    },
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The service ended.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// There are no random bytes.
    #[error("making a token")]
    Random(#[source] io::Error),
    /// What was typed makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Nothing is known by that name.
    #[error("there is no {0}")]
    Unknown(String),
    /// It may not be done now.
    #[error("{0}")]
    Refused(String),
}

impl Cause {
    /// The exit code of the program, by kind of fault.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => Exit::Refused,
            Self::Read { .. } | Self::Write { .. } => Exit::Failed,
            Self::Store(_) | Self::Random(_) | Self::Serve(_) => Exit::Failed,
            Self::Key(_) | Self::Refused(_) => Exit::Refused,
            Self::Usage(_) => Exit::Usage,
            Self::Unknown(_) => Exit::NotFound,
            Self::Hardware { .. } | Self::Spec { .. } | Self::Generate { .. } => Exit::Input,
        }
    }
}

/// A cause, shown with all its sources on one line.
#[derive(Debug)]
pub struct Failure(Cause);

impl Failure {
    /// The exit code of the program.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.0.exit()
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self(cause)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(&self.0))
    }
}

/// An error and its sources, joined by colons.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
