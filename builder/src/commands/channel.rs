//! `rolebuild channel`: which version of a role a name stands for.

use std::fmt;

use edeploy_format::name::{Channel, Role, Version};
use serde::Serialize;

use crate::cli;
use crate::clock;
use crate::commands::{keys, lifetimes};
use crate::failure::Failure;
use crate::site::Site;

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Answer {
    role: Role,
    channel: Channel,
    version: Option<Version>,
    before: Option<Version>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, channel, version, before } = self;
        match version {
            Some(version) => write!(f, "channel {channel} of {role} names {version}")?,
            None => write!(f, "{role} has no channel {channel} any more")?,
        }
        match before {
            Some(before) if version.as_ref() == Some(before) => f.write_str(", as before"),
            Some(before) => write!(f, "; it named {before}"),
            None => Ok(()),
        }
    }
}

/// Signs and publishes the channel.
///
/// # Errors
/// When there is no such role, version or channel, the version was withdrawn, or keys that must sign are not at hand.
pub fn run(args: &cli::ChannelCommand) -> Result<Answer, Failure> {
    let (role, channel, version) = (args.role.clone(), args.channel.clone(), args.version.clone());
    let keys = keys(&args.keys)?;
    let mut site = Site::open(&args.repo.repo)?;
    let days = lifetimes(&args.days);
    let before = site.set_channel(&role, &channel, version.as_ref(), &keys, days, clock::now())?;
    Ok(Answer { role, channel, version, before })
}
