//! `rolebuild root rotate`: a new root.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::lifetimes;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::site::{Replace, RootKeys, Site};

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
    let replace: BTreeSet<Replace> =
        args.replace.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let mut keys = Keys::load(&args.keys.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let before = &site.state().chain.root().roles.root;
    let root_keys = RootKeys {
        keys: args.root_keys.unwrap_or(before.keyids.len()),
        threshold: args.root_threshold.unwrap_or(before.threshold),
    };
    let rotated = site.rotate(&replace, root_keys, &mut keys, lifetimes(&args.days), clock::now())?;
    let new_keys = rotated.made.iter().filter_map(|id| keys.path(id)).map(PathBuf::from).collect();
    Ok(Answer {
        version: rotated.version,
        root_keys: root_keys.keys,
        root_threshold: root_keys.threshold,
        new_keys,
    })
}
