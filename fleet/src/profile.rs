//! Profiles: what a machine must have, and what it becomes then.
//!
//! A folder holds `<name>.toml` for each profile, and `state`: which profiles are given, in which order, how often.
//! Beside them eDeploy's `<name>.specs` and `<name>.cmdb` count as they are. What is wrong with one profile is that
//! profile's error; the others are there all the same. `docs/profiles.md` has every key.

mod error;
mod load;
mod state;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use edeploy_format::fleet::{OnFailure, OnSuccess};
use edeploy_format::name::{Channel, Role, Version};

use crate::cmdb::Cmdb;
use crate::spec::Spec;
use crate::template::Template;
pub use error::ProfileError;
pub use load::BUILT_IN;
pub use state::StateError;

/// What was found in a folder.
#[derive(Debug, Default)]
pub struct Profiles {
    /// The profiles of `state`, the one that is tried first in front.
    pub listed: Vec<Listed>,
    /// Profiles that `state` does not name, by name: no machine gets one.
    pub unlisted: Vec<(String, Result<Profile, ProfileError>)>,
    /// Why there is no order: nothing is listed then.
    pub trouble: Option<StateError>,
}

/// A profile that `state` names.
#[derive(Debug)]
pub struct Listed {
    /// As there.
    pub name: String,
    /// How many machines may have it.
    pub count: Count,
    /// What it is.
    pub profile: Result<Profile, ProfileError>,
}

/// How many machines may have a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// As many as there are.
    Any,
    /// So many.
    Times(u64),
}

impl Count {
    /// How many more may have it where so many others do; `None`: as many as there are.
    #[must_use]
    pub fn left(self, others: u64) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Times(times) => Some(times.saturating_sub(others)),
        }
    }
}

/// What a machine must have, and what it becomes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// What a machine must have.
    pub spec: Spec,
    /// The role.
    pub role: Role,
    /// Its version.
    pub version: Wanted,
    /// Where the role is published; empty: where the service says.
    pub repos: Vec<String>,
    /// The disk.
    pub disk: DiskTemplate,
    /// Bytes of each slot, if not what an install chooses.
    pub slot_size: Option<u64>,
    /// Files of the machine.
    pub files: Vec<FileTemplate>,
    /// Programs that run in the installer, in this order.
    pub scripts: Vec<ScriptTemplate>,
    /// What the machine does once installed.
    pub on_success: OnSuccess,
    /// What it does where that fails.
    pub on_failure: OnFailure,
    /// Its configuration database, if it has one.
    pub cmdb: Option<Cmdb>,
}

/// Which version of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Exact(Version),
    /// The one with the highest serial of those that are published.
    Newest,
    /// The one that this channel of the role names.
    Channel(Channel),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Newest => f.write_str("newest"),
            Self::Channel(name) => write!(f, "channel {name}"),
        }
    }
}

/// Which disk, over variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskTemplate {
    /// The kernel's name: `sda`, or `/dev/sda`.
    pub name: Option<Template>,
    /// A name below /dev/disk/by-id.
    pub by_id: Option<Template>,
    /// Its serial number.
    pub serial: Option<Template>,
    /// Its model.
    pub model: Option<Template>,
    /// Bytes, at least.
    pub min_size: Option<u64>,
    /// Bytes, at most.
    pub max_size: Option<u64>,
    /// Whether it turns.
    pub rotational: Option<bool>,
}

/// A file of the machine, over variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTemplate {
    /// Its absolute path.
    pub path: Template,
    /// Permission bits, in octal.
    pub mode: String,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// What is in it.
    pub text: Template,
}

/// A program for the installer. Its text is taken as it is; values reach it in its environment alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptTemplate {
    /// For messages.
    pub name: String,
    /// A file that begins with `#!`.
    pub text: String,
    /// It may take so many seconds.
    pub seconds: u64,
    /// Its environment, over variables.
    pub env: BTreeMap<String, Template>,
}
