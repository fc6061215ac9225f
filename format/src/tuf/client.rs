//! The client workflow: each step is a type, made from the one before and bytes that hold.

use super::delegated;
use super::envelope::{Listing, Signers, Verified};
use super::error::{Fault, TufError};
use super::key::RoleKeys;
use super::metadata::{MetaFile, Root, Signed, Snapshot, Timestamp};
use super::role::TrustedRole;
use super::rules::{Profile, Rules};
use super::seen::{Kept, Seen, newest, not_older, rollback};
use super::target::Targets;
use super::time::Time;
use crate::fleet::Plan;
use crate::name::Role;

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
pub struct TrustedRoot {
    root: Verified<Root>,
    rules: &'static dyn Rules,
}

impl TrustedRoot {
    /// The anchor: a root that came by a trusted way. It must be signed by its own keys.
    ///
    /// # Errors
    /// Any [`Fault`] of form or signature; a root may be expired here.
    pub fn anchor(bytes: &[u8]) -> Result<Self, TufError> {
        Self::anchor_under(&Profile, bytes)
    }

    /// The same, under other rules than [`Profile`]; they hold for all that follows from it.
    ///
    /// # Errors
    /// As [`TrustedRoot::anchor`].
    pub fn anchor_under(rules: &'static dyn Rules, bytes: &[u8]) -> Result<Self, TufError> {
        let root = Verified::<Root>::opened(bytes, rules, |envelope| {
            // There is no one above: only its own word says which keys are its own.
            let own: Root = envelope.read_under(rules)?;
            envelope.check(Signers { keys: &own.keys, role: &own.roles.root, rules })
        });
        root.map(|root| Self { root, rules }).map_err(|fault| fault.of("root.json"))
    }

    /// Whoever must have signed what `role` may sign.
    fn signers<'a>(&'a self, role: &'a RoleKeys) -> Signers<'a> {
        Signers { keys: &self.root.keys, role, rules: self.rules }
    }

    /// The name of the root that would come next.
    #[must_use]
    pub fn next_listing(&self) -> Listing {
        let version = self.root.common.version + 1;
        Listing { file: format!("{version}.root.json"), limit: Root::LIMIT }
    }

    /// The root that comes next: signed by the keys of this one and by its own.
    ///
    /// # Errors
    /// Any [`Fault`] of form, signature or version; a root on the way may be expired.
    pub fn next(&self, bytes: &[u8]) -> Result<Self, TufError> {
        let (expected, rules) = (self.root.common.version + 1, self.rules);
        let root = Verified::<Root>::opened(bytes, rules, |envelope| {
            envelope.check(self.signers(&self.root.roles.root))?;
            let new: Root = envelope.read_under(rules)?;
            envelope.check(Signers { keys: &new.keys, role: &new.roles.root, rules })
        });
        let root = root.and_then(|root| match root.common.version {
            found if found == expected => Ok(root),
            found => Err(Fault::NotThatVersion { expected, found }),
        });
        root.map(|root| Self { root, rules }).map_err(|fault| fault.of(&format!("{expected}.root.json")))
    }

