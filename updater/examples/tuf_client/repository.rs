//! A repository behind an address, and the folder with what is believed of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use edeploy_ab::durable::replace;
use edeploy_ab::fetch::{Fetch, FetchError, Meter, open_repos};
use edeploy_ab::trust::{ObjectError, Store, StoreError, copy_checked};
use edeploy_format::tuf::workflow::{self, Source, percent_encoded};
use edeploy_format::tuf::{Expiry, General, Sha256Hasher, Target, TrustedRoot, TrustedTargets, TufError};

use crate::keys;

static GENERAL: General = General { signer: keys::signer };

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Words(#[from] lexopt::Error),
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Tuf(#[from] TufError),
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error("{0} is not listed in the signed metadata")]
    NotListed(String),
    #[error("{}", .path.display())]
    Io { path: PathBuf, source: io::Error },
}

pub(crate) struct Repository {
    fetch: Box<dyn Fetch>,
    folder: PathBuf,
}

impl Repository {
    /// Believes the root in the file `root` from now on.
    pub(crate) fn init(folder: &Path, root: &Path) -> Result<(), ClientError> {
        let read = |source| ClientError::Io { path: root.to_owned(), source };
        let bytes = fs::read(root).map_err(read)?;
        TrustedRoot::anchor_under(&GENERAL, &bytes)?;
        let path = folder.join("root.json");
        replace(&path, &bytes, 0o644).map_err(|source| ClientError::Io { path, source })
    }

    pub(crate) fn open(folder: &Path, url: &str) -> Result<Self, ClientError> {
        Ok(Self { fetch: site(url)?, folder: folder.to_owned() })
    }

    /// Brings the top-level documents up to date.
    pub(crate) fn refresh(&self, expiry: Expiry) -> Result<TrustedTargets, ClientError> {
        let name = "root.json".to_owned();
        let root = Store::new(self.folder.clone()).read(&name)?.ok_or(StoreError::Missing { name })?;
        workflow::refresh(self, TrustedRoot::anchor_under(&GENERAL, &root)?, expiry)
    }

    /// Has the target `name` in `folder`, under its percent-encoded name.
    pub(crate) fn download(
        &self,
        top: &TrustedTargets,
        name: &str,
        base: &str,
        folder: &Path,
    ) -> Result<(), ClientError> {
        let target =
            workflow::target(self, top, name)?.ok_or_else(|| ClientError::NotListed(name.to_owned()))?;
        let path = folder.join(percent_encoded(name));
        let failed = |source| ClientError::Io { path: path.clone(), source };
        if is(&path, &target).map_err(failed)? {
            return Ok(());
        }
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let full = |source| ObjectError::Read { name: name.to_owned(), source };
        let address = address(name, &target, top.root().consistent_snapshot);
        copy_checked(&*site(base)?, &address, name, &target, &mut new, &full)?;
        new.persist(&path).map_err(|e| failed(e.error))?;
        Ok(())
    }
}

fn site(url: &str) -> Result<Box<dyn Fetch>, FetchError> {
    open_repos(&[url.to_owned()], None, Meter::default())
}

/// Whether the file at `path` is `target`.
fn is(path: &Path, target: &Target) -> io::Result<bool> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    let mut hash = Sha256Hasher::default();
    let length = io::copy(&mut file, &mut Hashing(&mut hash))?;
    Ok(length == target.length && hash.finish() == target.hashes.sha256)
}

struct Hashing<'a>(&'a mut Sha256Hasher);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a target lies below the base: its last part begins with its hash where snapshots are consistent. What may
/// not stand in the path of an address is percent-encoded.
fn address(name: &str, target: &Target, consistent: bool) -> String {
    let (folders, file) = name.rsplit_once('/').map_or(("", name), |(folders, file)| (folders, file));
    let file = if consistent { target.file(file) } else { file.to_owned() };
    let path = if folders.is_empty() { file } else { format!("{folders}/{file}") };
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(*c);
    path.chars().map(|c| if plain(&c) { c.to_string() } else { percent_encoded(&c.to_string()) }).collect()
}

impl Source for Repository {
    type Error = ClientError;

    fn fetch(&self, file: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        Ok(self.fetch.get(file, limit)?)
    }

    fn if_there(&self, file: &str, limit: u64) -> Result<Option<Vec<u8>>, ClientError> {
        match self.fetch.get(file, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.is_missing() => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn kept(&self, name: &str) -> Result<Vec<Vec<u8>>, ClientError> {
        Ok(Store::new(self.folder.clone()).read(&format!("{name}.json"))?.into_iter().collect())
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), ClientError> {
        let path = self.folder.join(format!("{name}.json"));
        replace(&path, bytes, 0o644).map_err(|source| ClientError::Io { path, source })
    }
}
