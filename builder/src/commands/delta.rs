//! `rolebuild delta ROLE FROM TO`, `rolebuild delta ROLE TO --auto N`: deltas between published versions.

use std::fmt;
use std::num::NonZeroUsize;

use edeploy_format::name::{Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::delta::choose::Effort;
use crate::delta::make::Cost;
use crate::delta::publish::{DeltaError, Done, Wanted, publish};
use crate::failure::Failure;
use crate::keys::Keys;
use crate::progress::Progress;
use crate::site::{Lifetimes, Site, SiteError};

/// The deltas that were asked for.
#[derive(Debug, Serialize)]
pub struct Answer {
    deltas: Vec<Delta>,
}

/// One delta.
#[derive(Debug, Serialize)]
pub(super) struct Delta {
    role: Role,
    from: Version,
    to: Version,
    bytes: u64,
    spares: u64,
    published: bool,
    /// The largest first; empty unless they were asked for.
    costs: Vec<Cost>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, delta) in self.deltas.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{delta}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Delta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, from, to, bytes, spares, published, costs } = self;
        for Cost { path, size, base, bytes } in costs {
            let base = match base {
                Some(base) => format!("from {base}"),
                None if from == to => "of files of its own tree".to_owned(),
                None => "whole".to_owned(),
            };
            writeln!(f, "{bytes:>10} of {size:>10}  {path}  ({base})")?;
        }
        if !costs.is_empty() {
            let sum: u64 = costs.iter().map(|cost| cost.bytes).sum();
            writeln!(f, "{sum:>10} in all, each by itself: frames are shared, and the index comes to them")?;
        }
        write!(f, "{role} {from} -> {to}: {bytes} bytes, in place of {spares} of the pack")?;
        if *published { Ok(()) } else { f.write_str("; not published, as it spares nothing") }
    }
}

/// Makes and publishes the deltas.
///
/// # Errors
/// When a version is not published, or its objects are damaged.
pub fn run(args: &cli::Delta) -> Result<Answer, Failure> {
    let keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let (role, mut deltas) = (&args.role, Vec::new());
    for (from, to) in pairs(args, &site)? {
        let wanted = Wanted { role: role.clone(), from, to, effort: effort(args.fast) };
        deltas.push(one(&mut site, wanted, args.explain, &keys, lifetimes(&args.days))?);
    }
    Ok(Answer { deltas })
}

/// What `--fast` means.
pub(super) fn effort(fast: bool) -> Effort {
    if fast { Effort::FAST } else { Effort::SMALL }
}

/// Makes and publishes one delta; its costs are listed to `explain` it.
pub(super) fn one(
    site: &mut Site,
    wanted: Wanted,
    explain: bool,
    keys: &Keys,
    lifetimes: Lifetimes,
) -> Result<Delta, DeltaError> {
    let progress = Progress::new();
    progress.bytes(&format!("making the delta from {} to {}", wanted.from, wanted.to), 0);
    let made = |bytes| progress.advance(bytes);
    let Done { bytes, spares, published, costs } =
        publish(site, &wanted, keys, lifetimes, clock::now(), made)?;
    let mut costs = if explain { costs } else { Vec::new() };
    costs.sort_by_key(|cost| std::cmp::Reverse(cost.bytes));
    let Wanted { role, from, to, .. } = wanted;
    Ok(Delta { role, from, to, bytes, spares, published, costs })
}

/// From which version to which.
fn pairs(args: &cli::Delta, site: &Site) -> Result<Vec<(Version, Version)>, Failure> {
    let Some(count) = args.auto else {
        let to = args.to.clone().unwrap_or_else(|| args.from.clone());
        return Ok(vec![(args.from.clone(), to)]);
    };
    let to = &args.from;
    let from = before(site, &args.role, to, count)?;
    Ok(from.into_iter().map(|from| (from, to.clone())).collect())
}

/// The last `count` versions that were published before `to`, the nearest last.
pub(super) fn before(
    site: &Site,
    role: &Role,
    to: &Version,
    count: NonZeroUsize,
) -> Result<Vec<Version>, SiteError> {
    let versions = site.state().role(role)?.versions();
    let before = versions.into_iter().map(|listed| listed.version).take_while(|version| version != to);
    let mut before: Vec<Version> = before.collect();
    Ok(before.split_off(before.len().saturating_sub(count.get())))
}