    /// The document.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.root
    }

    /// What must be had as `name`, as the repository calls its files.
    fn listing<T: Signed>(&self, name: &str, meta: &MetaFile) -> Listing {
        Listing::of::<T>(name, meta, self.root.consistent_snapshot)
    }

    /// What still counts of the timestamps and snapshots kept from before; the newest of each.
    ///
    /// Copies that do not parse are as good as absent. When all kept copies of either kind are
    /// signed by keys that this root does not name, those keys were replaced, and both kinds are
    /// forgotten: so a repository recovers from an attacker who made its versions jump.
    #[must_use]
    pub fn seen(&self, timestamps: &[Vec<u8>], snapshots: &[Vec<u8>]) -> Seen {
        let roles = &self.root.roles;
        let timestamp = newest(timestamps, |bytes| {
            Verified::<Timestamp>::opened(bytes, self.rules, |e| e.check(self.signers(&roles.timestamp)))
        });
        let snapshot = newest(snapshots, |bytes| {
            Verified::<Snapshot>::opened(bytes, self.rules, |e| e.check(self.signers(&roles.snapshot)))
        });
        match (timestamp, snapshot) {
            (Kept::Replaced, _) | (_, Kept::Replaced) => Seen::default(),
            (timestamp, snapshot) => Seen { timestamp: timestamp.document(), snapshot: snapshot.document() },
        }
    }

    /// Whether the root itself may still be used, so that nothing else need be fetched if not.
    pub(super) fn must_be_fresh(&self, seen: &Seen, expiry: Expiry) -> Result<(), TufError> {
        expiry.not_before(seen.issued()).check("root.json", &self.root)
    }

    /// The timestamp in `bytes`; when it is of the very version seen before, that one stays.
    ///
    /// # Errors
    /// Any [`Fault`] of form, signature or age; an expired root.
    pub fn timestamp(self, bytes: &[u8], seen: &Seen, expiry: Expiry) -> Result<TrustedTimestamp, TufError> {
        const FILE: &str = "timestamp.json";
        self.must_be_fresh(seen, expiry)?;
        let expiry = expiry.not_before(seen.issued());
        let offered = Verified::open(FILE, bytes, self.signers(&self.root.roles.timestamp))?;
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
    pub(super) timestamp: Verified<Timestamp>,
    expiry: Expiry,
}

impl TrustedTimestamp {
    /// The snapshot that must be had.
    #[must_use]
    pub fn snapshot_listing(&self) -> Listing {
        self.root.listing::<Snapshot>("snapshot", self.timestamp.snapshot())
    }

    /// The snapshot in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or one that takes back what was `seen`.
    pub fn snapshot(self, bytes: &[u8], seen: &Seen) -> Result<TrustedSnapshot, TufError> {
        let snapshot = self.open_snapshot(bytes, seen)?;
        Ok(TrustedSnapshot { above: self, snapshot })
    }

    pub(super) fn open_snapshot(&self, bytes: &[u8], seen: &Seen) -> Result<Verified<Snapshot>, TufError> {
        const FILE: &str = "snapshot.json";
        self.timestamp.snapshot().check(bytes).map_err(|fault| fault.of(FILE))?;
        let snapshot =
            Verified::<Snapshot>::open(FILE, bytes, self.root.signers(&self.root.root.roles.snapshot))?;
        listed_version(&snapshot, self.timestamp.snapshot().version).map_err(|fault| fault.of(FILE))?;
        for (file, before) in seen.snapshot.iter().flat_map(|seen| &seen.meta) {
            let now = snapshot.meta.get(file).ok_or_else(|| Fault::Dropped(file.clone()).of(FILE))?;
            rollback(file, before.version, now.version).map_err(|fault| fault.of(FILE))?;
        }
        self.expiry.check(FILE, &snapshot)?;
        Ok(snapshot)
    }
}

fn listed_version<T: Signed>(document: &Verified<T>, expected: u64) -> Result<(), Fault> {
    let found = document.common().version;
    if found == expected { Ok(()) } else { Err(Fault::NotThatVersion { expected, found }) }
}

/// The snapshot is believed too: which versions of all targets files belong together is known.
#[derive(Clone, Debug)]
pub struct TrustedSnapshot {
    pub(super) above: TrustedTimestamp,
    pub(super) snapshot: Verified<Snapshot>,
}

impl TrustedSnapshot {
    fn listed(&self, name: &str) -> Result<&MetaFile, TufError> {
        let file = format!("{name}.json");
        self.snapshot.meta.get(&file).ok_or_else(|| Fault::NotListed(file).of("snapshot.json"))
    }

    /// What must be had of the targets file `name`, which is `encoded` in names of files.
    pub(super) fn listing(&self, name: &str, encoded: &str) -> Result<Listing, TufError> {
        Ok(self.above.root.listing::<Targets>(encoded, self.listed(name)?))
    }

