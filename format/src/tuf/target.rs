//! The signed part of `targets.json` and of each `role-<name>.json`: objects and delegations.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Fault;
use super::hash::Sha256;
use super::key::{Key, KeyId, RoleKeys};
use super::metadata::{Common, Signed};
use super::rules::Rules;
use crate::digest::Digest;
use crate::name::{Architecture, Role};

/// The hashes of a file. SHA-256 must be among them, and is the one that is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// Its SHA-256.
    pub sha256: Sha256,
    /// Hashes by other functions.
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

impl Hashes {
    /// SHA-256 alone.
    #[must_use]
    pub fn new(sha256: Sha256) -> Self {
        Self { sha256, others: Map::new() }
    }
}

/// One published object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Its length in bytes, as published.
    pub length: u64,
    /// Its hashes, as published.
    pub hashes: Hashes,
    /// What this project says about it: [`Contents`], [`Identity`] or nothing.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub custom: Map<String, Value>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Custom fields of an object that is compressed on the wire: what is in it; of a text that is compressed against
/// that of another version, what is in that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// BLAKE3 of the uncompressed bytes.
    pub blake3: Digest,
    /// Their length.
    pub size: u64,
}

/// A text and the one that it is compressed against have at most so many bytes together: a zstd frame looks back by no more.
pub const AGAINST_LIMIT: u64 = 8 << 20;

/// Custom fields of a manifest: enough to choose a version without fetching it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// What is in it.
    #[serde(flatten)]
    pub contents: Contents,
    /// As in the manifest's head.
    pub serial: u64,
    /// As in the manifest's head.
    pub architecture: Architecture,
    /// As in the manifest's head.
    pub built: u64,
}

impl Target {
    /// A target of that length and hash, with `custom` fields (anything that is a JSON object).
    #[must_use]
    pub fn new(length: u64, sha256: Sha256, custom: Option<&impl Serialize>) -> Self {
        let custom = match custom.map(serde_json::to_value) {
            Some(Ok(Value::Object(fields))) => fields,
            _ => Map::new(),
        };
        Self { length, hashes: Hashes::new(sha256), custom, extra: Map::new() }
    }

    /// Its name below `targets/`: the hash makes it unique for all time.
    #[must_use]
    pub fn file(&self, name: &str) -> String {
        format!("{}.{name}", self.hashes.sha256)
    }

    /// Its custom fields as `T`; `name` is for the message.
    ///
    /// # Errors
    /// [`Fault::Custom`].
    pub fn custom<T: DeserializeOwned>(&self, name: &str) -> Result<T, Fault> {
        T::deserialize(&self.custom).map_err(|source| Fault::Custom { target: name.to_owned(), source })
    }
}

/// A role whose files another key signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegation {
    /// `role-<name>`, or `fleet`.
    pub name: String,
    /// Who signs it.
    #[serde(flatten)]
    pub keys: RoleKeys,
    /// Whether no later delegation may speak about the same paths; here always.
    pub terminating: bool,
    /// What it may list; here always `<name>@*`, or, of `fleet`, what no server role can be called. Absent when the other form, by hash, is used.
    #[serde(default)]
    pub paths: Vec<String>,
}

impl Delegation {
    /// The delegation of a server role in this project's form.
    #[must_use]
    pub fn of(role: &Role, keys: RoleKeys) -> Self {
        let (name, paths) = (super::delegated(role), vec![super::pattern(role)]);
        Self { name, keys, terminating: true, paths }
    }

    /// The delegation of the fleet service, for plans alone.
    #[must_use]
    pub fn of_fleet(keys: RoleKeys) -> Self {
        let paths = vec![crate::fleet::PATTERN.to_owned()];
        Self { name: crate::fleet::DELEGATION.to_owned(), keys, terminating: true, paths }
    }

    /// Whether it is the delegation of the fleet service.
    #[must_use]
    pub fn is_fleet(&self) -> bool {
        self.name == crate::fleet::DELEGATION && self.terminating && self.paths == [crate::fleet::PATTERN]
    }

    /// The server role it is for; `None` when it is not in this project's form.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let role: Role = self.name.strip_prefix("role-")?.parse().ok()?;
        (self.terminating && self.paths == [super::pattern(&role)]).then_some(role)
    }
}

/// Delegated roles and their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delegations {
    /// All keys, by identifier.
    pub keys: BTreeMap<KeyId, Key>,
    /// The roles, in order.
    #[serde(default)]
    pub roles: Vec<Delegation>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// This project's own field of a delegated role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// No version with a lower serial may be installed.
    pub min_serial: u64,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The signed part of a targets file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Targets {
    /// Type, version, expiry.
    #[serde(flatten)]
    pub common: Common,
    /// Objects by name.
    pub targets: BTreeMap<String, Target>,
    /// Whose word counts for which names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
    /// The policy of a delegated role.
    #[serde(rename = "x-edeploy", default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Targets {
    /// A file that lists nothing.
    #[must_use]
    pub fn empty(common: Common) -> Self {
        Self { common, targets: BTreeMap::new(), delegations: None, policy: None, extra: Map::new() }
    }

    /// The least serial that may be installed.
    #[must_use]
    pub fn min_serial(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.min_serial)
    }

    /// The delegation of `role`.
    #[must_use]
    pub fn delegation(&self, role: &Role) -> Option<&Delegation> {
        let name = super::delegated(role);
        self.delegations.as_ref()?.roles.iter().find(|delegation| delegation.name == name)
    }

    /// The server roles delegated to.
    pub fn roles(&self) -> impl Iterator<Item = Role> {
        self.delegations.iter().flat_map(|all| &all.roles).filter_map(Delegation::role)
    }
}

impl Signed for Targets {
    const TYPE: &'static str = "targets";
    const LIMIT: u64 = 2 << 20;
    const RENEWED_BY: &'static str = "rolebuild refresh --all";

    fn common(&self) -> &Common {
        &self.common
    }

    fn check(&self, rules: &dyn Rules) -> Result<(), Fault> {
        rules.targets(self)
    }
}
