//! What is published and may be believed: the TUF client of a host.
//!
//! Starts from the metadata the machine kept (on its state partition and in its running slot, the
//! newer of both) and goes through the workflow of the specification; nothing is kept before every
//! check has passed. What came by an older day stays usable without the network, for going back.

mod object;
mod store;

pub use object::{ObjectError, Scratch, copy_checked, into_memory, unpacked};
pub use store::{STATE_FOLDER, Store, StoreError};

use edeploy_format::name::{Object, Role, Version, against};
use edeploy_format::tuf::workflow::{self, Source};
use edeploy_format::tuf::{
    self, Expiry, Listed, Target, Time, TrustedRole, TrustedRoot, TrustedTargets, TufError, delegated,
};

use crate::failure::chain;
use crate::fetch::{Fetch, FetchError};
use crate::progress::Progress;

/// Why there is nothing to believe.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// What the machine kept cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No copy of the first root.
    #[error("there is no root.json to start from, neither in the running slot nor on the state partition")]
    NoRoot,
    /// The site cannot be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A document fails a check.
    #[error(transparent)]
    Tuf(#[from] TufError),
    /// A target's description is not ours.
    #[error(transparent)]
    Target(#[from] tuf::Fault),
    /// The version is not published.
    #[error("there is no version {version} of role {role}; `edeploy-ab list` shows those there are")]
    NoVersion {
        /// The role.
        role: Role,
        /// What was asked for.
        version: Version,
    },
    /// An object of a version is not published.
    #[error("{0} is not listed in the signed metadata")]
    NoObject(String),
}

/// Metadata that passed every check.
#[derive(Clone, Debug)]
pub struct Trusted {
    targets: TrustedTargets,
    role: TrustedRole,
}

impl Trusted {
    /// As [`Trusted::refresh`], from the first of several sites whose metadata passes every check and, where a
    /// version is `wanted`, lists it; if none lists it, the newest. Documents of two sites are never mixed.
    ///
    /// # Errors
    /// The [`TrustError`] of the first site, if none passes.
    pub fn current(
        fetch: &dyn Fetch,
        stores: &[Store],
        role: &Role,
        expiry: Expiry,
        wanted: Option<&Version>,
        progress: &dyn Progress,
    ) -> Result<Self, TrustError> {
        let [_, _, ..] = fetch.sites() else { return Self::refresh(fetch, stores, role, expiry) };
        let (mut newest, mut fault): (Option<Self>, _) = (None, None);
        for site in fetch.sites() {
            match Self::refresh(site, stores, role, expiry) {
                // A version that newer metadata lists no more was withdrawn.
                Ok(found) if newest.as_ref().is_some_and(|newest| newest.number() >= found.number()) => {}
                Ok(found) if wanted.is_none_or(|version| found.find(version).is_ok()) => return Ok(found),
                Ok(found) => newest = Some(found),
                Err(
                    e @ (TrustError::Store(_) | TrustError::NoRoot | TrustError::Fetch(FetchError::Limit(_))),
                ) => {
                    return Err(e);
                }
                Err(e) => {
                    site.set_back();
                    progress.note(&format!("{}: {}; it is asked last from now on", site.name(), chain(&e)));
                    fault = fault.or(Some(e));
                }
            }
        }
        newest.ok_or_else(|| fault.expect("each of them failed"))
    }

    /// The version number of its timestamp.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.targets.timestamp().common.version
    }

    /// What is published of `role` now. Keeps nothing: [`Store::save`] does.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn refresh(
        fetch: &dyn Fetch,
        stores: &[Store],
        role: &Role,
        expiry: Expiry,
    ) -> Result<Self, TrustError> {
        let source = Site { fetch, stores };
        let targets = workflow::refresh(&source, anchor(stores)?, expiry)?;
        let role = workflow::role(&source, &targets, role)?;
        Ok(Self { targets, role })
    }

    /// What was believed when `store` was written: without the network, whatever the date.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn kept(store: &Store, role: &Role) -> Result<Self, TrustError> {
        let stores = std::slice::from_ref(store);
        let read = |name: &str| {
            let copy = copies(stores, name)?.pop();
            copy.ok_or_else(|| StoreError::Missing { name: format!("{name}.json") })
        };
        let root = anchor(stores)?;
        let seen = tuf::Seen::default();
        let timestamp = root.timestamp(&read("timestamp")?, &seen, Expiry::Ignored)?;
        let snapshot = timestamp.snapshot(&read("snapshot")?, &seen)?;
        let targets = snapshot.targets(&read("targets")?)?;
        let role = targets.role(role, &read(&delegated(role))?)?;
        Ok(Self { targets, role })
    }

    /// All documents, by the names under which they are kept.
    #[must_use]
    pub fn files(&self) -> [(String, &[u8]); 5] {
        [
            ("root.json".to_owned(), self.targets.root().bytes()),
            (format!("{}.json", delegated(self.role.role())), self.role.document().bytes()),
            ("targets.json".to_owned(), self.targets.targets().bytes()),
            ("snapshot.json".to_owned(), self.targets.snapshot().bytes()),
            ("timestamp.json".to_owned(), self.targets.timestamp().bytes()),
        ]
    }

    /// The role.
    #[must_use]
    pub fn role(&self) -> &Role {
        self.role.role()
    }

    /// When it was issued, where that is said, and when it expires.
    #[must_use]
    pub fn dates(&self) -> (Option<Time>, Time) {
        let timestamp = self.targets.timestamp();
        (timestamp.issued.as_ref().map(|issued| issued.issued), timestamp.common.expires)
    }

    /// The least serial that may be installed.
    #[must_use]
    pub fn min_serial(&self) -> u64 {
        self.role.document().min_serial()
    }

    /// All published versions, by serial; targets of other forms are none.
    #[must_use]
    pub fn versions(&self) -> Vec<Listed> {
        self.role.versions()
    }

    /// One version.
    ///
    /// # Errors
    /// [`TrustError::NoVersion`] if it is not published.
    pub fn find(&self, version: &Version) -> Result<Listed, TrustError> {
        let name = Object::Manifest.target(self.role(), version);
        let no_version = || TrustError::NoVersion { role: self.role().clone(), version: version.clone() };
        let target = self.role.target(&name).ok_or_else(no_version)?;
        let identity = target.custom(&name)?;
        Ok(Listed { version: version.clone(), identity })
    }

    /// What the text `whole` of a version is compressed against that of the version `from`, if it is published.
    #[must_use]
    pub fn against(&self, whole: &str, from: &Version) -> Option<(String, &Target)> {
        let name = against(whole, from);
        self.role.target(&name).map(|target| (name, target))
    }

    /// An object of a version: its name and what must be true of its bytes.
    ///
    /// # Errors
    /// [`TrustError::NoObject`].
    pub fn object(&self, object: Object<'_>, version: &Version) -> Result<(String, &Target), TrustError> {
        let name = object.target(self.role(), version);
        match self.role.target(&name) {
            Some(target) => Ok((name, target)),
            None => Err(TrustError::NoObject(name)),
        }
    }
}

