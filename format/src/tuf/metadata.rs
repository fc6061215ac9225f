//! The signed parts of root, timestamp and snapshot. (Targets have a file of their own.)
//!
//! Unknown fields are ignored in what is decided and kept in what is written again.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::Fault;
use super::hash::Sha256;
use super::key::{Key, KeyId, RoleKeys};
use super::rules::Rules;
use super::target::Hashes;
use super::time::Time;
use super::{SPEC_VERSION, VERSION_LIMIT};

/// One of the four kinds of signed document.
pub trait Signed: Serialize + DeserializeOwned {
    /// The value of `_type`, and the name of the top-level file.
    const TYPE: &'static str;
    /// No file of this kind is longer, in bytes.
    const LIMIT: u64;
    /// The command that gives it a new date.
    const RENEWED_BY: &'static str;

    /// The fields that all four have.
    fn common(&self) -> &Common;

    /// What can be wrong beyond the form.
    ///
    /// # Errors
    /// The [`Fault`] found.
    fn check(&self, rules: &dyn Rules) -> Result<(), Fault>;
}

/// What every signed part begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// `root`, `timestamp`, `snapshot` or `targets`.
    #[serde(rename = "_type")]
    pub kind: String,
    /// The version of the specification it follows.
    pub spec_version: String,
    /// Grows with every change.
    pub version: u64,
    /// Not used from this moment on.
    pub expires: Time,
}

impl Common {
    /// Version `version` of a `T`, good until `expires`.
    #[must_use]
    pub fn new<T: Signed>(version: u64, expires: Time) -> Self {
        Self { kind: T::TYPE.to_owned(), spec_version: SPEC_VERSION.to_owned(), version, expires }
    }

    pub(super) fn check<T: Signed>(&self) -> Result<(), Fault> {
        if self.kind != T::TYPE {
            return Err(Fault::Type { expected: T::TYPE, found: self.kind.chars().take(40).collect() });
        }
        let numbers: Vec<&str> = self.spec_version.split('.').collect();
        let plain = numbers.iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        if !plain || !matches!(numbers.len(), 2 | 3) || numbers[0] != "1" {
            return Err(Fault::SpecVersion(self.spec_version.chars().take(40).collect()));
        }
        check_version(self.version)
    }
}

fn check_version(version: u64) -> Result<(), Fault> {
    if (1..=VERSION_LIMIT).contains(&version) { Ok(()) } else { Err(Fault::Version(version)) }
}

/// The keys of the four top-level files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRoles {
    /// Of root itself.
    pub root: RoleKeys,
    /// Of the snapshot.
    pub snapshot: RoleKeys,
    /// Of targets.
    pub targets: RoleKeys,
    /// Of the timestamp.
    pub timestamp: RoleKeys,
}

impl RootRoles {
    /// All four.
    pub fn all(&self) -> [&RoleKeys; 4] {
        [&self.root, &self.snapshot, &self.targets, &self.timestamp]
    }
}

/// The signed part of `root.json`: which keys may sign what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Type, version, expiry.
    #[serde(flatten)]
    pub common: Common,
    /// Whether files carry their version or hash in their name; under [`super::Profile`] always.
    #[serde(default)]
    pub consistent_snapshot: bool,
    /// All keys, by identifier.
    pub keys: BTreeMap<KeyId, Key>,
    /// Who signs what.
    pub roles: RootRoles,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Signed for Root {
    const TYPE: &'static str = "root";
    const LIMIT: u64 = 512 << 10;
    const RENEWED_BY: &'static str = "rolebuild root rotate";

    fn common(&self) -> &Common {
        &self.common
    }

    fn check(&self, rules: &dyn Rules) -> Result<(), Fault> {
        rules.root(self)
    }
}

/// What one file lists about another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaFile {
    /// Its version.
    pub version: u64,
    /// Its length in bytes. We always write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Its hashes. We always write them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl MetaFile {
    /// What is listed about version `version`, which is `bytes`.
    #[must_use]
    pub fn of(version: u64, bytes: &[u8]) -> Self {
        let hashes = Some(Hashes::new(Sha256::of(bytes)));
        Self { version, length: Some(bytes.len() as u64), hashes, extra: Map::new() }
    }

    /// Whether `bytes` are what is listed.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), Fault> {
        let found = bytes.len() as u64;
        if let Some(expected) = self.length
            && expected != found
        {
            return Err(Fault::Length { expected, found });
        }
        let found = Sha256::of(bytes);
        match &self.hashes {
            Some(hashes) if hashes.sha256 != found => Err(Fault::Hash { expected: hashes.sha256, found }),
            Some(_) | None => Ok(()),
        }
    }
}

fn check_listed(meta: &BTreeMap<String, MetaFile>) -> Result<(), Fault> {
    meta.values().try_for_each(|file| check_version(file.version))
}

/// This project's own field of a timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// When it was signed: no host's clock may be before it.
    pub issued: Time,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// The signed part of `timestamp.json`: which snapshot is the present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timestamp {
    /// Type, version, expiry.
    #[serde(flatten)]
    pub common: Common,
    /// Lists `snapshot.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// When it was signed.
    #[serde(rename = "x-edeploy", default, skip_serializing_if = "Option::is_none")]
    pub issued: Option<Issued>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Timestamp {
    /// The present snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &MetaFile {
        self.meta.get("snapshot.json").expect("checked when it was read")
    }

    /// When it was signed; never after it expires, whatever it says.
    #[must_use]
    pub fn issued(&self) -> Option<Time> {
        self.issued.as_ref().map(|x| x.issued.min(self.common.expires))
    }
}

impl Signed for Timestamp {
    const TYPE: &'static str = "timestamp";
    const LIMIT: u64 = 16 << 10;
    const RENEWED_BY: &'static str = "rolebuild refresh";

    fn common(&self) -> &Common {
        &self.common
    }

    fn check(&self, _: &dyn Rules) -> Result<(), Fault> {
        if !self.meta.contains_key("snapshot.json") {
            return Err(Fault::NotListed("snapshot.json".to_owned()));
        }
        check_listed(&self.meta)
    }
}

/// The signed part of `snapshot.json`: which versions of all targets files belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Type, version, expiry.
    #[serde(flatten)]
    pub common: Common,
    /// Lists `targets.json` and every `role-<name>.json`.
    pub meta: BTreeMap<String, MetaFile>,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Signed for Snapshot {
    const TYPE: &'static str = "snapshot";
    const LIMIT: u64 = 1 << 20;
    const RENEWED_BY: &'static str = "rolebuild refresh --all";

    fn common(&self) -> &Common {
        &self.common
    }

    fn check(&self, _: &dyn Rules) -> Result<(), Fault> {
        check_listed(&self.meta)
    }
}
