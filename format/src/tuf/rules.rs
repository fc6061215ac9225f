//! What a client demands beyond the workflow, and whose signatures it can check.
//!
//! The workflow is one; its [`Rules`] are two. [`Profile`] is this project's: what hosts and `rolebuild` take.
//! [`General`] is all that the specification allows, for clients of any repository: it is not in the host binary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::bins::{Succinct, hash_prefixes};
use super::error::Fault;
use super::key::{Key, KeyId, RoleKeys};
use super::matches;
use super::metadata::Root;
use super::target::{Delegation, Targets};

/// What a client demands of documents beyond the workflow.
pub trait Rules: Debug + Sync {
    /// The public key, whatever it is called, when `signature` is its signature of `message`.
    fn signer(&self, key: &Key, message: &[u8], signature: &[u8]) -> Option<Vec<u8>>;

    /// What is wrong with a root.
    ///
    /// # Errors
    /// The [`Fault`] found.
    fn root(&self, root: &Root) -> Result<(), Fault>;

    /// What is wrong with the delegations of any targets file.
    ///
    /// # Errors
    /// The [`Fault`] found.
    fn targets(&self, targets: &Targets) -> Result<(), Fault>;

    /// What is wrong with `targets.json` itself.
    ///
    /// # Errors
    /// The [`Fault`] found.
    fn top(&self, targets: &Targets) -> Result<(), Fault>;
}

/// This project's rules: Ed25519 only, each key under its own identifier, thresholds that can be reached, consistent
/// snapshots, and delegations of one form.
#[derive(Clone, Copy, Debug)]
pub struct Profile;

impl Rules for Profile {
    fn signer(&self, key: &Key, message: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        key.signed(message, signature)
    }

    fn root(&self, root: &Root) -> Result<(), Fault> {
        check_ids(&root.keys)?;
        root.roles.all().into_iter().try_for_each(reachable)?;
        if root.consistent_snapshot { Ok(()) } else { Err(Fault::Inconsistent) }
    }

    fn targets(&self, targets: &Targets) -> Result<(), Fault> {
        let Some(delegations) = &targets.delegations else { return Ok(()) };
        check_ids(&delegations.keys)?;
        delegations.roles.iter().try_for_each(|delegation| reachable(&delegation.keys))
    }

    /// Delegations in one form only, no name twice, and nothing listed that is a server role's: then
    /// every client, however it walks delegations, finds the same targets.
    fn top(&self, targets: &Targets) -> Result<(), Fault> {
        let mut names = BTreeSet::new();
        for delegation in targets.delegations.iter().flat_map(|all| &all.roles) {
            let (role, known) = (delegation.role(), delegation.is_fleet());
            if !(role.is_some() || known) || !names.insert(&delegation.name) {
                return Err(Fault::Delegation(delegation.name.clone()));
            }
            let Some(role) = role else { continue };
            if let Some(target) = targets.targets.keys().find(|target| matches(&role, target)) {
                return Err(Fault::Shadowed(target.clone()));
            }
        }
        Ok(())
    }
}

/// Each key must stand under its own identifier: one key could count twice otherwise.
fn check_ids(keys: &BTreeMap<KeyId, Key>) -> Result<(), Fault> {
    for (id, key) in keys {
        if key.ed25519().is_some() && key.id()? != *id {
            return Err(Fault::KeyId(id.clone()));
        }
    }
    Ok(())
}

/// Whether the threshold can be reached, and is not zero.
fn reachable(role: &RoleKeys) -> Result<(), Fault> {
    let keys = role.keyids.len();
    let reachable = usize::try_from(role.threshold).is_ok_and(|t| (1..=keys).contains(&t));
    if reachable { Ok(()) } else { Err(Fault::Threshold { threshold: role.threshold, keys }) }
}

/// Checks the signature (last) of a message (second) under a key: [`Rules::signer`].
pub type Signer = fn(&Key, &[u8], &[u8]) -> Option<Vec<u8>>;

/// The rules of the specification alone: identifiers are opaque, a threshold that cannot be reached only makes that
/// role unusable, names of files need not be versioned, and delegations have any form.
#[derive(Clone, Copy, Debug)]
pub struct General {
    /// For whatever kinds of keys the program brings code for.
    pub signer: Signer,
}

impl Rules for General {
    fn signer(&self, key: &Key, message: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        (self.signer)(key, message, signature)
    }

    fn root(&self, root: &Root) -> Result<(), Fault> {
        root.roles.all().into_iter().try_for_each(not_zero)
    }

    fn targets(&self, targets: &Targets) -> Result<(), Fault> {
        let Some(delegations) = &targets.delegations else { return Ok(()) };
        if let Some(bins) = Succinct::of(delegations)? {
            not_zero(&bins.keys)?;
            return if delegations.roles.is_empty() { Ok(()) } else { Err(Fault::form(&bins.name_prefix)) };
        }
        let mut names = BTreeSet::new();
        delegations.roles.iter().try_for_each(|delegation| {
            not_zero(&delegation.keys)?;
            let well =
                may_be_called(&delegation.name) && names.insert(&delegation.name) && one_form(delegation)?;
            if well { Ok(()) } else { Err(Fault::form(&delegation.name)) }
        })
    }

    fn top(&self, _: &Targets) -> Result<(), Fault> {
        Ok(())
    }
}

fn not_zero(role: &RoleKeys) -> Result<(), Fault> {
    match role.threshold {
        0 => Err(Fault::Threshold { threshold: 0, keys: role.keyids.len() }),
        _ => Ok(()),
    }
}

/// A delegated role of such a name would be kept in the place of another document.
fn may_be_called(name: &str) -> bool {
    !["", "root", "timestamp", "snapshot", "targets"].contains(&name)
}

/// By paths or by hash, never both.
fn one_form(delegation: &Delegation) -> Result<bool, Fault> {
    Ok(hash_prefixes(delegation)?.is_none() || delegation.paths.is_empty())
}
