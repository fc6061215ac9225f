//! The published site: a folder of static files that is changed by one writer at a time.
//!
//! What is published is the only state there is: it is read, and verified as a client would, before each change,
//! and again after it. Dates are not looked at here, as an expired site is one that must be renewed.
//!
//! ```text
//! metadata/   <N>.root.json, root.json (a copy of the newest), <N>.snapshot.json, …, timestamp.json
//! targets/    <sha256>.<name>
//! ostree/     the OSTree repository
//! ```

mod channel;
mod commit;
mod error;
mod fleet;
mod init;
mod prune;
mod refresh;
mod rotate;
mod sign;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;
use edeploy_format::name::{Role, Version};
use edeploy_format::tuf::{
    Expiry, Listing, Root, Seen, Signed, Timestamp, TrustedRole, TrustedRoot, TrustedTargets,
};

pub use commit::{Draft, Lifetimes};
pub use error::SiteError;
pub use init::{RootKeys, init};
pub use prune::{Kept, Pruned};
pub(crate) use prune::{files, named};
pub use refresh::Good;
pub(crate) use rotate::delegate;
pub use rotate::{Replace, Replacements, Rotated, replacement};

/// The folder of metadata in a site.
pub const METADATA: &str = "metadata";
/// The folder of objects in a site.
pub const TARGETS: &str = "targets";
/// The OSTree repository in a site.
pub const OSTREE: &str = "ostree";
/// The file without version that begins every refresh.
pub const TIMESTAMP: &str = "timestamp.json";
/// The copy of the newest root.
pub const ROOT: &str = "root.json";
/// The root that a site begins with, and every host with it.
pub const FIRST_ROOT: &str = "1.root.json";

/// What a site publishes, verified.
#[derive(Clone, Debug)]
pub struct State {
    /// Everything down to `targets.json`.
    pub chain: TrustedTargets,
    /// Every delegated role.
    pub roles: BTreeMap<Role, TrustedRole>,
}

/// A site that this process alone may change.
pub struct Site {
    folder: PathBuf,
    state: State,
    _lock: File,
}

impl State {
    /// Reads and verifies the site in `folder`.
    ///
    /// # Errors
    /// [`SiteError::NoSite`] when there is none, else what is wrong with it.
    pub fn read(folder: &Path) -> Result<Self, SiteError> {
        if !folder.join(METADATA).join(TIMESTAMP).exists() {
            return Err(SiteError::NoSite(folder.to_owned()));
        }
        let root = newest_root(folder)?;
        let seen = Seen::default();
        let timestamp = read(folder, TIMESTAMP, Timestamp::LIMIT)?;
        let timestamp = root.timestamp(&timestamp, &seen, Expiry::Ignored)?;
        let snapshot = listed(folder, &timestamp.snapshot_listing())?;
        let snapshot = timestamp.snapshot(&snapshot, &seen)?;
        let targets = listed(folder, &snapshot.targets_listing()?)?;
        let chain = snapshot.targets(&targets)?;
        let mut roles = BTreeMap::new();
        for role in chain.targets().roles() {
            let bytes = listed(folder, &chain.role_listing(&role)?)?;
            roles.insert(role.clone(), chain.role(&role, &bytes)?);
        }
        Ok(Self { chain, roles })
    }

    /// The metadata of `role`.
    ///
    /// # Errors
    /// [`SiteError::NoRole`].
    pub fn role(&self, role: &Role) -> Result<&TrustedRole, SiteError> {
        self.roles.get(role).ok_or_else(|| SiteError::NoRole(role.clone()))
    }

    /// The digest of the manifest that `version` of `role` is published with.
    #[must_use]
    pub fn published(&self, role: &Role, version: &Version) -> Option<Digest> {
        let versions = self.roles.get(role)?.versions();
        let same = versions.into_iter().find(|listed| listed.version == *version)?;
        Some(same.identity.contents.blake3)
    }

    /// The serial that `version` of `role` has, or would have if it were published next.
    #[must_use]
    pub fn next_serial(&self, role: &Role, version: &Version) -> u64 {
        let Some(published) = self.roles.get(role).map(TrustedRole::versions) else { return 1 };
        let same = published.iter().find(|listed| listed.version == *version);
        let highest = published.last().map_or(0, |listed| listed.identity.serial);
        same.map_or(highest + 1, |listed| listed.identity.serial)
    }
}

/// The serial that a build of `version` of `role` should have: the one it is published with, else the one after
/// the highest published; 1 where nothing is published or there is no site.
///
/// # Errors
/// [`SiteError`] when there is a site and it cannot be read.
pub fn next_serial(folder: &Path, role: &Role, version: &Version) -> Result<u64, SiteError> {
    match State::read(folder) {
        Ok(state) => Ok(state.next_serial(role, version)),
        Err(SiteError::NoSite(_)) => Ok(1),
        Err(error) => Err(error),
    }
}

impl Site {
    /// Opens the site in `folder` for a change; waits while another process changes it.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn open(folder: &Path) -> Result<Self, SiteError> {
        if !folder.join(METADATA).join(TIMESTAMP).exists() {
            return Err(SiteError::NoSite(folder.to_owned()));
        }
        let lock = lock(folder)?;
        Ok(Self { folder: folder.to_owned(), state: State::read(folder)?, _lock: lock })
    }

    /// What it publishes.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its folder of metadata.
    fn metadata(&self) -> PathBuf {
        self.folder.join(METADATA)
    }

    /// Its folder of objects.
    #[must_use]
    pub fn targets(&self) -> PathBuf {
        self.folder.join(TARGETS)
    }
}

/// Holds off other writers until the file is dropped.
fn lock(folder: &Path) -> Result<File, SiteError> {
    let path = folder.join(".lock");
    let failed = |source| SiteError::Lock { path: path.clone(), source };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
    Ok(file)
}

/// Holds off writers, until the file is dropped, from a site that is written to here; `None` for a copy of one.
pub(crate) fn hold(folder: &Path) -> Option<File> {
    let file = File::open(folder.join(".lock")).ok()?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockShared).ok()?;
    Some(file)
}

/// The root that `root.json` or, where a run was cut off before it wrote that copy, a later file holds.
fn newest_root(folder: &Path) -> Result<TrustedRoot, SiteError> {
    let mut root = TrustedRoot::anchor(&read(folder, ROOT, Root::LIMIT)?)?;
    while folder.join(METADATA).join(&root.next_listing().file).exists() {
        root = root.next(&listed(folder, &root.next_listing())?)?;
    }
    Ok(root)
}

/// A file of metadata, as a listing says.
fn listed(folder: &Path, listing: &Listing) -> Result<Vec<u8>, SiteError> {
    read(folder, &listing.file, listing.limit)
}

/// The first `limit` bytes, and one more if there are more, of a file of metadata.
pub(crate) fn read(folder: &Path, name: &str, limit: u64) -> Result<Vec<u8>, SiteError> {
    let path = folder.join(METADATA).join(name);
    let mut bytes = Vec::new();
    let read = |bytes: &mut Vec<u8>| -> io::Result<usize> {
        fs::File::open(&path)?.take(limit + 1).read_to_end(bytes)
    };
    match read(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) => Err(SiteError::Read { path, source }),
    }
}
