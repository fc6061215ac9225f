//! Every file of metadata, old ones too, against the keys that any root or delegation has named.
//!
//! Stricter than a host: each signature must be by a known key and be right, so that no byte can change unseen.

use std::collections::BTreeMap;
use std::path::Path;

use edeploy_format::name::Role;
use edeploy_format::tuf::{
    Envelope, Fault, Key, KeyId, Root, Signed, Snapshot, Targets, Timestamp, TrustedRoot,
};

use super::Report;
use crate::site::{self, METADATA, ROOT, SiteError, State, TIMESTAMP, files, named};

type Known = BTreeMap<KeyId, Key>;

/// What the name of a file says it is.
enum Name {
    Root(u64),
    Copy,
    Timestamp,
    Snapshot(u64),
    Targets(u64),
    Role(u64),
    Stranger,
}

fn parse(name: &str) -> Name {
    if name == ROOT {
        return Name::Copy;
    }
    if name == TIMESTAMP {
        return Name::Timestamp;
    }
    let parts = name.strip_suffix(".json").and_then(|stem| stem.split_once('.'));
    let Some((version, kind)) = parts.and_then(|(version, kind)| Some((version.parse().ok()?, kind))) else {
        return Name::Stranger;
    };
    match kind {
        "root" => Name::Root(version),
        "snapshot" => Name::Snapshot(version),
        "targets" => Name::Targets(version),
        _ => match kind.strip_prefix("role-") {
            Some(role) if role.parse::<Role>().is_ok() => Name::Role(version),
            Some(_) | None => Name::Stranger,
        },
    }
}

pub(super) fn check(folder: &Path, state: Option<&State>, report: &mut Report) -> Result<(), SiteError> {
    let all = files(folder, METADATA)?;
    let mut read = BTreeMap::new();
    for (name, length) in &all {
        read.insert(name.as_str(), site::read(folder, name, *length)?);
        report.read(*length);
    }
    let mut known = roots(&read, report);
    // Targets before roles: they name the keys of roles.
    let mut roles = Vec::new();
    for (name, bytes) in &read {
        match parse(name) {
            Name::Root(_) => {}
            Name::Copy => copy(&read, bytes, report),
            Name::Timestamp => drop(signed::<Timestamp>(name, None, bytes, &known, report)),
            Name::Snapshot(version) => {
                drop(signed::<Snapshot>(name, Some(version), bytes, &known, report));
            }
            Name::Targets(version) => {
                if let Some(targets) = signed::<Targets>(name, Some(version), bytes, &known, report) {
                    roles.extend(targets.delegations.into_iter().flat_map(|all| all.keys));
                }
            }
            Name::Role(_) => {}
            Name::Stranger => report.leftovers.push(format!("{METADATA}/{name}")),
        }
    }
    known.extend(roles);
    for (name, bytes) in &read {
        if let Name::Role(version) = parse(name) {
            drop(signed::<Targets>(name, Some(version), bytes, &known, report));
        }
    }
    if let Some(state) = state {
        let named = named(state);
        let unnamed = all.iter().map(|(name, _)| name).filter(|name| {
            let roots = matches!(parse(name), Name::Root(_) | Name::Stranger);
            !roots && !named.contains(*name)
        });
        report.leftovers.extend(unnamed.map(|name| format!("{METADATA}/{name}")));
    }
    Ok(())
}

/// The chain of roots from the oldest that is kept, and all keys they name.
fn roots(read: &BTreeMap<&str, Vec<u8>>, report: &mut Report) -> Known {
    let mut versions: Vec<u64> = Vec::new();
    versions.extend(read.keys().filter_map(|name| match parse(name) {
        Name::Root(version) => Some(version),
        _ => None,
    }));
    versions.sort_unstable();
    let mut known = Known::new();
    let mut before: Option<TrustedRoot> = None;
    for version in versions {
        let name = format!("{version}.root.json");
        let bytes = &read[name.as_str()];
        let root = match &before {
            None => TrustedRoot::anchor(bytes),
            Some(before) => before.next(bytes),
        };
        match root {
            Ok(root) => {
                known.extend(root.root().keys.clone());
                drop(signed::<Root>(&name, Some(version), bytes, &known, report));
                before = Some(root);
            }
            Err(error) => report.failed(format!("{METADATA}/{name}"), &error.fault),
        }
    }
    known
}

/// `root.json` is the newest root.
fn copy(read: &BTreeMap<&str, Vec<u8>>, bytes: &[u8], report: &mut Report) {
    let version = |name: &str| match parse(name) {
        Name::Root(version) => version,
        _ => 0,
    };
    let newest = read.iter().max_by_key(|(name, _)| version(name));
    if newest.is_some_and(|(_, newest)| newest != bytes) {
        report.found(format!("{METADATA}/{ROOT}"), "is not a copy of the newest root");
    }
}

/// The document in `bytes`, when every signature is by a known key and right.
fn signed<T: Signed>(
    name: &str,
    version: Option<u64>,
    bytes: &[u8],
    known: &Known,
    report: &mut Report,
) -> Option<T> {
    match open::<T>(version, bytes, known) {
        Ok(document) => Some(document),
        Err(fault) => {
            report.failed(format!("{METADATA}/{name}"), &fault);
            None
        }
    }
}

fn open<T: Signed>(version: Option<u64>, bytes: &[u8], known: &Known) -> Result<T, Fault> {
    let envelope = Envelope::parse(bytes)?;
    let signers: Vec<&KeyId> = envelope.signers().collect();
    let mut distinct = signers.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let right = |id: &&KeyId| {
        let key = known.get(*id).and_then(Key::ed25519);
        key.is_some_and(|key| envelope.is_signed_by(id, &key))
    };
    let valid = distinct.into_iter().filter(right).count();
    if valid == 0 || valid != signers.len() {
        return Err(Fault::Signatures { valid, threshold: signers.len().max(1) as u64 });
    }
    let document: T = envelope.read()?;
    match (version, document.common().version) {
        (Some(expected), found) if expected != found => Err(Fault::NotThatVersion { expected, found }),
        (Some(_) | None, _) => Ok(document),
    }
}
