//! A new site: its first root, and files that list nothing.

use std::path::Path;

use edeploy_format::tuf::{
    Common, Delegations, Issued, KeyId, MetaFile, RoleKeys, Root, RootRoles, Signed, Snapshot, Targets, Time,
    Timestamp,
};
use serde_json::Map;

use super::sign::sign;
use super::{FIRST_ROOT, Lifetimes, METADATA, ROOT, SiteError, TARGETS, TIMESTAMP, lock};
use crate::durable;
use crate::keys::Keys;

/// How many root keys there are, and how many of them must sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootKeys {
    /// All of them.
    pub keys: usize,
    /// How many must sign.
    pub threshold: u64,
}

impl RootKeys {
    /// Whether there can be a root of this kind.
    pub(super) fn check(self) -> Result<(), SiteError> {
        let Self { keys, threshold } = self;
        let possible = usize::try_from(threshold).is_ok_and(|t| (1..=keys).contains(&t));
        if possible { Ok(()) } else { Err(SiteError::Threshold { threshold, keys }) }
    }
}

/// The label of the root key `n`, counted from 1.
pub(super) fn root_label(n: usize) -> String {
    if n == 1 { "root".to_owned() } else { format!("root-{n}") }
}

/// Makes a site in `folder` with the keys of `keys`, which are made where they are missing. May be run again when
/// it was cut off.
///
/// # Errors
/// [`SiteError::Exists`] when there is a site already, [`SiteError::Threshold`], and what else can fail.
pub fn init(
    folder: &Path,
    keys: &mut Keys,
    wanted: RootKeys,
    lifetimes: Lifetimes,
    now: Time,
) -> Result<(), SiteError> {
    wanted.check()?;
    let metadata = folder.join(METADATA);
    for folder in [folder, &metadata, &folder.join(TARGETS)] {
        durable::make_folder(folder)?;
    }
    let _lock = lock(folder)?;
    if metadata.join(TIMESTAMP).exists() {
        return Err(SiteError::Exists(folder.to_owned()));
    }

    let root = first_root(keys, wanted, Common::new::<Root>(1, now.plus_days(lifetimes.root)))?;
    let mut targets = Targets::empty(Common::new::<Targets>(1, now.plus_days(lifetimes.targets)));
    targets.delegations = Some(Delegations::default());
    let root_bytes = signed(keys, "root", &root, &root.roles.root)?;
    let targets_bytes = signed(keys, "targets", &targets, &root.roles.targets)?;
    let snapshot = Snapshot {
        common: Common::new::<Snapshot>(1, now.plus_days(lifetimes.snapshot)),
        meta: [("targets.json".to_owned(), MetaFile::of(1, &targets_bytes))].into(),
        extra: Map::new(),
    };
    let snapshot_bytes = signed(keys, "snapshot", &snapshot, &root.roles.snapshot)?;
    let timestamp = Timestamp {
        common: Common::new::<Timestamp>(1, now.plus_days(lifetimes.timestamp)),
        meta: [("snapshot.json".to_owned(), MetaFile::of(1, &snapshot_bytes))].into(),
        issued: Some(Issued { issued: now, extra: Map::new() }),
        extra: Map::new(),
    };
    let timestamp_bytes = signed(keys, "timestamp", &timestamp, &root.roles.timestamp)?;
    for (name, bytes) in [
        (FIRST_ROOT, &root_bytes),
        (ROOT, &root_bytes),
        ("1.targets.json", &targets_bytes),
        ("1.snapshot.json", &snapshot_bytes),
        (TIMESTAMP, &timestamp_bytes),
    ] {
        durable::write(&metadata, name, bytes, 0o644)?;
    }
    Ok(())
}

fn first_root(keys: &mut Keys, wanted: RootKeys, common: Common) -> Result<Root, SiteError> {
    let mut root: Vec<KeyId> = Vec::with_capacity(wanted.keys);
    for label in (1..=wanted.keys).map(root_label) {
        let id = keys.kept_or_made(&label)?;
        if root.contains(&id) {
            return Err(SiteError::Twice(label));
        }
        root.push(id);
    }
    let root = RoleKeys::new(root, wanted.threshold);
    let mut one = |label: &str| keys.kept_or_made(label).map(|id| RoleKeys::new([id], 1));
    let roles = RootRoles {
        root,
        targets: one("targets")?,
        snapshot: one("snapshot")?,
        timestamp: one("timestamp")?,
    };
    let ids = roles.all().into_iter().flat_map(|role| role.keyids.clone());
    let public = ids.filter_map(|id| keys.public(&id).map(|key| (id, key))).collect();
    Ok(Root { common, consistent_snapshot: true, keys: public, roles, extra: Map::new() })
}

fn signed<T: Signed>(keys: &Keys, file: &str, document: &T, role: &RoleKeys) -> Result<Vec<u8>, SiteError> {
    let signers = keys.signers(file, role)?;
    sign(file, document, &signers)
}
