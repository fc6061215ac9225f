//! Whether a published site is whole: every byte of it, from the first root to the last file of a tree.
//!
//! Metadata is held against its signatures, objects against the metadata, the pack against its index, the index
//! against the manifest, and the OSTree repository against the manifests; a delta is applied. Every finding names the object. What
//! nothing names is told apart from damage: it is left over from a run that was cut off, or from a version that was
//! replaced, and `prune` removes it.

mod contents;
mod deltas;
mod history;
mod metadata;
mod objects;
mod packed;
mod texts;

use std::path::Path;

use serde::Serialize;

use crate::site::{SiteError, State, hold};

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What: a path below the site's folder, or the name of an object.
    pub object: String,
    /// What is wrong with it.
    pub fault: String,
}

/// What was looked at, and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Damage.
    pub findings: Vec<Finding>,
    /// Files that nothing names.
    pub leftovers: Vec<String>,
    /// Number of files read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Versions checked down to each content.
    pub versions: u64,
}

impl Report {
    fn found(&mut self, object: impl Into<String>, fault: impl Into<String>) {
        self.findings.push(Finding { object: object.into(), fault: fault.into() });
    }

    /// Notes an error with all its causes.
    fn failed(&mut self, object: impl Into<String>, error: &dyn std::error::Error) {
        let causes = std::iter::successors(Some(error), |error| error.source());
        self.found(object, causes.map(ToString::to_string).collect::<Vec<_>>().join(": "));
    }

    fn read(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Checks the site in `folder`; `progress` is told of bytes as they are read.
///
/// # Errors
/// [`SiteError`] when it cannot be looked at: there is none, or a folder cannot be read.
pub fn fsck(folder: &Path, progress: &mut dyn FnMut(u64)) -> Result<Report, SiteError> {
    let _held = hold(folder);
    let mut report = Report::default();
    let state = match State::read(folder) {
        Ok(state) => Some(state),
        Err(SiteError::Metadata(error)) => {
            report.failed("metadata", &error);
            None
        }
        Err(SiteError::Read { path, source }) => {
            report.failed(path.display().to_string(), &source);
            None
        }
        Err(error) => return Err(error),
    };
    metadata::check(folder, state.as_ref(), &mut report)?;
    let commits = objects::check(folder, state.as_ref(), &mut report, progress)?;
    history::check(folder, state.as_ref(), &commits, &mut report);
    Ok(report)
}
