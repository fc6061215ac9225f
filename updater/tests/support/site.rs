//! A signed site made by hand: what a build side publishes, without one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ed25519_dalek::SigningKey;
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::{
    Common, Contents, Delegation, Delegations, Identity, Issued, Key, MetaFile, Policy, RoleKeys, Root,
    RootRoles, Sha256, Snapshot, Target, Targets, Time, Timestamp, sign,
};

/// The day on which everything is published.
pub const NOW: u64 = 1_780_000_000;

/// A site in memory that can be published again and again with changes.
pub struct Site {
    /// The role.
    pub role: Role,
    /// When everything is published: [`NOW`] unless changed.
    pub now: u64,
    /// The architecture of all versions.
    pub architecture: String,
    /// The version number of all metadata but root.
    pub version: u64,
    /// Days after [`NOW`] on which the timestamp expires.
    pub timestamp_days: u32,
    /// The least serial.
    pub min_serial: u64,
    /// The seed of the key that may sign plans, if one may.
    pub fleet: Option<u8>,
    objects: BTreeMap<String, (Vec<u8>, Target)>,
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn keys(seed: u8) -> (Key, RoleKeys) {
    let key = Key::from(&key(seed).verifying_key());
    let id = key.id().unwrap();
    (key, RoleKeys::new([id], 1))
}

impl Site {
    pub fn new(role: &str) -> Self {
        let (role, objects) = (role.parse().unwrap(), BTreeMap::new());
        let architecture = "amd64".to_owned();
        let (timestamp_days, min_serial, fleet) = (7, 0, None);
        Self { role, now: NOW, architecture, version: 1, timestamp_days, min_serial, fleet, objects }
    }

    fn days(&self, days: u32) -> Time {
        Time::new(self.now).plus_days(days)
    }

    /// Adds a manifest with these bytes, compressed as it is published.
    pub fn manifest(&mut self, version: &str, serial: u64, text: &[u8]) {
        let contents = Contents { blake3: Digest::of(text), size: text.len() as u64 };
        let identity = Identity {
            contents,
            serial,
            architecture: self.architecture.parse().unwrap(),
            built: self.now - 1000,
        };
        self.packed(Object::Manifest, version, text, &identity);
    }

    /// Adds a compressed object with custom fields.
    pub fn packed(&mut self, object: Object<'_>, version: &str, text: &[u8], custom: &impl serde::Serialize) {
        self.add(object, version, zstd::encode_all(text, 3).unwrap(), Some(custom));
    }

    /// Adds an object as it is.
    pub fn add(
        &mut self,
        object: Object<'_>,
        version: &str,
        bytes: Vec<u8>,
        custom: Option<&impl serde::Serialize>,
    ) {
        self.add_as(self.name(object, version), bytes, custom);
    }

    /// The name of an object.
    pub fn name(&self, object: Object<'_>, version: &str) -> String {
        let version: Version = version.parse().unwrap();
        object.target(&self.role, &version)
    }

    /// Adds an object under this name.
    pub fn add_as(&mut self, name: String, bytes: Vec<u8>, custom: Option<&impl serde::Serialize>) {
        let target = Target::new(bytes.len() as u64, Sha256::of(&bytes), custom);
        self.objects.insert(name, (bytes, target));
    }

    /// Writes all of it below `folder`; what was there stays where names differ.
    pub fn publish(&self, folder: &Path) {
        fs::create_dir_all(folder.join("metadata")).unwrap();
        fs::create_dir_all(folder.join("targets")).unwrap();
        for (name, (bytes, target)) in &self.objects {
            fs::write(folder.join("targets").join(target.file(name)), bytes).unwrap();
        }
        let put = |name: String, bytes: &[u8]| fs::write(folder.join("metadata").join(name), bytes).unwrap();
        put("1.root.json".to_owned(), &root_of(self.now));
        let delegated = format!("role-{}", self.role);
        let (role, targets) = (self.role_targets(), self.top_targets());
        let n = self.version;
        put(format!("{n}.{delegated}.json"), &role);
        put(format!("{n}.targets.json"), &targets);
        let meta = BTreeMap::from([
            ("targets.json".to_owned(), MetaFile::of(n, &targets)),
            (format!("{delegated}.json"), MetaFile::of(n, &role)),
        ]);
        let common = Common::new::<Snapshot>(n, self.days(90));
        let snapshot = sign(&Snapshot { common, meta, extra: Default::default() }, &[&key(3)]).unwrap();
        put(format!("{n}.snapshot.json"), &snapshot);
        let meta = BTreeMap::from([("snapshot.json".to_owned(), MetaFile::of(n, &snapshot))]);
        let common = Common::new::<Timestamp>(n, self.days(self.timestamp_days));
        let issued = Some(Issued { issued: Time::new(self.now), extra: Default::default() });
        let timestamp = Timestamp { common, meta, issued, extra: Default::default() };
        put("timestamp.json".to_owned(), &sign(&timestamp, &[&key(4)]).unwrap());
    }

    fn role_targets(&self) -> Vec<u8> {
        let mut targets = Targets::empty(Common::new::<Targets>(self.version, self.days(90)));
        targets.targets =
            self.objects.iter().map(|(name, (_, target))| (name.clone(), target.clone())).collect();
        targets.policy = Some(Policy { min_serial: self.min_serial, extra: Default::default() });
        sign(&targets, &[&key(5)]).unwrap()
    }

    fn top_targets(&self) -> Vec<u8> {
        let mut targets = Targets::empty(Common::new::<Targets>(self.version, self.days(90)));
        let (key_, role_keys) = keys(5);
        targets.delegations = Some(Delegations {
            keys: BTreeMap::from([(key_.id().unwrap(), key_)]),
            roles: vec![Delegation::of(&self.role, role_keys)],
            extra: Default::default(),
        });
        if let (Some(seed), Some(delegations)) = (self.fleet, &mut targets.delegations) {
            let (key, role_keys) = keys(seed);
            delegations.keys.insert(key.id().unwrap(), key);
            delegations.roles.push(Delegation::of_fleet(role_keys));
        }
        sign(&targets, &[&key(2)]).unwrap()
    }
}

/// The first root: one key for each of the four.
pub fn root() -> Vec<u8> {
    root_of(NOW)
}

/// The same, signed on another day.
pub fn root_of(now: u64) -> Vec<u8> {
    let all: Vec<(Key, RoleKeys)> = (1..=4).map(keys).collect();
    let root = Root {
        common: Common::new::<Root>(1, Time::new(now).plus_days(365)),
        consistent_snapshot: true,
        keys: all.iter().map(|(key, _)| (key.id().unwrap(), key.clone())).collect(),
        roles: RootRoles {
            root: all[0].1.clone(),
            targets: all[1].1.clone(),
            snapshot: all[2].1.clone(),
            timestamp: all[3].1.clone(),
        },
        extra: Default::default(),
    };
    sign(&root, &[&key(1)]).unwrap()
}
