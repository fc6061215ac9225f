//! What is written into the journal: one event per line.

use std::collections::BTreeMap;
use std::fmt;

use edeploy_format::digest::Digest;
use edeploy_format::name::{Role, Version};
use edeploy_format::slot::Slot;
use serde::{Deserialize, Serialize};

use super::flat::Flat;
use crate::program::last_words;

/// A version in a slot, under one boot entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The version, where it is known: what lies in another slot is told by digest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Its identity.
    pub manifest: Digest,
    /// Where it lies.
    pub slot: Slot,
    /// The generation of its entry, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
}

impl Deployment {
    /// Whether both are the same tree under the same entry, as far as both know it.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let generations = self.generation.zip(other.generation);
        self.manifest == other.manifest && generations.is_none_or(|(ours, theirs)| ours == theirs)
    }
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{version} (slot {})", self.slot),
            None => write!(f, "manifest {} (slot {})", self.manifest.short(), self.slot),
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", try_from = "BTreeMap<String, Flat>")]
pub enum Event {
    /// The machine was installed.
    Installed {
        /// As what.
        role: Role,
        /// With what.
        to: Deployment,
    },
    /// An upgrade began to change the inactive slot.
    Started {
        /// What runs.
        from: Deployment,
        /// What is coming.
        to: Deployment,
    },
    /// An upgrade did not come to its end.
    Failed {
        /// What was asked for.
        version: Version,
        /// The same with its identity, once that was known.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Deployment>,
        /// Why it did not.
        reason: String,
    },
    /// A hook ran.
    Hook {
        /// `check`, `pre` or `post`.
        hook: String,
        /// How it ended.
        end: String,
        /// The end of what it printed.
        output: String,
    },
    /// A new version is ready for its trial.
    Armed {
        /// What ran.
        from: Deployment,
        /// What will be tried.
        to: Deployment,
        /// Bytes that came over the network.
        fetched: u64,
        /// Bytes that were written to the slot.
        written: u64,
        /// How long it took.
        seconds: u64,
    },
    /// A boot came as far as early userspace.
    Booted {
        /// What runs.
        running: Deployment,
        /// It is counted: a trial.
        trial: bool,
        /// Why /var is volatile, if it is.
        #[serde(skip_serializing_if = "Option::is_none")]
        volatile: Option<String>,
    },
    /// All required health checks passed.
    Healthy {
        /// What runs.
        running: Deployment,
        /// What failed although it is only wanted.
        wanted: Vec<String>,
    },
    /// A trial or a boot is not as it must be.
    Unhealthy {
        /// What runs.
        running: Deployment,
        /// What is wrong.
        reason: String,
        /// The machine reboots for it.
        reboot: bool,
    },
    /// The running entry was made a good one.
    Blessed {
        /// What runs.
        running: Deployment,
    },
    /// The loader went back to an older entry.
    FellBack {
        /// What was given up.
        from: Deployment,
        /// What runs.
        to: Deployment,
        /// What is known of the cause.
        reason: String,
    },
    /// An operator asked for what runs, so that it boots next, not what would have.
    Stays {
        /// What runs.
        running: Deployment,
    },
    /// An operator asked for the other slot.
    RolledBack {
        /// What ran.
        from: Deployment,
        /// What is booted next.
        to: Deployment,
    },
    /// ESP or state partition were made again from what the slots hold.
    Repaired {
        /// What was broken.
        found: Vec<String>,
    },
}

impl Event {
    /// The deployments it speaks of.
    #[must_use]
    pub fn deployments(&self) -> Vec<&Deployment> {
        match self {
            Self::Installed { to, .. } => vec![to],
            Self::Failed { to, .. } => to.iter().collect(),
            Self::Started { from, to }
            | Self::Armed { from, to, .. }
            | Self::FellBack { from, to, .. }
            | Self::RolledBack { from, to } => vec![from, to],
            Self::Booted { running, .. }
            | Self::Healthy { running, .. }
            | Self::Unhealthy { running, .. }
            | Self::Stays { running }
            | Self::Blessed { running } => vec![running],
            Self::Hook { .. } | Self::Repaired { .. } => Vec::new(),
        }
    }
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since 1970, by the machine's clock.
    pub time: u64,
    /// What happened.
    pub event: Event,
}

impl fmt::Display for Event {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed { role, to } => write!(f, "installed {role} {to}"),
            Self::Started { from, to } => write!(f, "upgrade from {from} to {to} began"),
            Self::Failed { version, reason, .. } => write!(f, "upgrade to {version} failed: {reason}"),
            Self::Hook { hook, end, output } => {
                write!(f, "hook {hook}: {end}")?;
                last_words(output).map_or(Ok(()), |words| write!(f, " ({words})"))
            }
            Self::Armed { to, fetched, written, seconds, .. } => {
                write!(f, "{to} armed in {seconds} s: {fetched} bytes fetched, {written} written")
            }
            Self::Booted { running, trial, volatile } => {
                let trial = if *trial { ", on trial" } else { "" };
                let volatile = if volatile.is_some() { ", with a volatile /var" } else { "" };
                write!(f, "booted {running}{trial}{volatile}")
            }
            Self::Healthy { running, wanted } if wanted.is_empty() => write!(f, "{running} is healthy"),
            Self::Healthy { running, wanted } => {
                write!(f, "{running} is healthy, but for {}", wanted.join(", "))
            }
            Self::Unhealthy { running, reason, reboot } => {
                let reboot = if *reboot { "; rebooting" } else { "" };
                write!(f, "{running} is not healthy: {reason}{reboot}")
            }
            Self::Blessed { running } => write!(f, "{running} is good"),
            Self::Stays { running } => write!(f, "{running} stays: it boots next, not the other slot"),
            Self::FellBack { from, to, reason } => write!(f, "fell back from {from} to {to}: {reason}"),
            Self::RolledBack { from, to } => write!(f, "rolled back from {from} to {to}"),
            Self::Repaired { found } => write!(f, "repaired: {}", found.join("; ")),
        }
    }
}
