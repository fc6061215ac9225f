//! `rolebuild list`: what is published, and for how long it is good.

use std::collections::BTreeMap;
use std::fmt;

use edeploy_format::name::{Architecture, Channel, Role, Version};
use edeploy_format::tuf::{Time, TrustedRole};
use serde::Serialize;

use crate::cli;
use crate::failure::Failure;
use crate::site::{Good, State};

/// What is published.
#[derive(Debug, Serialize)]
pub struct Answer {
    roles: Vec<Listed>,
    metadata: Vec<Good>,
}

#[derive(Debug, Serialize)]
struct Listed {
    role: Role,
    min_serial: u64,
    channels: BTreeMap<Channel, Version>,
    versions: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    version: Version,
    serial: u64,
    architecture: Architecture,
    built: Time,
    bytes: u64,
    /// The versions from which deltas lead to it, itself among them.
    deltas: Vec<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.roles.is_empty() {
            writeln!(f, "nothing is published")?;
        }
        for Listed { role, min_serial, channels, versions } in &self.roles {
            for Line { version, serial, architecture, built, bytes, deltas } in versions {
                let from = |from: &String| {
                    if from == version.as_str() { "itself" } else { from.as_str() }.to_owned()
                };
                let deltas = match &deltas.iter().map(from).collect::<Vec<_>>().join(", ")[..] {
                    "" => String::new(),
                    from => format!("  deltas from {from}"),
                };
                let ended = if serial < min_serial { "  ended by --min-serial" } else { "" };
                writeln!(
                    f,
                    "{role:12} {version:20} serial {serial:<5} {architecture:8} built {built}  {bytes:>12} bytes{deltas}{ended}"
                )?;
            }
            for (name, version) in channels {
                writeln!(f, "{role:12} {version:20} is what channel {name} names")?;
            }
        }
        let lines: Vec<String> = self
            .metadata
            .iter()
            .map(|good| format!("{:28} version {:<5} good until {}", good.file, good.version, good.until))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Reads the site.
///
/// # Errors
/// When there is none, or no such role, or it is damaged.
pub fn run(args: &cli::List) -> Result<Answer, Failure> {
    let state = State::read(&args.repo.repo)?;
    let roles = match &args.role {
        Some(role) => vec![listed(state.role(role)?)],
        None => state.roles.values().map(listed).collect(),
    };
    Ok(Answer { roles, metadata: state.good() })
}

fn listed(metadata: &TrustedRole) -> Listed {
    let role = metadata.role();
    let versions = metadata.versions().into_iter().map(|listed| {
        let version = listed.version;
        let prefix = format!("{role}@{version}@");
        let own: Vec<_> = metadata
            .targets()
            .filter_map(|(name, target)| Some((name.strip_prefix(&prefix)?, target)))
            .collect();
        let bytes = own.iter().map(|(_, target)| target.length).sum();
        let deltas =
            own.iter().filter_map(|(object, _)| object.strip_prefix("delta@")).map(str::to_owned).collect();
        let identity = listed.identity;
        let (serial, architecture) = (identity.serial, identity.architecture);
        Line { version, serial, architecture, built: Time::new(identity.built), bytes, deltas }
    });
    let document = metadata.document();
    let (min_serial, channels) = (document.min_serial(), document.channels());
    Listed { role: role.clone(), min_serial, channels, versions: versions.collect() }
}
