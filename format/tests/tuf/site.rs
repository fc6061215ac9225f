//! A repository in memory whose every part a test can bend before it is signed and after.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use edeploy_format::name::Role;
use edeploy_format::tuf::*;
use serde_json::Map;

/// The moment at which the tests live, and the one at which their metadata expires.
pub(crate) const NOW: &str = "2026-11-20T18:00:00Z";
pub(crate) const LATER: &str = "2026-11-27T18:00:00Z";

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub(crate) fn web() -> Role {
    "web".parse().unwrap()
}

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn id(seed: u8) -> KeyId {
    public(seed).id().unwrap()
}

pub(crate) fn public(seed: u8) -> Key {
    Key::from(&key(seed).verifying_key())
}

pub(crate) const ROOT: u8 = 1;
pub(crate) const TIMESTAMP: u8 = 2;
pub(crate) const SNAPSHOT: u8 = 3;
pub(crate) const TARGETS: u8 = 4;
pub(crate) const WEB: u8 = 5;

/// Changes the bytes of a file after it was signed, and before the file above lists it.
pub(crate) type Bend = fn(Vec<u8>) -> Vec<u8>;

/// The documents, who signs each, and what is done to the bytes.
#[derive(Clone)]
pub(crate) struct Site {
    pub root: Root,
    pub timestamp: Timestamp,
    pub snapshot: Snapshot,
    pub targets: Targets,
    pub role: Targets,
    pub signers: BTreeMap<&'static str, Vec<u8>>,
    pub bend: BTreeMap<&'static str, Bend>,
}

/// The files of a site as a client fetches them.
#[derive(Clone)]
pub(crate) struct Files {
    pub root: Vec<u8>,
    pub timestamp: Vec<u8>,
    pub snapshot: Vec<u8>,
    pub targets: Vec<u8>,
    pub role: Vec<u8>,
}

pub(crate) fn custom() -> serde_json::Value {
    serde_json::json!({
        "blake3": "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
        "size": 3, "serial": 7, "architecture": "amd64", "built": 1_795_190_000,
    })
}

impl Site {
    pub(crate) fn new() -> Self {
        let keys = [ROOT, TIMESTAMP, SNAPSHOT, TARGETS].map(|seed| (id(seed), public(seed)));
        let one = |seed| RoleKeys::new([id(seed)], 1);
        let root = Root {
            common: Common::new::<Root>(1, at(LATER)),
            consistent_snapshot: true,
            keys: keys.into(),
            roles: RootRoles {
                root: one(ROOT),
                snapshot: one(SNAPSHOT),
                targets: one(TARGETS),
                timestamp: one(TIMESTAMP),
            },
            extra: Map::new(),
        };
        let mut targets = Targets::empty(Common::new::<Targets>(1, at(LATER)));
        let delegation = Delegation::of(&web(), one(WEB));
        targets.delegations = Some(Delegations {
            keys: [(id(WEB), public(WEB))].into(),
            roles: vec![delegation],
            extra: Map::new(),
        });
        let mut role = Targets::empty(Common::new::<Targets>(1, at(LATER)));
        let manifest = Target::new(3, Sha256::of(b"abc"), Some(&custom()));
        role.targets.insert("web@D12-1.0.0@manifest".to_owned(), manifest);
        role.policy = Some(Policy { min_serial: 3, extra: Map::new() });
        let snapshot = Snapshot {
            common: Common::new::<Snapshot>(1, at(LATER)),
            meta: BTreeMap::new(),
            extra: Map::new(),
        };
        let timestamp = Timestamp {
            common: Common::new::<Timestamp>(1, at(LATER)),
            meta: BTreeMap::new(),
            issued: Some(Issued { issued: at("2026-11-20T17:00:00Z"), extra: Map::new() }),
            extra: Map::new(),
        };
        let signers = [
            ("root", vec![ROOT]),
            ("timestamp", vec![TIMESTAMP]),
            ("snapshot", vec![SNAPSHOT]),
            ("targets", vec![TARGETS]),
            ("role", vec![WEB]),
        ];
        Self { root, timestamp, snapshot, targets, role, signers: signers.into(), bend: BTreeMap::new() }
    }

    /// Raises every version but the root's.
    pub(crate) fn advanced(&self, to: u64) -> Self {
        let mut site = self.clone();
        site.timestamp.common.version = to;
        site.snapshot.common.version = to;
        site.targets.common.version = to;
        site.role.common.version = to;
        site
    }

    fn file<T: Signed>(&self, name: &'static str, document: &T) -> Vec<u8> {
        let keys: Vec<SigningKey> = self.signers[name].iter().map(|seed| key(*seed)).collect();
        let bytes = sign(document, &keys.iter().collect::<Vec<_>>()).unwrap();
        match self.bend.get(name) {
            Some(bend) => bend(bytes),
            None => bytes,
        }
    }

    /// Signs everything, from below: each file lists what is below it.
    pub(crate) fn publish(&self) -> Files {
        let mut site = self.clone();
        let role = self.file("role", &self.role);
        let targets = self.file("targets", &self.targets);
        let list = |meta: &mut BTreeMap<String, MetaFile>, name: &str, version, bytes: &[u8]| {
            meta.entry(name.to_owned()).or_insert_with(|| MetaFile::of(version, bytes));
        };
        let meta = &mut site.snapshot.meta;
        list(meta, "role-web.json", self.role.common.version, &role);
        list(meta, "targets.json", self.targets.common.version, &targets);
        let snapshot = site.file("snapshot", &site.snapshot);
        let version = self.snapshot.common.version;
        list(&mut site.timestamp.meta, "snapshot.json", version, &snapshot);
        let timestamp = site.file("timestamp", &site.timestamp);
        Files { root: self.file("root", &self.root), timestamp, snapshot, targets, role }
    }
}

impl Files {
    /// Walks the whole chain as a client that has `seen` these files before, at `now`.
    pub(crate) fn walk(
        &self,
        seen: Option<&Self>,
        now: &str,
    ) -> Result<(TrustedTargets, TrustedRole), TufError> {
        self.walk_from(TrustedRoot::anchor(&self.root)?, seen, now)
    }

    pub(crate) fn walk_from(
        &self,
        root: TrustedRoot,
        seen: Option<&Self>,
        now: &str,
    ) -> Result<(TrustedTargets, TrustedRole), TufError> {
        let kept = |file: fn(&Self) -> &Vec<u8>| seen.map(|s| vec![file(s).clone()]).unwrap_or_default();
        let seen = root.seen(&kept(|s| &s.timestamp), &kept(|s| &s.snapshot));
        let timestamp = root.timestamp(&self.timestamp, &seen, Expiry::At(at(now)))?;
        let snapshot = timestamp.snapshot(&self.snapshot, &seen)?;
        let targets = snapshot.targets(&self.targets)?;
        let role = targets.role(&web(), &self.role)?;
        Ok((targets, role))
    }
}

/// An error with all its causes, as a program prints it.
pub(crate) fn chain(error: &TufError) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
