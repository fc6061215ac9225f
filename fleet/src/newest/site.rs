//! A repository, by its address or as a folder of this machine.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use edeploy_format::tuf::{TrustedRoot, workflow};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use super::NewestError;
use crate::store::Store;

/// A request may take that long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where Debian keeps the certificates it trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A repository, and what was kept of it.
pub(super) struct Site<'a> {
    from: From<'a>,
    repo: &'a str,
    store: &'a Store,
}

/// Where its files are.
enum From<'a> {
    Server(Agent),
    /// The service itself serves it: a crowd of machines may hold all of its connections.
    Folder(&'a Path),
}

impl<'a> Site<'a> {
    /// The one at this address, whose files are in `folder` where it is this service's own.
    ///
    /// # Errors
    /// If certificates cannot be read.
    pub(super) fn of(repo: &'a str, folder: Option<&'a Path>, store: &'a Store) -> Result<Self, NewestError> {
        let from = match folder {
            Some(folder) => From::Folder(folder),
            None => From::Server(agent(repo)?),
        };
        Ok(Self { from, repo: repo.trim_end_matches('/'), store })
    }

    /// The newest root that was accepted before, or the anchor.
    pub(super) fn newest_kept(&self, anchor: TrustedRoot) -> Result<TrustedRoot, NewestError> {
        let kept = self.store.metadata(self.repo, "root")?;
        let kept = kept.map(|bytes| TrustedRoot::anchor(&bytes)).transpose()?;
        let version = |root: &TrustedRoot| root.root().common.version;
        Ok(kept.filter(|kept| version(kept) > version(&anchor)).unwrap_or(anchor))
    }

    fn failed(&self, file: &str, message: &dyn ToString) -> NewestError {
        NewestError::Fetch { url: self.url(file), message: message.to_string() }
    }

    fn url(&self, file: &str) -> String {
        format!("{}/metadata/{file}", self.repo)
    }
}

impl workflow::Source for Site<'_> {
    type Error = NewestError;

    fn fetch(&self, file: &str, limit: u64) -> Result<Vec<u8>, NewestError> {
        self.if_there(file, limit)?.ok_or_else(|| self.failed(file, &"it is not there"))
    }

    fn if_there(&self, file: &str, limit: u64) -> Result<Option<Vec<u8>>, NewestError> {
        let agent = match &self.from {
            From::Folder(folder) => {
                let found = read(&folder.join("metadata").join(file), limit);
                return found.map_err(|error| self.failed(file, &error));
            }
            From::Server(agent) => agent,
        };
        let failed = |error: ureq::Error| self.failed(file, &error);
        let mut answer = agent.get(self.url(file)).call().map_err(failed)?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                // That it ends is seen by one more.
                answer.body_mut().with_config().limit(limit + 1).read_to_vec().map(Some).map_err(failed)
            }
            other => Err(self.failed(file, &other)),
        }
    }

    fn kept(&self, name: &str) -> Result<Vec<Vec<u8>>, NewestError> {
        Ok(self.store.metadata(self.repo, name)?.into_iter().collect())
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), NewestError> {
        Ok(self.store.keep_metadata(self.repo, name, bytes)?)
    }
}

/// A file, and one byte more than its limit where it is longer; `None` where it is not there.
fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(file) => file.take(limit + 1).read_to_end(&mut bytes).map(|_| Some(bytes)),
    }
}

fn agent(repo: &str) -> Result<Agent, NewestError> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(3)
        .timeout_global(Some(PATIENCE))
        .accept_encoding("identity")
        .user_agent(concat!("edeploy-fleet/", env!("CARGO_PKG_VERSION")));
    if repo.starts_with("https://") {
        config = config.tls_config(tls()?);
    }
    Ok(config.build().new_agent())
}

fn tls() -> Result<TlsConfig, NewestError> {
    let failed = |source| NewestError::Read { path: CERTIFICATES.into(), source };
    let pem = fs::read(CERTIFICATES).map_err(failed)?;
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    };
    let certificates: Vec<_> = parse_pem(&pem).filter_map(certificate).collect();
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}
