//! Why a measurement did not come about.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

/// What went wrong, and on what.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("{program} is not installed: apt-get install {package}")]
    Missing {
        /// The program.
        program: String,
        /// The package that has it.
        package: String,
    },
    /// A program could not be started.
    #[error("starting `{line}`: {source}")]
    Start {
        /// The command line.
        line: String,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("`{line}` ended with {status}:\n{tail}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines it wrote.
        tail: String,
    },
    /// A file or folder cannot be read or made.
    #[error("{doing} {path}: {source}")]
    File {
        /// What was done with it.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What a program or file says is not what this program expects.
    #[error("{what}: {text}")]
    Unexpected {
        /// Of what.
        what: String,
        /// What it says.
        text: String,
    },
}

/// The result of nearly everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// The error of an operation on a file.
pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { doing, path, source }
}

/// The error of an answer that makes no sense.
pub fn unexpected(what: impl Into<String>, text: impl Into<String>) -> Error {
    Error::Unexpected { what: what.into(), text: text.into() }
}
