//! The client workflow: each step is a type, made from the one before and bytes that hold.

use super::envelope::{Listing, Verified};
use super::error::{Fault, TufError};
use super::metadata::{Root, Signed, Snapshot, Timestamp};
use super::seen::{Kept, Seen, newest, not_older, rollback};
use super::target::{Identity, Target, Targets};
use super::time::Time;
use super::{delegated, matches};
use crate::name::{Role, Version};

/// Whether dates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// What expires at this time or before is refused. The caller has put its bounds on the clock.
    At(Time),
    /// Dates are not looked at: for metadata that was accepted once (rolling back, `verify`), and
    /// on the build side, which must be able to renew.
    Ignored,
}

impl Expiry {
    fn check<T: Signed>(self, file: &str, document: &Verified<T>) -> Result<(), TufError> {
        let expires = document.common().expires;
        match self {
            Self::At(now) if now >= expires => {
                Err(Fault::Expired { expires, now, renew: T::RENEWED_BY }.of(file))
            }
            Self::At(_) | Self::Ignored => Ok(()),
        }
    }

    /// The clock cannot be before what a believed document says.
    fn not_before(self, bound: Option<Time>) -> Self {
        match (self, bound) {
            (Self::At(now), Some(bound)) => Self::At(now.max(bound)),
            (Self::At(_), None) | (Self::Ignored, _) => self,
        }
    }
}

/// A root that is believed: because it was handed in as such, or because the one before signed it.
#[derive(Clone, Debug)]
pub struct TrustedRoot(Verified<Root>);

impl TrustedRoot {
    /// The anchor: a root that came by a trusted way. It must be signed by its own keys.
    ///
    /// # Errors
    /// Any [`Fault`] of form or signature; a root may be expired here.
    pub fn anchor(bytes: &[u8]) -> Result<Self, TufError> {
        let root = Verified::<Root>::opened(bytes, |envelope| {
            // There is no one above: only its own word says which keys are its own.
            let own: Root = envelope.read()?;
            envelope.check(&own.keys, &own.roles.root)
        });
        root.map(Self).map_err(|fault| fault.of("root.json"))
    }

    /// The name of the root that would come next.
    #[must_use]
    pub fn next_listing(&self) -> Listing {
        let version = self.0.common.version + 1;
        Listing { file: format!("{version}.root.json"), limit: Root::LIMIT, sha256: None }
    }

    /// The root that comes next: signed by the keys of this one and by its own.
    ///
    /// # Errors
    /// Any [`Fault`] of form, signature or version; a root on the way may be expired.
    pub fn next(&self, bytes: &[u8]) -> Result<Self, TufError> {
        let expected = self.0.common.version + 1;
        let root = Verified::<Root>::opened(bytes, |envelope| {
            envelope.check(&self.0.keys, &self.0.roles.root)?;
            let new: Root = envelope.read()?;
            envelope.check(&new.keys, &new.roles.root)
        });
        let root = root.and_then(|root| match root.common.version {
            found if found == expected => Ok(root),
            found => Err(Fault::NotThatVersion { expected, found }),
        });
        root.map(Self).map_err(|fault| fault.of(&format!("{expected}.root.json")))
    }

    /// The document.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.0
    }

    /// What still counts of the timestamps and snapshots kept from before; the newest of each.
    ///
    /// Copies that do not parse are as good as absent. When all kept copies of either kind are
    /// signed by keys that this root does not name, those keys were replaced, and both kinds are
    /// forgotten: so a repository recovers from an attacker who made its versions jump.
    #[must_use]
    pub fn seen(&self, timestamps: &[Vec<u8>], snapshots: &[Vec<u8>]) -> Seen {
        let roles = &self.0.roles;
        let timestamp = newest(timestamps, |bytes| {
            Verified::<Timestamp>::opened(bytes, |e| e.check(&self.0.keys, &roles.timestamp))
        });
        let snapshot = newest(snapshots, |bytes| {
            Verified::<Snapshot>::opened(bytes, |e| e.check(&self.0.keys, &roles.snapshot))
        });
        match (timestamp, snapshot) {
            (Kept::Replaced, _) | (_, Kept::Replaced) => Seen::default(),
            (timestamp, snapshot) => Seen { timestamp: timestamp.document(), snapshot: snapshot.document() },
        }
    }

    /// The timestamp in `bytes`; when it is of the very version seen before, that one stays.
    ///
    /// # Errors
    /// Any [`Fault`] of form, signature or age; an expired root.
    pub fn timestamp(self, bytes: &[u8], seen: &Seen, expiry: Expiry) -> Result<TrustedTimestamp, TufError> {
        const FILE: &str = "timestamp.json";
        let expiry = expiry.not_before(seen.issued());
        expiry.check("root.json", &self.0)?;
        let offered = Verified::open(FILE, bytes, &self.0.keys, &self.0.roles.timestamp)?;
        let timestamp = not_older(offered, seen.timestamp.as_ref()).map_err(|fault| fault.of(FILE))?;
        expiry.check(FILE, &timestamp)?;
        let expiry = expiry.not_before(timestamp.issued());
        Ok(TrustedTimestamp { root: self, timestamp, expiry })
    }
}

