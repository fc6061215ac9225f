//! New keys, and a new root that names them.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use edeploy_format::name::Role;
use edeploy_format::tuf::{Delegation, Key, KeyId, RoleKeys, Root, Targets, Time, delegated};

use super::init::root_label;
use super::{Draft, Lifetimes, RootKeys, Site, SiteError};
use crate::keys::Keys;

/// Whose key is replaced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replace {
    /// All root keys.
    Root,
    /// The key of `targets.json`.
    Targets,
    /// The key of the snapshot.
    Snapshot,
    /// The key of the timestamp.
    Timestamp,
    /// The key of a server role.
    Role(Role),
}

impl FromStr for Replace {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        match text {
            "root" => Ok(Self::Root),
            "targets" => Ok(Self::Targets),
            "snapshot" => Ok(Self::Snapshot),
            "timestamp" => Ok(Self::Timestamp),
            other => {
                let role = other.strip_prefix("role-").and_then(|role| role.parse().ok());
                role.map(Self::Role).ok_or_else(|| SiteError::NoSuchKey(other.to_owned()))
            }
        }
    }
}

/// Whose keys are replaced, and by which: names of keys that are there, in order; new ones are made for the rest.
pub type Replacements = BTreeMap<Replace, Vec<String>>;

/// `NAME` or `NAME=KEY,…`, as it is typed.
///
/// # Errors
/// [`SiteError::NoSuchKey`], or [`SiteError::OneKey`] for more keys than one where one signs.
pub fn replacement(text: &str) -> Result<(Replace, Vec<String>), SiteError> {
    let (what, keys) = text.split_once('=').map_or((text, ""), |(what, keys)| (what, keys));
    let what: Replace = what.parse()?;
    let keys: Vec<String> = keys.split(',').filter(|key| !key.is_empty()).map(str::to_owned).collect();
    if what != Replace::Root && keys.len() > 1 {
        return Err(SiteError::OneKey(text.to_owned()));
    }
    Ok((what, keys))
}

/// What became of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The version of the new root.
    pub version: u64,
    /// Keys that were made.
    pub made: Vec<KeyId>,
}

/// Whose keys are replaced, and by which of those that are there.
type Resolved<'a> = BTreeMap<&'a Replace, Vec<KeyId>>;

/// Finds the keys that are named. A wrong name is found before any key is made.
fn resolve<'a>(replace: &'a Replacements, wanted: RootKeys, keys: &Keys) -> Result<Resolved<'a>, SiteError> {
    let mut resolved = Resolved::new();
    for (what, names) in replace {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let id = keys.named(name)?;
            if ids.contains(&id) {
                return Err(SiteError::Twice(name.clone()));
            }
            ids.push(id);
        }
        let (named, keys) = (ids.len(), wanted.keys);
        if *what == Replace::Root && named > keys {
            return Err(SiteError::Named { named, keys });
        }
        resolved.insert(what, ids);
    }
    Ok(resolved)
}

/// New keys on their way into a root.
struct Fresh<'a> {
    keys: &'a mut Keys,
    made: Vec<KeyId>,
}

impl Fresh<'_> {
    fn key(&mut self, label: &str) -> Result<KeyId, SiteError> {
        let id = self.keys.fresh(label)?;
        self.made.push(id.clone());
        Ok(id)
    }

    /// The key that is named, else a new one.
    fn one(&mut self, label: &str, named: &[KeyId]) -> Result<RoleKeys, SiteError> {
        let id = match named.first() {
            Some(id) => id.clone(),
            None => self.key(label)?,
        };
        Ok(RoleKeys::new([id], 1))
    }

    /// The root keys: those of before as far as they stay, or those that are named, then new ones.
    fn root(
        &mut self,
        before: &RoleKeys,
        named: Option<&Vec<KeyId>>,
        wanted: RootKeys,
    ) -> Result<RoleKeys, SiteError> {
        let before = || before.keyids.iter().take(wanted.keys).cloned().collect();
        let mut ids: Vec<KeyId> = named.cloned().unwrap_or_else(before);
        while ids.len() < wanted.keys {
            ids.push(self.key(&root_label(ids.len() + 1))?);
        }
        Ok(RoleKeys::new(ids, wanted.threshold))
    }
}

impl Site {
    /// Publishes a new root: with other keys for what `replace` names, with `root_keys` as the number of root keys
    /// and the threshold, and with a new date in any case.
    ///
    /// # Errors
    /// [`SiteError`]: a threshold that cannot be, a role that is not published, or keys that must sign and are not
    /// at hand.
    pub fn rotate(
        &mut self,
        replace: &Replacements,
        root_keys: RootKeys,
        keys: &mut Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<Rotated, SiteError> {
        let old: &Root = self.state.chain.root();
        root_keys.check()?;
        // Before any key is made: without these nothing can be signed.
        keys.signers("root", &old.roles.root)?;
        let replace = resolve(replace, root_keys, keys)?;
        for what in replace.keys() {
            if let Replace::Role(role) = what {
                self.state.role(role)?;
            }
        }

        let mut root = old.clone();
        let mut fresh = Fresh { keys, made: Vec::new() };
        root.roles.root = fresh.root(&old.roles.root, replace.get(&Replace::Root), root_keys)?;
        let mut draft = Draft::default();
        for (what, named) in &replace {
            match what {
                Replace::Root => {}
                Replace::Targets => {
                    root.roles.targets = fresh.one("targets", named)?;
                    draft.targets.get_or_insert_with(|| (**self.state.chain.targets()).clone());
                }
                Replace::Snapshot => {
                    root.roles.snapshot = fresh.one("snapshot", named)?;
                    draft.snapshot = true;
                }
                Replace::Timestamp => root.roles.timestamp = fresh.one("timestamp", named)?,
                Replace::Role(role) => {
                    let published = (**self.state.role(role)?.document()).clone();
                    draft.roles.insert(role.clone(), published);
                    let targets = draft.targets.get_or_insert_with(|| (**self.state.chain.targets()).clone());
                    delegate(targets, role, fresh.one(&delegated(role), named)?, fresh.keys);
                }
            }
        }
        let made = fresh.made;
        root.keys = root
            .roles
            .all()
            .into_iter()
            .flat_map(|role| &role.keyids)
            .filter_map(|id| Some((id.clone(), keys.public(id).or_else(|| old.keys.get(id).cloned())?)))
            .collect();
        draft.root = Some(root);
        self.commit(draft, keys, lifetimes, now)?;
        Ok(Rotated { version: self.state.chain.root().common.version, made })
    }
}

/// Lets `keys` alone speak for `role`, in place of those that did.
pub(crate) fn delegate(targets: &mut Targets, role: &Role, role_keys: RoleKeys, keys: &Keys) {
    let public: Vec<_> =
        role_keys.keyids.iter().filter_map(|id| Some((id.clone(), keys.public(id)?))).collect();
    put(targets, Delegation::of(role, role_keys), public);
}

/// Puts a delegation and its public keys in the place of the one of its name, and drops keys that nothing names.
pub(super) fn put(
    targets: &mut Targets,
    delegation: Delegation,
    keys: impl IntoIterator<Item = (KeyId, Key)>,
) {
    let delegations = targets.delegations.get_or_insert_default();
    delegations.keys.extend(keys);
    match delegations.roles.iter_mut().find(|other| other.name == delegation.name) {
        Some(other) => *other = delegation,
        None => delegations.roles.push(delegation),
    }
    let used: BTreeSet<&KeyId> = delegations.roles.iter().flat_map(|d| &d.keys.keyids).collect();
    delegations.keys.retain(|id, _| used.contains(id));
}
