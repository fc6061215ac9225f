//! `rolebuild init`: an empty site, and the keys it needs.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::site::{self, FIRST_ROOT, METADATA, RootKeys};

/// What was made.
#[derive(Debug, Serialize)]
pub struct Answer {
    repo: PathBuf,
    root: PathBuf,
    root_keys: usize,
    root_threshold: u64,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repo, root, root_keys, root_threshold } = self;
        let (repo, root) = (repo.display(), root.display());
        write!(
            f,
            "{repo} is ready; {root} is the first trust of every host ({root_threshold} of {root_keys})"
        )
    }
}

/// Makes the site.
///
/// # Errors
/// When there is one already, or it cannot be written.
pub fn run(args: &cli::Init) -> Result<Answer, Failure> {
    let repo = &args.repo.repo;
    let (root_keys, root_threshold) = (args.root_keys, args.root_threshold);
    let wanted = RootKeys { keys: root_keys, threshold: root_threshold };
    let mut keys = keys(&args.keys)?;
    site::init(repo, &mut keys, wanted, lifetimes(&args.days), clock::now())?;
    Ok(Answer { repo: repo.clone(), root: repo.join(METADATA).join(FIRST_ROOT), root_keys, root_threshold })
}
