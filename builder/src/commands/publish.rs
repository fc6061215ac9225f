//! `rolebuild publish ROLE VERSION`: a build becomes a published version.

use std::fmt;
use std::path::PathBuf;

use edeploy_format::name::{Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::lifetimes;
use crate::failure::Failure;
use crate::keys::Keys;
use crate::progress::Progress;
use crate::publish::{Build, Change, Published, publish};
use crate::site::Site;

/// What was published.
#[derive(Debug, Serialize)]
pub struct Answer {
    role: Role,
    version: Version,
    #[serde(flatten)]
    published: Published,
    new_key: Option<PathBuf>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, version, published, new_key } = self;
        let Published { serial, manifest, bytes, change, .. } = published;
        let what = match change {
            Change::Version => "is published",
            Change::Rules => "has other rules that lead to it now",
            Change::MinSerial => "is published already, the least serial is another now",
            Change::Nothing => "is published already",
        };
        write!(f, "{role} {version} {what}: serial {serial}, {bytes} bytes, manifest {manifest}")?;
        new_key.iter().try_for_each(|file| write!(f, "\nnew key {}", file.display()))
    }
}

/// Publishes the build.
///
/// # Errors
/// When the build is missing or wrong, or another is published under its version.
pub fn run(args: &cli::Publish) -> Result<Answer, Failure> {
    let (role, version) = (args.role.clone(), args.version.clone());
    let build = Build {
        folder: args.builds.join(format!("{role}@{version}")),
        transitions: args.metadata.clone(),
        min_serial: args.min_serial,
        role: role.clone(),
        version: version.clone(),
    };
    let mut keys = Keys::load(&args.keys.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let progress = Progress::new();
    let length = std::fs::metadata(build.folder.join("pack")).map_or(0, |pack| pack.len());
    progress.bytes(&format!("publishing {role} {version}"), length);
    let copied = |bytes| progress.advance(bytes);
    let published = publish(&mut site, &build, &mut keys, lifetimes(&args.days), clock::now(), copied)?;
    let new_key = published.made.as_ref().and_then(|id| keys.path(id)).map(PathBuf::from);
    Ok(Answer { role, version, published, new_key })
}
