//! `rolebuild delta ROLE FROM TO`, `rolebuild delta ROLE TO --auto N`: deltas between published versions.

use std::fmt;

use edeploy_format::name::{Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::lifetimes;
use crate::delta::choose::Effort;
use crate::delta::make::Cost;
use crate::delta::publish::{Wanted, publish};
use crate::failure::Failure;
use crate::keys::Keys;
use crate::progress::Progress;
use crate::site::Site;

/// The deltas that were asked for.
#[derive(Debug, Serialize)]
pub struct Answer {
    deltas: Vec<Delta>,
}

/// One delta.
#[derive(Debug, Serialize)]
struct Delta {
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
            let base = base.as_deref().map_or_else(|| "whole".to_owned(), |base| format!("from {base}"));
            writeln!(f, "{bytes:>10} of {size:>10}  {path}  ({base})")?;
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
    let keys = Keys::load(&args.keys.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let (role, mut deltas) = (&args.role, Vec::new());
    let effort = if args.fast { Effort::FAST } else { Effort::SMALL };
    for (from, to) in pairs(args, &site)? {
        let progress = Progress::new();
        progress.bytes(&format!("making the delta from {from} to {to}"), 0);
        let wanted = Wanted { role: role.clone(), from: from.clone(), to: to.clone(), effort };
        let made = |bytes| progress.advance(bytes);
        let done = publish(&mut site, &wanted, &keys, lifetimes(&args.days), clock::now(), made)?;
        let mut costs = if args.explain { done.costs } else { Vec::new() };
        costs.sort_by_key(|cost| std::cmp::Reverse(cost.bytes));
        let (bytes, spares, published) = (done.bytes, done.spares, done.published);
        deltas.push(Delta { role: role.clone(), from, to, bytes, spares, published, costs });
    }
    Ok(Answer { deltas })
}

/// From which version to which.
fn pairs(args: &cli::Delta, site: &Site) -> Result<Vec<(Version, Version)>, Failure> {
    let Some(count) = args.auto else {
        let to = args.to.clone().unwrap_or_else(|| args.from.clone());
        return Ok(vec![(args.from.clone(), to)]);
    };
    let to = &args.from;
    let versions = site.state().role(&args.role)?.versions();
    let before = versions.into_iter().map(|listed| listed.version).take_while(|version| version != to);
    let mut before: Vec<Version> = before.collect();
    let from = before.split_off(before.len().saturating_sub(count.get()));
    Ok(from.into_iter().map(|from| (from, to.clone())).collect())
}