/// The present `targets.json` of a site: what a plan is checked under. Keeps nothing.
///
/// # Errors
/// [`TrustError`].
#[cfg(feature = "installer")]
pub fn targets(fetch: &dyn Fetch, stores: &[Store], expiry: Expiry) -> Result<TrustedTargets, TrustError> {
    workflow::refresh(&Site { fetch, stores }, anchor(stores)?, expiry)
}

/// The newest root that the machine kept.
fn anchor(stores: &[Store]) -> Result<TrustedRoot, TrustError> {
    let roots = copies(stores, "root")?.iter().map(|bytes| TrustedRoot::anchor(bytes)).collect::<Vec<_>>();
    let mut fault = None;
    let mut best: Option<TrustedRoot> = None;
    for root in roots {
        match root {
            Ok(root)
                if best.as_ref().is_none_or(|b| b.root().common.version < root.root().common.version) =>
            {
                best = Some(root);
            }
            Ok(_) => {}
            Err(e) => fault = Some(e),
        }
    }
    match (best, fault) {
        (Some(root), _) => Ok(root),
        (None, Some(fault)) => Err(fault.into()),
        (None, None) => Err(TrustError::NoRoot),
    }
}

/// A site, and what was kept of it.
struct Site<'a> {
    fetch: &'a dyn Fetch,
    stores: &'a [Store],
}

impl Source for Site<'_> {
    type Error = TrustError;

    fn fetch(&self, file: &str, limit: u64) -> Result<Vec<u8>, TrustError> {
        Ok(self.fetch.get(&format!("metadata/{file}"), limit)?)
    }

    fn if_there(&self, file: &str, limit: u64) -> Result<Option<Vec<u8>>, TrustError> {
        match Source::fetch(self, file, limit) {
            Err(TrustError::Fetch(e)) if e.is_missing() => Ok(None),
            other => other.map(Some),
        }
    }

    fn kept(&self, name: &str) -> Result<Vec<Vec<u8>>, TrustError> {
        Ok(copies(self.stores, name)?)
    }

    /// Nothing yet: a host keeps a chain as a whole ([`Store::save`]), so that what it kept always fits together.
    fn keep(&self, _: &str, _: &[u8]) -> Result<(), TrustError> {
        Ok(())
    }
}

/// The copies of `<name>.json` in all stores that have one.
fn copies(stores: &[Store], name: &str) -> Result<Vec<Vec<u8>>, StoreError> {
    let read = stores.iter().map(|store| store.read(&format!("{name}.json")));
    read.filter_map(Result::transpose).collect()
}
