//! `rolebuild delegate-fleet`: which keys may sign plans.

use std::fmt;

use edeploy_format::tuf::KeyId;
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::keys::public;
use crate::site::Site;

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Answer {
    targets: u64,
    keys: Vec<KeyId>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "targets.json {} is published: plans may be signed by", self.targets)?;
        self.keys.iter().try_for_each(|key| write!(f, "\n{key}"))
    }
}

/// Signs and publishes the delegation.
///
/// # Errors
/// When a file holds no public key, or keys that must sign are not at hand.
pub fn run(args: &cli::DelegateFleet) -> Result<Answer, Failure> {
    let fleet = args.fleet.iter().map(|file| public(file)).collect::<Result<_, _>>()?;
    let keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let keys = site.delegate_fleet(fleet, &keys, lifetimes(&args.days), clock::now())?;
    Ok(Answer { targets: site.state().chain.targets().common.version, keys })
}