/// Root and timestamp are believed: which snapshot is the present one is known.
#[derive(Clone, Debug)]
pub struct TrustedTimestamp {
    root: TrustedRoot,
    timestamp: Verified<Timestamp>,
    expiry: Expiry,
}

impl TrustedTimestamp {
    /// The snapshot that must be had.
    #[must_use]
    pub fn snapshot_listing(&self) -> Listing {
        Listing::of::<Snapshot>("snapshot", self.timestamp.snapshot())
    }

    /// The snapshot in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or one that takes back what was `seen`.
    pub fn snapshot(self, bytes: &[u8], seen: &Seen) -> Result<TrustedSnapshot, TufError> {
        const FILE: &str = "snapshot.json";
        let (keys, roles) = (&self.root.0.keys, &self.root.0.roles);
        self.timestamp.snapshot().check(bytes).map_err(|fault| fault.of(FILE))?;
        let snapshot = Verified::<Snapshot>::open(FILE, bytes, keys, &roles.snapshot)?;
        listed_version(&snapshot, self.timestamp.snapshot().version).map_err(|fault| fault.of(FILE))?;
        for (file, before) in seen.snapshot.iter().flat_map(|seen| &seen.meta) {
            let now = snapshot.meta.get(file).ok_or_else(|| Fault::Dropped(file.clone()).of(FILE))?;
            rollback(file, before.version, now.version).map_err(|fault| fault.of(FILE))?;
        }
        self.expiry.check(FILE, &snapshot)?;
        Ok(TrustedSnapshot { above: self, snapshot })
    }
}

fn listed_version<T: Signed>(document: &Verified<T>, expected: u64) -> Result<(), Fault> {
    let found = document.common().version;
    if found == expected { Ok(()) } else { Err(Fault::NotThatVersion { expected, found }) }
}

/// The snapshot is believed too: which versions of all targets files belong together is known.
#[derive(Clone, Debug)]
pub struct TrustedSnapshot {
    above: TrustedTimestamp,
    snapshot: Verified<Snapshot>,
}

impl TrustedSnapshot {
    fn listed(&self, name: &str) -> Result<&super::metadata::MetaFile, TufError> {
        let file = format!("{name}.json");
        self.snapshot.meta.get(&file).ok_or_else(|| Fault::NotListed(file).of("snapshot.json"))
    }

    /// The `targets.json` that must be had.
    ///
    /// # Errors
    /// [`Fault::NotListed`].
    pub fn targets_listing(&self) -> Result<Listing, TufError> {
        Ok(Listing::of::<Targets>("targets", self.listed("targets")?))
    }

    /// The `targets.json` in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or with a delegation outside the profile.
    pub fn targets(self, bytes: &[u8]) -> Result<TrustedTargets, TufError> {
        const FILE: &str = "targets.json";
        let root = &self.above.root.0;
        let targets = self.open(FILE, "targets", bytes, &root.keys, &root.roles.targets)?;
        profile(&targets).map_err(|fault| fault.of(FILE))?;
        Ok(TrustedTargets { above: self, targets })
    }

