//! `rolebuild root rotate`: a new root.

use std::fmt;
use std::path::PathBuf;

use edeploy_format::name::Role;
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::keys::Keys;
use crate::ostree::Repository;
use crate::site::{OSTREE, Replace, Replacements, RootKeys, Site, replacement};

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Answer {
    version: u64,
    root_keys: usize,
    root_threshold: u64,
    new_keys: Vec<PathBuf>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, root_keys, root_threshold, new_keys } = self;
        write!(f, "root {version} is published ({root_threshold} of {root_keys})")?;
        new_keys.iter().try_for_each(|file| write!(f, "\nnew key {}", file.display()))
    }
}

/// Signs and publishes the new root.
///
/// # Errors
/// When keys that must sign are not at hand.
pub fn run(args: &cli::Rotate) -> Result<Answer, Failure> {
    let replace: Replacements =
        args.replace.iter().map(|text| replacement(text)).collect::<Result<_, _>>()?;
    let mut keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let before = &site.state().chain.root().roles.root;
    let root_keys = RootKeys {
        keys: args.root_keys.unwrap_or(before.keyids.len()),
        threshold: args.root_threshold.unwrap_or(before.threshold),
    };
    let rotated = site.rotate(&replace, root_keys, &mut keys, lifetimes(&args.days), clock::now())?;
    for replaced in replace.keys() {
        if let Replace::Role(role) = replaced {
            sign_commits(&site, role, &keys)?;
        }
    }
    let new_keys = rotated.made.iter().filter_map(|id| keys.path(id)).map(PathBuf::from).collect();
    Ok(Answer {
        version: rotated.version,
        root_keys: root_keys.keys,
        root_threshold: root_keys.threshold,
        new_keys,
    })
}

/// Signs the commits of all published versions of a role with its new key.
fn sign_commits(site: &Site, role: &Role, keys: &Keys) -> Result<(), Failure> {
    let path = site.folder().join(OSTREE);
    let delegation = site.state().chain.targets().delegation(role);
    let (Some(delegation), true) = (delegation, path.join("config").is_file()) else { return Ok(()) };
    let published = site.state().role(role)?.versions();
    let repository = Repository::open(&path)?;
    for held in repository.versions(role)? {
        if published.iter().any(|listed| listed.version == held.version) {
            repository.sign(&held.commit, &keys.present(&delegation.keys))?;
        }
    }
    Ok(())
}
