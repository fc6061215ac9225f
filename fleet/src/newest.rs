//! Which version of a role is the newest: the one with the highest serial that a repository signs.
//!
//! The whole client workflow of TUF is gone through, from a root that was handed in; what was accepted is kept in the
//! store, so that a repository cannot go back behind it. An answer serves for a minute, so that a crowd of machines is
//! one question; while it is asked, others are told to come again.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edeploy_format::name::{Architecture, Role, Version};
use edeploy_format::tuf::{Expiry, TrustedRole, TrustedRoot, TufError, workflow};
use ureq::Agent;
use ureq::http::StatusCode;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::failure::chain;
use crate::moment::Moment;
use crate::store::{Store, StoreError};

/// An answer serves for so many seconds.
const FRESH: u64 = 60;
/// A failure serves for so many: every machine that waits asks again.
const FAILED: u64 = 5;
/// A request may take that long.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where Debian keeps the certificates it trusts.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why no version is known.
#[derive(Debug, thiserror::Error)]
pub enum NewestError {
    /// A file cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The service has no root to begin with.
    #[error("a profile wants the newest version, and the service was started without --root")]
    NoRoot,
    /// Metadata is not believed.
    #[error(transparent)]
    Tuf(#[from] TufError),
    /// Metadata cannot be had.
    #[error("{url}: {message}")]
    Fetch {
        /// Which.
        url: String,
        /// Why.
        message: String,
    },
    /// What was accepted cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none.
    #[error("{repo} publishes no version of {role} for {architecture}")]
    None {
        /// Where.
        repo: String,
        /// The role.
        role: Role,
        /// What the machine runs.
        architecture: Architecture,
    },
}

/// Repositories, the role and the machine's architecture.
type Question = (Vec<String>, String, String);
/// What was answered, and until when that serves.
type Known = (Moment, Result<Version, String>);

/// Asks repositories.
pub struct Newest {
    root: Option<Vec<u8>>,
    known: Mutex<BTreeMap<Question, Known>>,
    asking: Mutex<()>,
}

impl Newest {
    /// With the root in this file; without one, every question fails.
    ///
    /// # Errors
    /// [`NewestError`], where it is no root.
    pub fn open(root: Option<&Path>) -> Result<Self, NewestError> {
        let read = |path: &Path| {
            let failed = |source| NewestError::Read { path: path.to_owned(), source };
            let bytes = fs::read(path).map_err(failed)?;
            TrustedRoot::anchor(&bytes)?;
            Ok::<_, NewestError>(bytes)
        };
        Ok(Self { root: root.map(read).transpose()?, known: Mutex::default(), asking: Mutex::default() })
    }

    /// The newest version of a role for an architecture, of the first repository that says.
    ///
    /// # Errors
    /// What the last repository said, that there is no root, or that somebody else asks just now.
    pub fn version(
        &self,
        store: &Store,
        repos: &[String],
        role: &Role,
        architecture: &Architecture,
        now: Moment,
    ) -> Result<Version, String> {
        let question = (repos.to_vec(), role.to_string(), architecture.to_string());
        if let Some(answer) = self.known(&question, now) {
            return answer;
        }
        // One at a time: a repository that does not answer holds up nobody but who asks it.
        let Ok(_asking) = self.asking.try_lock() else { return Err("it is being asked for".to_owned()) };
        let answer = self.ask_any(store, repos, role, architecture, now).map_err(|error| chain(&error));
        let until = now.plus(if answer.is_ok() { FRESH } else { FAILED });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (until, _)| *until > now);
        known.insert(question, (until, answer.clone()));
        answer
    }

    /// What was answered before, while that serves.
    fn known(&self, question: &Question, now: Moment) -> Option<Result<Version, String>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, answer) = known.get(question)?;
        (*until > now).then(|| answer.clone())
    }

    fn ask_any(
        &self,
        store: &Store,
        repos: &[String],
        role: &Role,
        architecture: &Architecture,
        now: Moment,
    ) -> Result<Version, NewestError> {
        let mut answer = Err(NewestError::NoRoot);
        for repo in repos {
            answer = self.ask(store, repo, role, architecture, now);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    fn ask(
        &self,
        store: &Store,
        repo: &str,
        role: &Role,
        architecture: &Architecture,
        now: Moment,
    ) -> Result<Version, NewestError> {
        let anchor = TrustedRoot::anchor(self.root.as_ref().ok_or(NewestError::NoRoot)?)?;
        let site = Site { agent: agent(repo)?, repo: repo.trim_end_matches('/'), store };
        let root = site.newest_kept(anchor)?;
        let targets = workflow::refresh(&site, root, Expiry::At(now.time()))?;
        let trusted = workflow::role(&site, &targets, role)?;
        newest(&trusted, architecture).ok_or_else(|| NewestError::None {
            repo: repo.to_owned(),
            role: role.clone(),
            architecture: architecture.clone(),
        })
    }
}

fn newest(role: &TrustedRole, architecture: &Architecture) -> Option<Version> {
    let least = role.document().min_serial();
    let mut fits = role
        .versions()
        .into_iter()
        .filter(|listed| listed.identity.architecture == *architecture && listed.identity.serial >= least);
    fits.next_back().map(|listed| listed.version)
}

/// A repository, and what was kept of it.
struct Site<'a> {
    agent: Agent,
    repo: &'a str,
    store: &'a Store,
}

impl Site<'_> {
    /// The newest root that was accepted before, or the anchor.
    fn newest_kept(&self, anchor: TrustedRoot) -> Result<TrustedRoot, NewestError> {
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
        let failed = |error: ureq::Error| self.failed(file, &error);
        let mut answer = self.agent.get(self.url(file)).call().map_err(failed)?;
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
