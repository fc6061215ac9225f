//! `rolebuild publish ROLE VERSION`: a build becomes a published version, and deltas that lead to it are made.
//!
//! The version is published first, each delta by itself after it: a kill or a failure in between leaves a site that is
//! whole, and the same command goes on.

use std::fmt;
use std::path::PathBuf;

use edeploy_format::exit::Exit;
use edeploy_format::name::{Role, Version};
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
        let Self { role, version, published, new_key, deltas } = self;
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
        deltas.iter().try_for_each(|delta| write!(f, "\n{delta}"))
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
    let published = publish(&mut site, &build, &mut keys, lifetimes(&args.days), clock::now(), copied)?;
    drop(progress);
    let new_key = published.made.as_ref().and_then(|id| keys.path(id)).map(PathBuf::from);
    let mut answer = Answer { role, version, published, new_key, deltas: Vec::new() };
    let missed = deltas(args, &mut site, &keys, &mut answer.deltas).err();
    Ok((answer, missed))
}

/// Makes and publishes the deltas that were asked for, the nearest first.
fn deltas(args: &cli::Publish, site: &mut Site, keys: &Keys, made: &mut Vec<Delta>) -> Result<(), Failure> {
    let (Some(count), role, to) = (args.deltas, &args.role, &args.version) else { return Ok(()) };
    for from in delta::before(site, role, to, count)?.into_iter().rev() {
        let effort = delta::effort(args.fast);
        let wanted = Wanted { role: role.clone(), from: from.clone(), to: to.clone(), effort };
        let done = delta::one(site, wanted, false, keys, lifetimes(&args.days));
        let missed = |source| Missed { role: role.clone(), version: to.clone(), from, source };
        made.push(done.map_err(missed)?);
    }
    Ok(())
}
