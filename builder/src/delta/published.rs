//! A published version, as its site has it.

use std::fs;
use std::io;
use std::path::PathBuf;

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::name::{Object, Role, Version};
use edeploy_format::tuf::{Contents, TrustedRole};

use super::make::Tree;
use crate::failure::Fault;
use crate::site::{Site, SiteError};

/// Why a published version cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    /// There is no such role.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// There is no such version.
    #[error("{role} {version} is not published; `rolebuild list {role}` shows what is")]
    NoVersion {
        /// The role.
        role: Role,
        /// The version.
        version: Version,
    },
    /// An object cannot be read.
    #[error("reading {path}")]
    Read {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An object is not what the metadata lists.
    #[error("{name} is damaged; `rolebuild fsck` says more")]
    Damaged {
        /// The object.
        name: String,
    },
}

impl Fault for PublishedError {
    fn exit(&self) -> Exit {
        match self {
            Self::Site(error) => error.exit(),
            Self::NoVersion { .. } => Exit::NotFound,
            Self::Read { .. } => Exit::Failed,
            Self::Damaged { .. } => Exit::Differs,
        }
    }
}

/// A version with its texts.
pub struct Published {
    digest: Digest,
    manifest: Vec<u8>,
    index: Vec<u8>,
    pack: PathBuf,
    /// Bytes of its pack.
    pub pack_length: u64,
}

impl Published {
    /// Reads and checks manifest and index of a version; its pack is left where it is.
    ///
    /// # Errors
    /// [`PublishedError`].
    pub fn open(site: &Site, role: &Role, version: &Version) -> Result<Self, PublishedError> {
        let metadata = site.state().role(role)?;
        let object = |object: Object<'_>| {
            let name = object.target(role, version);
            let no_version = || PublishedError::NoVersion { role: role.clone(), version: version.clone() };
            let target = metadata.target(&name).ok_or_else(no_version)?;
            let path = site.targets().join(target.file(&name));
            Ok::<_, PublishedError>((name, path, target.length))
        };
        let text = |what| {
            let (name, path, _) = object(what)?;
            text(metadata, name, path)
        };
        let ((digest, manifest), (_, index)) = (text(Object::Manifest)?, text(Object::PackIndex)?);
        let (_, pack, pack_length) = object(Object::Pack)?;
        Ok(Self { digest, manifest, index, pack, pack_length })
    }

    /// The tree, for the making of a delta.
    #[must_use]
    pub fn tree(&self) -> Tree<'_> {
        Tree { digest: self.digest, manifest: &self.manifest, index: &self.index, pack: &self.pack }
    }
}

/// The text of an object that is published compressed, and its digest.
pub(crate) fn text(
    metadata: &TrustedRole,
    name: String,
    path: PathBuf,
) -> Result<(Digest, Vec<u8>), PublishedError> {
    let bytes = fs::read(&path).map_err(|source| PublishedError::Read { path, source })?;
    let listed = metadata.target(&name).and_then(|target| target.custom::<Contents>(&name).ok());
    let text = listed.and_then(|listed| {
        let text = zstd::bulk::decompress(&bytes, usize::try_from(listed.size).ok()?).ok()?;
        (Digest::of(&text) == listed.blake3).then_some((listed.blake3, text))
    });
    text.ok_or(PublishedError::Damaged { name })
}
