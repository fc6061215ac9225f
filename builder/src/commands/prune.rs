//! `rolebuild prune --keep N`: old versions, and files that nothing names.

use std::fmt;

use edeploy_format::name::{Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::ostree::Repository;
use crate::site::{Kept, OSTREE, Site};

/// What was taken away.
#[derive(Debug, Serialize)]
pub struct Answer {
    versions: Vec<Dropped>,
    kept: Vec<Kept>,
    files: usize,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Dropped {
    role: Role,
    version: Version,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Dropped { role, version } in &self.versions {
            writeln!(f, "{role} {version} is not published any more")?;
        }
        for Kept { role, version, channel } in &self.kept {
            writeln!(f, "{role} {version} stays: channel {channel} names it")?;
        }
        write!(f, "{} files removed, {} bytes freed", self.files, self.bytes)
    }
}

/// Prunes the site.
///
/// # Errors
/// When keys that must sign are not at hand.
pub fn run(args: &cli::Prune) -> Result<Answer, Failure> {
    let keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let pruned = site.prune(args.keep.get(), &keys, lifetimes(&args.days), clock::now())?;
    let ostree = site.folder().join(OSTREE);
    let mut bytes = pruned.bytes;
    if ostree.join("config").is_file() {
        let repository = Repository::open(&ostree)?;
        for (role, version) in &pruned.versions {
            repository.forget(role, version)?;
        }
        bytes += repository.prune()?;
    }
    let versions = pruned.versions.into_iter().map(|(role, version)| Dropped { role, version }).collect();
    Ok(Answer { versions, kept: pruned.kept, files: pruned.files.len(), bytes })
}
