//! `rolebuild publish ROLE VERSION`: a build becomes a published version, and deltas that lead to it are made.
//!
//! The version is published first, each delta by itself after it: a kill or a failure in between leaves a site that is
//! whole, and the same command goes on with what is missing. A delta is a saving only: where one cannot be made, that is told,
//! the others are made, and the command ends with the exit code of the first that failed.

use std::fmt;
use std::path::PathBuf;

use edeploy_format::exit::Exit;
use edeploy_format::name::{Object, Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::delta::{self, Delta};
use crate::commands::{keys, lifetimes};
use crate::delta::publish::{DeltaError, Wanted};
use crate::failure::{Failure, Fault};
use crate::keys::Keys;
use crate::progress::Progress;
use crate::publish::{Build, Change, Own, Published, publish};
use crate::site::Site;

/// What was published.
#[derive(Debug, Serialize)]
pub struct Answer {
    role: Role,
    version: Version,
    #[serde(flatten)]
    published: Published,
    new_key: Option<PathBuf>,
    deltas: Vec<Delta>,
    missed: Vec<Lost>,
}

/// A delta that could not be made or published.
#[derive(Debug, Serialize)]
struct Lost {
    from: Version,
    error: String,
}

/// A version is published, and a delta that leads to it is not.
#[derive(Debug, thiserror::Error)]
#[error("{role} {version} is published, but the delta from {from} is not")]
pub struct Missed {
    role: Role,
    version: Version,
    from: Version,
    #[source]
    source: DeltaError,
}

impl Fault for Missed {
    fn exit(&self) -> Exit {
        self.source.exit()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, version, published, new_key, deltas, missed } = self;
        let Published { serial, manifest, bytes, own_delta, change, .. } = published;
        let what = match change {
            Change::Version => "is published",
            Change::Rules => "has other rules that lead to it now",
            Change::MinSerial => "is published already, the least serial is another now",
            Change::Nothing => "is published already",
        };
        write!(f, "{role} {version} {what}: serial {serial}, {bytes} bytes, manifest {manifest}")?;
        if let Some(Own { bytes, spares }) = own_delta {
            write!(f, "\ndelta from itself: {bytes} bytes, in place of {spares} of the pack")?;
        }
        new_key.iter().try_for_each(|file| write!(f, "\nnew key {}", file.display()))?;
        deltas.iter().try_for_each(|delta| write!(f, "\n{delta}"))?;
        missed.iter().try_for_each(|lost| write!(f, "\n{}", lost.error))
    }
}

/// Publishes the build, then its deltas; the second value is why there are fewer than were asked for.
///
/// # Errors
/// When the build is missing or wrong, or another is published under its version.
pub fn run(args: &cli::Publish) -> Result<(Answer, Option<Failure>), Failure> {
    let (role, version) = (args.role.clone(), args.version.clone());
    let build = Build {
        folder: args.builds.join(format!("{role}@{version}")),
        transitions: args.metadata.clone(),
        min_serial: args.min_serial,
        role: role.clone(),
        version: version.clone(),
    };
    let mut keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let progress = Progress::new();
    let length = std::fs::metadata(build.folder.join("pack")).map_or(0, |pack| pack.len());
    progress.bytes(&format!("publishing {role} {version}"), length);
    let copied = |bytes| progress.advance(bytes);
    let mut published = publish(&mut site, &build, &mut keys, lifetimes(&args.days), clock::now(), copied)?;
    drop(progress);
    let new_key = published.made.as_ref().and_then(|id| keys.path(id)).map(PathBuf::from);
    let (own, change) = (published.own_missed.take(), published.change);
    let mut answer = Answer { role, version, published, new_key, deltas: Vec::new(), missed: Vec::new() };
    let own = own.map(|source| answer.misses(args.version.clone(), source));
    let others = make_deltas(args, change, &mut site, &keys, &mut answer);
    Ok((answer, own.or(others)))
}

impl Answer {
    /// Notes a delta that is missing, and gives the failure it is.
    fn misses(&mut self, from: Version, source: DeltaError) -> Failure {
        let (role, version) = (self.role.clone(), self.version.clone());
        let failure = Failure::from(Missed { role, version, from: from.clone(), source });
        self.missed.push(Lost { from, error: failure.to_string() });
        failure
    }
}

/// Makes and publishes the deltas that were asked for, the nearest first, and gives the first failure. Where the version
/// did not change, those that are published stay as they are.
fn make_deltas(
    args: &cli::Publish,
    change: Change,
    site: &mut Site,
    keys: &Keys,
    answer: &mut Answer,
) -> Option<Failure> {
    let (count, role, to) = (args.deltas?, &args.role, &args.version);
    let before = match delta::before(site, role, to, count) {
        Ok(before) => before,
        Err(error) => return Some(error.into()),
    };
    let mut first = None;
    for from in before.into_iter().rev() {
        if change == Change::Nothing && is_published(site, role, &from, to) {
            continue;
        }
        let effort = delta::effort(args.fast);
        let wanted = Wanted { role: role.clone(), from: from.clone(), to: to.clone(), effort };
        match delta::one(site, wanted, false, keys, lifetimes(&args.days)) {
            Ok(delta) => answer.deltas.push(delta),
            Err(source) => {
                let failure = answer.misses(from, source);
                first.get_or_insert(failure);
            }
        }
    }
    first
}

fn is_published(site: &Site, role: &Role, from: &Version, to: &Version) -> bool {
    let index = Object::DeltaIndex(from).target(role, to);
    site.state().roles.get(role).is_some_and(|role| role.target(&index).is_some())
}