    fn open(
        &self,
        file: &str,
        name: &str,
        bytes: &[u8],
        keys: &std::collections::BTreeMap<super::KeyId, super::Key>,
        role: &super::RoleKeys,
    ) -> Result<Verified<Targets>, TufError> {
        let listed = self.listed(name)?;
        listed.check(bytes).map_err(|fault| fault.of(file))?;
        let targets = Verified::<Targets>::open(file, bytes, keys, role)?;
        listed_version(&targets, listed.version).map_err(|fault| fault.of(file))?;
        self.above.expiry.check(file, &targets)?;
        Ok(targets)
    }
}

/// Delegations in one form only, no name twice, and nothing listed that is a server role's: then
/// every client, however it walks delegations, finds the same targets.
fn profile(targets: &Targets) -> Result<(), Fault> {
    let mut names = std::collections::BTreeSet::new();
    for delegation in targets.delegations.iter().flat_map(|all| &all.roles) {
        let role = delegation.role().filter(|_| names.insert(&delegation.name));
        let role = role.ok_or_else(|| Fault::Delegation(delegation.name.clone()))?;
        if let Some(target) = targets.targets.keys().find(|target| matches(&role, target)) {
            return Err(Fault::Shadowed(target.clone()));
        }
    }
    Ok(())
}

/// `targets.json` is believed too: whose word counts for which server role is known.
#[derive(Clone, Debug)]
pub struct TrustedTargets {
    above: TrustedSnapshot,
    targets: Verified<Targets>,
}

impl TrustedTargets {
    /// The metadata of `role` that must be had.
    ///
    /// # Errors
    /// [`Fault::NoSuchRole`] or [`Fault::NotListed`].
    pub fn role_listing(&self, role: &Role) -> Result<Listing, TufError> {
        if self.targets.delegation(role).is_none() {
            return Err(Fault::NoSuchRole(role.clone()).of("targets.json"));
        }
        let name = delegated(role);
        Ok(Listing::of::<Targets>(&name, self.above.listed(&name)?))
    }

    /// The metadata of `role` in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or not signed by the key of that role.
    pub fn role(&self, role: &Role, bytes: &[u8]) -> Result<TrustedRole, TufError> {
        let no_role = || Fault::NoSuchRole(role.clone()).of("targets.json");
        let delegations = self.targets.delegations.as_ref().ok_or_else(no_role)?;
        let delegation = self.targets.delegation(role).ok_or_else(no_role)?;
        let (name, keys) = (delegated(role), &delegations.keys);
        let targets = self.above.open(&format!("{name}.json"), &name, bytes, keys, &delegation.keys)?;
        Ok(TrustedRole { role: role.clone(), targets })
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.above.above.root.0
    }

    /// The timestamp.
    #[must_use]
    pub fn timestamp(&self) -> &Verified<Timestamp> {
        &self.above.above.timestamp
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Verified<Snapshot> {
        &self.above.snapshot
    }

    /// `targets.json`.
    #[must_use]
    pub fn targets(&self) -> &Verified<Targets> {
        &self.targets
    }
}

/// A version that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub version: Version,
    /// What its manifest says about itself.
    pub identity: Identity,
}

/// The metadata of one server role is believed.
#[derive(Clone, Debug)]
pub struct TrustedRole {
    role: Role,
    targets: Verified<Targets>,
}

impl TrustedRole {
    /// The server role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The object `name`; `None` too when the role lists it and has no right to.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.targets.get(name).filter(|_| matches(&self.role, name))
    }

    /// All objects that the role lists and may list.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        let all = self.targets.targets.iter().map(|(name, target)| (name.as_str(), target));
        all.filter(|(name, _)| matches(&self.role, name))
    }

    /// The versions whose manifests the role lists, by serial. Names and custom fields that are not of
    /// this project's form are no versions.
    #[must_use]
    pub fn versions(&self) -> Vec<Listed> {
        let version = |name: &str| -> Option<Version> {
            let rest = name.strip_prefix(self.role.as_str())?.strip_prefix('@')?;
            rest.strip_suffix("@manifest")?.parse().ok()
        };
        let mut versions: Vec<Listed> = self
            .targets()
            .filter_map(|(name, target)| {
                Some(Listed { version: version(name)?, identity: target.custom(name).ok()? })
            })
            .collect();
        versions.sort_by(|a, b| (a.identity.serial, &a.version).cmp(&(b.identity.serial, &b.version)));
        versions
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Verified<Targets> {
        &self.targets
    }
}
