//! Changing what is published: every file is signed and laid down before the timestamp names it.
//!
//! A run that is cut off leaves files that nothing names; the next run writes the same names again. Clients see
//! the old state or the new one, as the timestamp is renamed into place last. Only a new root comes after it: until
//! then the files carry the signatures of the keys before it as well, so clients with either root accept them.

use std::collections::BTreeMap;

use edeploy_format::name::Role;
use edeploy_format::tuf::{
    Common, Issued, MetaFile, RoleKeys, Root, Signed, Snapshot, Targets, Time, Timestamp, delegated,
};
use serde_json::Map;

use super::sign::sign;
use super::{ROOT, Site, SiteError, State, TIMESTAMP};
use crate::durable;
use crate::keys::Keys;

/// For how many days what is signed now is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// The root.
    pub root: u32,
    /// `targets.json` and the metadata of roles.
    pub targets: u32,
    /// The snapshot.
    pub snapshot: u32,
    /// The timestamp.
    pub timestamp: u32,
}

/// What is to be signed anew. Versions and dates are set when it is committed; the timestamp changes with anything but a
/// root alone.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The next root.
    pub root: Option<Root>,
    /// The next `targets.json`.
    pub targets: Option<Targets>,
    /// The next metadata of roles.
    pub roles: BTreeMap<Role, Targets>,
    /// Whether to sign a snapshot although nothing it lists changed.
    pub snapshot: bool,
}

/// Signs with the keys of now and, where they are at hand, those of before.
struct Pen<'a> {
    keys: &'a Keys,
    now: Time,
}

impl Pen<'_> {
    fn sign<T: Signed>(
        &self,
        file: &str,
        document: &T,
        wanted: &RoleKeys,
        before: &[&RoleKeys],
    ) -> Result<Vec<u8>, SiteError> {
        let mut signers = self.keys.signers(file, wanted)?;
        signers.extend(before.iter().flat_map(|before| self.keys.present(before)));
        sign(file, document, &signers)
    }

    fn next<T: Signed>(&self, before: u64, days: u32) -> Common {
        Common::new::<T>(before + 1, self.now.plus_days(days))
    }
}

impl Site {
    /// Signs what `draft` holds, and everything that lists it, and publishes it.
    ///
    /// # Errors
    /// [`SiteError`]; clients see the state before then.
    pub fn commit(
        &mut self,
        draft: Draft,
        keys: &Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<(), SiteError> {
        let pen = Pen { keys, now };
        let (old, new_root) = (&self.state.chain, draft.root.as_ref());
        let old_roles = &old.root().roles;
        let roles = new_root.map_or(old_roles, |root| &root.roles);
        let mut files = Vec::new();
        let mut listed = old.snapshot().meta.clone();
        let mut list = |name: &str, version: u64, bytes: Vec<u8>| {
            listed.insert(format!("{name}.json"), MetaFile::of(version, &bytes));
            files.push((format!("{version}.{name}.json"), bytes));
        };

        let targets = draft.targets.as_ref().unwrap_or(old.targets());
        for (role, mut document) in draft.roles {
            let before = self.state.roles.get(&role).map_or(0, |r| r.document().common.version);
            document.common = pen.next::<Targets>(before, lifetimes.targets);
            let wanted = &targets.delegation(&role).ok_or_else(|| SiteError::NoRole(role.clone()))?.keys;
            let before = old.targets().delegation(&role).map(|delegation| &delegation.keys);
            let name = delegated(&role);
            let bytes = pen.sign(&name, &document, wanted, before.as_slice())?;
            list(&name, document.common.version, bytes);
        }
        if let Some(mut document) = draft.targets.clone() {
            document.common = pen.next::<Targets>(old.targets().common.version, lifetimes.targets);
            let bytes = pen.sign("targets", &document, &roles.targets, &[&old_roles.targets])?;
            list("targets", document.common.version, bytes);
        }

        let snapshot_version = old.snapshot().common.version;
        let mut snapshot = old.timestamp().snapshot().clone();
        if !files.is_empty() || draft.snapshot {
            let common = pen.next::<Snapshot>(snapshot_version, lifetimes.snapshot);
            let document = Snapshot { common, meta: listed, extra: old.snapshot().extra.clone() };
            let bytes = pen.sign("snapshot", &document, &roles.snapshot, &[&old_roles.snapshot])?;
            snapshot = MetaFile::of(snapshot_version + 1, &bytes);
            files.push((format!("{}.snapshot.json", snapshot_version + 1), bytes));
        }
        // A root alone can be signed where no online key is.
        if new_root.is_none() || !files.is_empty() || roles.timestamp != old_roles.timestamp {
            let timestamp = next_timestamp(&self.state, &pen, lifetimes, snapshot);
            let bytes = pen.sign("timestamp", &timestamp, &roles.timestamp, &[&old_roles.timestamp])?;
            files.push((TIMESTAMP.to_owned(), bytes));
        }
        if let Some(root) = draft.root {
            files.extend(next_root(&self.state, &pen, lifetimes, root)?);
        }

        let folder = self.metadata();
        files.iter().try_for_each(|(name, bytes)| durable::write(&folder, name, bytes, 0o644))?;
        self.state = State::read(&self.folder)?;
        Ok(())
    }
}

fn next_timestamp(state: &State, pen: &Pen, lifetimes: Lifetimes, snapshot: MetaFile) -> Timestamp {
    let old = state.chain.timestamp();
    Timestamp {
        common: pen.next::<Timestamp>(old.common.version, lifetimes.timestamp),
        meta: [("snapshot.json".to_owned(), snapshot)].into(),
        issued: Some(Issued { issued: pen.now, extra: Map::new() }),
        extra: old.extra.clone(),
    }
}

/// The root and its copy, signed by enough of the keys of the root before it and of its own.
fn next_root(
    state: &State,
    pen: &Pen,
    lifetimes: Lifetimes,
    mut root: Root,
) -> Result<[(String, Vec<u8>); 2], SiteError> {
    let old = state.chain.root();
    root.common = pen.next::<Root>(old.common.version, lifetimes.root);
    pen.keys.signers("root", &old.roles.root)?;
    let bytes = pen.sign("root", &root, &root.roles.root, &[&old.roles.root])?;
    Ok([(format!("{}.root.json", root.common.version), bytes.clone()), (ROOT.to_owned(), bytes)])
}
