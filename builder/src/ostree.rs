//! The OSTree repository: contents and history of all versions, on the build side.
//!
//! An archive-mode repository with one ref `<role>/<version>` per version, each a commit without parent, so that its
//! checksum depends on the tree alone. Owners, modes and attributes are kept; times and hard links are not (OSTree
//! has neither), which is why the manifest has them.

mod check;
mod commit;
mod content;
mod seal;
mod sign;
mod staging;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::name::{Role, Version};
use ostree::gio::{self, prelude::*};
use ostree::glib;

use crate::failure::Fault;
use crate::keys::CommandError;
use crate::scan::Refused;
pub use check::Checked;
pub use commit::{Identity, Pending};

/// What is in a repository's `config`, as libostree writes it.
pub const CONFIG: &str = "[core]\nrepo_version=1\nmode=archive-z2\n";

/// Key of the serial in a commit's metadata; decimal text.
const SERIAL: &str = "edeploy.serial";

/// Why the repository does not do its part.
#[derive(Debug, thiserror::Error)]
pub enum OstreeError {
    /// libostree failed.
    #[error("{doing} in the OSTree repository {path}")]
    Library {
        /// What was tried.
        doing: String,
        /// The repository.
        path: PathBuf,
        /// What libostree says.
        #[source]
        source: glib::Error,
    },
    /// An object is damaged.
    #[error("{object} is damaged: {what}")]
    Damaged {
        /// The object.
        object: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The repository's folder cannot be made.
    #[error("making the OSTree repository {path}")]
    Make {
        /// The repository.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An object cannot be written.
    #[error("writing an object of the OSTree repository {path}")]
    Write {
        /// The repository.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of the tree cannot be read.
    #[error("reading {path} of the tree")]
    Read {
        /// Its path in the tree.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The tree holds what no role may hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A key does not sign.
    #[error(transparent)]
    Sign(#[from] CommandError),
}

impl Fault for OstreeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Library { .. } | Self::Make { .. } | Self::Read { .. } => Exit::Failed,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => Exit::Space,
            Self::Write { .. } => Exit::Failed,
            Self::Damaged { .. } => Exit::Differs,
            Self::Refused(refused) => refused.exit(),
            Self::Sign(error) => error.exit(),
        }
    }
}

/// A version in the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The version.
    pub version: Version,
    /// Its serial.
    pub serial: u64,
    /// The checksum of its commit: 64 hex digits.
    pub commit: String,
}

/// An open repository. A clone is another handle of it, for another thread: libostree locks what must be locked.
#[derive(Clone, Debug)]
pub struct Repository {
    repo: ostree::Repo,
    path: PathBuf,
}

impl Repository {
    /// Opens the repository at `path`, and makes it where there is none.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn open(path: &Path) -> Result<Self, OstreeError> {
        std::fs::create_dir_all(path)
            .map_err(|source| OstreeError::Make { path: path.to_owned(), source })?;
        let repository = Self { repo: ostree::Repo::new_for_path(path), path: path.to_owned() };
        let opened = if path.join("config").is_file() {
            repository.repo.open(gio::Cancellable::NONE)
        } else {
            repository.repo.create(ostree::RepoMode::Archive, gio::Cancellable::NONE)
        };
        opened.map_err(repository.failed("opening"))?;
        Ok(repository)
    }

    fn failed(&self, doing: impl Into<String>) -> impl FnOnce(glib::Error) -> OstreeError {
        let (doing, path) = (doing.into(), self.path.clone());
        move |source| OstreeError::Library { doing, path, source }
    }

    fn unwritten(&self) -> impl FnOnce(io::Error) -> OstreeError {
        let path = self.path.clone();
        move |source| OstreeError::Write { path, source }
    }

    /// The versions of a role, lowest serial first. Refs that no version could have are left out.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn versions(&self, role: &Role) -> Result<Vec<Held>, OstreeError> {
        let refs = self.repo.list_refs(Some(role.as_str()), gio::Cancellable::NONE);
        let mut held = Vec::new();
        for (name, commit) in refs.map_err(self.failed("listing refs"))? {
            let Some(Ok(version)) = name.rsplit('/').next().map(str::parse) else { continue };
            let serial = self.serial(&commit)?;
            held.push(Held { version, serial, commit });
        }
        held.sort_by(|a, b| (a.serial, &a.version).cmp(&(b.serial, &b.version)));
        Ok(held)
    }

    fn serial(&self, commit: &str) -> Result<u64, OstreeError> {
        self.trust_commit(commit)?;
        let (variant, _) =
            self.repo.load_commit(commit).map_err(self.failed(format!("reading commit {commit}")))?;
        let metadata = glib::VariantDict::new(Some(&variant.child_value(0)));
        let serial = metadata.lookup::<String>(SERIAL).ok().flatten();
        Ok(serial.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// The content of a regular file in a commit; `None` when it is not there.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn read(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, OstreeError> {
        let (root, _) = self
            .repo
            .read_commit(commit, gio::Cancellable::NONE)
            .map_err(self.failed(format!("reading commit {commit}")))?;
        let file = root.resolve_relative_path(path).downcast::<ostree::RepoFile>();
        let file = file.expect("libostree gives its own kind of file");
        if file.query_file_type(gio::FileQueryInfoFlags::NOFOLLOW_SYMLINKS, gio::Cancellable::NONE)
            != gio::FileType::Regular
        {
            return Ok(None);
        }
        let failed = || self.failed(format!("reading {path} of {commit}"));
        let (stream, ..) = self.repo.load_file(&file.checksum(), gio::Cancellable::NONE).map_err(failed())?;
        let mut content = Vec::new();
        if let Some(stream) = stream {
            let read = stream.into_read().read_to_end(&mut content);
            read.map_err(|e| failed()(glib::Error::new(gio::IOErrorEnum::Failed, &e.to_string())))?;
        }
        Ok(Some(content))
    }

    /// Lets the ref of a version go; [`Repository::prune`] then frees what no other version needs.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn forget(&self, role: &Role, version: &Version) -> Result<(), OstreeError> {
        let name = ref_name(role, version);
        self.repo
            .set_ref_immediate(None, &name, None, gio::Cancellable::NONE)
            .map_err(self.failed(format!("removing ref {name}")))
    }

    /// Removes what no ref needs; gives the number of bytes that were freed.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn prune(&self) -> Result<u64, OstreeError> {
        let flags = ostree::RepoPruneFlags::REFS_ONLY;
        let (_, _, bytes) = self
            .repo
            .prune(flags, 0, gio::Cancellable::NONE)
            .map_err(self.failed("removing unused objects"))?;
        Ok(bytes)
    }
}

/// The ref of a version.
fn ref_name(role: &Role, version: &Version) -> String {
    format!("{role}/{version}")
}

#[cfg(test)]
mod tests;
