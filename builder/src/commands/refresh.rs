//! `rolebuild refresh`: new dates.

use std::fmt;

use edeploy_format::tuf::Time;
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::site::{Good, Site};

/// A date that ends within so many days is worth a warning.
const SOON: u32 = 14;

/// How long everything is good now.
#[derive(Debug, Serialize)]
pub struct Answer {
    metadata: Vec<Good>,
    #[serde(skip)]
    now: Time,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [timestamp, others @ ..] = &*self.metadata else { return Ok(()) };
        write!(f, "timestamp {} is good until {}", timestamp.version, timestamp.until)?;
        let soon = others.iter().filter(|good| good.until < self.now.plus_days(SOON));
        soon.into_iter().try_for_each(|Good { file, until, renewed_by, .. }| {
            write!(f, "\n{file} is good only until {until}: run `{renewed_by}`")
        })
    }
}

/// Signs the new dates.
///
/// # Errors
/// When keys that must sign are not at hand.
pub fn run(args: &cli::Refresh) -> Result<Answer, Failure> {
    let keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let now = clock::now();
    site.refresh(args.all, &keys, lifetimes(&args.days), now)?;
    Ok(Answer { metadata: site.state().good(), now })
}