    pub(super) fn rules(&self) -> &'static dyn Rules {
        self.above.root.rules
    }

    /// The `targets.json` that must be had.
    ///
    /// # Errors
    /// [`Fault::NotListed`].
    pub fn targets_listing(&self) -> Result<Listing, TufError> {
        self.listing("targets", "targets")
    }

    /// The `targets.json` in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or with a delegation outside the profile.
    pub fn targets(self, bytes: &[u8]) -> Result<TrustedTargets, TufError> {
        let targets = self.open_targets(bytes)?;
        Ok(TrustedTargets { above: self, targets })
    }

    pub(super) fn open_targets(&self, bytes: &[u8]) -> Result<Verified<Targets>, TufError> {
        const FILE: &str = "targets.json";
        let root = &self.above.root;
        let targets = self.open(FILE, "targets", bytes, root.signers(&root.root.roles.targets))?;
        self.rules().top(&targets).map_err(|fault| fault.of(FILE))?;
        Ok(targets)
    }

    pub(super) fn open(
        &self,
        file: &str,
        name: &str,
        bytes: &[u8],
        signers: Signers<'_>,
    ) -> Result<Verified<Targets>, TufError> {
        let listed = self.listed(name)?;
        listed.check(bytes).map_err(|fault| fault.of(file))?;
        let targets = Verified::<Targets>::open(file, bytes, signers)?;
        listed_version(&targets, listed.version).map_err(|fault| fault.of(file))?;
        self.above.expiry.check(file, &targets)?;
        Ok(targets)
    }
}

/// `targets.json` is believed too: whose word counts for which server role is known.
#[derive(Clone, Debug)]
pub struct TrustedTargets {
    pub(super) above: TrustedSnapshot,
    pub(super) targets: Verified<Targets>,
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
        self.above.listing(&name, &name)
    }

    /// The metadata of `role` in `bytes`.
    ///
    /// # Errors
    /// Any [`Fault`]: not the one listed, or not signed by the key of that role.
    pub fn role(&self, role: &Role, bytes: &[u8]) -> Result<TrustedRole, TufError> {
        let targets = self.open_role(role, bytes)?;
        Ok(TrustedRole { role: role.clone(), targets })
    }

    pub(super) fn open_role(&self, role: &Role, bytes: &[u8]) -> Result<Verified<Targets>, TufError> {
        let no_role = || Fault::NoSuchRole(role.clone()).of("targets.json");
        let delegations = self.targets.delegations.as_ref().ok_or_else(no_role)?;
        let delegation = self.targets.delegation(role).ok_or_else(no_role)?;
        let name = delegated(role);
        let signers = Signers { keys: &delegations.keys, role: &delegation.keys, rules: self.above.rules() };
        self.above.open(&format!("{name}.json"), &name, bytes, signers)
    }

    /// The plan in `bytes`, which must answer the report with `nonce`. How old it is follows from that: the date in
    /// it is for readers, not for machines that do not know the time yet.
    ///
    /// # Errors
    /// [`Fault::NoFleet`], [`Fault::Nonce`], or any [`Fault`] of its form and signatures.
    pub fn plan(&self, bytes: &[u8], nonce: &str) -> Result<Verified<Plan>, TufError> {
        let delegations = self.targets.delegations.as_ref();
        let fleet = delegations.and_then(|all| Some((all, all.roles.iter().find(|role| role.is_fleet())?)));
        let (all, fleet) = fleet.ok_or_else(|| Fault::NoFleet.of("targets.json"))?;
        let signers = Signers { keys: &all.keys, role: &fleet.keys, rules: self.above.rules() };
        let plan: Verified<Plan> = Verified::open("the plan", bytes, signers)?;
        if plan.nonce == nonce { Ok(plan) } else { Err(Fault::Nonce.of("the plan")) }
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> &Verified<Root> {
        &self.above.above.root.root
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
