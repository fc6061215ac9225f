//! Why a profile is none.

use std::io;

use super::StateError;
use crate::cmdb::CmdbError;
use crate::plan::PathError;
use crate::spec::SpecError;
use crate::template::TemplateError;

/// Why a profile is none; files are named as in its folder.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Its line in `state` is wrong.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file cannot be read.
    #[error("reading {file}")]
    Read {
        /// Which.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There are spec lines, but no file that says what the machine becomes.
    #[error("{0}.toml is missing: the role and version of the profile are not known")]
    NoText(String),
    /// There is neither.
    #[error("there is neither {0}.toml nor {0}.specs")]
    Nothing(String),
    /// There are no spec lines.
    #[error(
        "{0}.toml has no spec, and there is no {0}.specs: it would match any machine (write spec = [] for that)"
    )]
    NoSpec(String),
    /// There are spec lines twice.
    #[error("{0}.toml has a spec, and there is {0}.specs: which of them counts is not known")]
    TwoSpecs(String),
    /// TOML that does not parse, or a value that is wrong.
    #[error("{file}:{line}: {message}")]
    Text {
        /// The file.
        file: String,
        /// Where in it, from 1 on.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// Spec lines that make no sense.
    #[error("{file}")]
    Spec {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: SpecError,
    },
    /// A configuration database that makes no sense.
    #[error("{file}")]
    Cmdb {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: CmdbError,
    },
    /// A template that no machine could fill.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The path of a file is none.
    #[error("{file}:{line}: path {path}")]
    Path {
        /// The file.
        file: String,
        /// Where in it, from 1 on.
        line: usize,
        /// The path.
        path: String,
        /// Why.
        #[source]
        source: PathError,
    },
}
