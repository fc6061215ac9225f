//! Which version of a role is the newest, the one with the highest serial that a repository signs; and which each of the
//! role's channels names.
//!
//! The whole client workflow of TUF is gone through, from a root that was handed in; what was accepted is kept in the
//! store, so that a repository cannot go back behind it. An answer serves for a minute and for all architectures, so
//! that a crowd of machines, whatever they say that they run, is one question. Others who would ask the same wait for the
//! answer; where that takes long they are told to come again, so that a repository that is away holds up nobody else.

mod site;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use edeploy_format::address::masked;
use edeploy_format::name::{Architecture, Channel, Role, Version};
use edeploy_format::tuf::{Expiry, Listed, TrustedRole, TrustedRoot, TufError, workflow};

use crate::failure::chain;
use crate::moment::Moment;
use crate::profile::Wanted;
use crate::store::{Store, StoreError};
use site::Site;

/// An answer serves for so many seconds.
const FRESH: u64 = 60;
/// A failure serves for so many: every machine that waits asks again.
const FAILED: u64 = 5;
/// A question that is asked for longer is waited for by nobody else.
const PROMPT: Duration = Duration::from_secs(1);

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
    #[error(
        "a profile wants the newest version or that of a channel, and the service was started without --root"
    )]
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
    /// The role has no such channel.
    #[error("{role} has no channel {name}, but {others}")]
    NoChannel {
        /// The role.
        role: Role,
        /// The channel.
        name: Channel,
        /// Those that it has.
        others: String,
    },
    /// The version that a channel names is not to be installed on this machine.
    #[error(
        "channel {name} of {role} names {version}, which is not published for {architecture}, or was withdrawn"
    )]
    Unfit {
        /// The role.
        role: Role,
        /// The channel.
        name: Channel,
        /// What it names.
        version: Version,
        /// What the machine runs.
        architecture: Architecture,
    },
    /// There is none.
    #[error("no version of {role} is published for {architecture}")]
    None {
        /// The role.
        role: Role,
        /// What the machine runs.
        architecture: Architecture,
    },
}

/// Repositories and the role.
type Question = (Vec<String>, String);

/// What a role publishes and does not withdraw, by serial, and its channels.
#[derive(Clone)]
struct Versions {
    listed: Vec<Listed>,
    channels: BTreeMap<Channel, Version>,
}

/// What was answered, and until when that serves.
type Known = (Moment, Result<Versions, String>);

/// Asks repositories.
pub struct Newest {
    root: Option<Vec<u8>>,
    /// The repository that the service itself serves: its address and its folder.
    own: Option<(String, PathBuf)>,
    known: Mutex<BTreeMap<Question, Known>>,
    /// What is asked just now, and since when.
    asking: Mutex<BTreeMap<Question, Instant>>,
    /// Something is not asked any more.
    asked: Condvar,
}

impl Newest {
    /// With the root in this file; without one, every question fails. The repository at the address of `own` is read
    /// from its folder.
    ///
    /// # Errors
    /// [`NewestError`], where it is no root.
    pub fn open(root: Option<&Path>, own: Option<(String, PathBuf)>) -> Result<Self, NewestError> {
        let read = |path: &Path| {
            let failed = |source| NewestError::Read { path: path.to_owned(), source };
            let bytes = fs::read(path).map_err(failed)?;
            TrustedRoot::anchor(&bytes)?;
            Ok::<_, NewestError>(bytes)
        };
        let (known, asking, asked) = Default::default();
        Ok(Self { root: root.map(read).transpose()?, own, known, asking, asked })
    }

    /// The version of a role that is wanted, for an architecture, of the first repository that answers; an exact one is
    /// given back as it is.
    ///
    /// # Errors
    /// That there is none, what the last repository said, that there is no root, or that somebody else asks just now.
    pub fn version(
        &self,
        store: &Store,
        repos: &[String],
        role: &Role,
        wanted: &Wanted,
        architecture: &Architecture,
        now: Moment,
    ) -> Result<Version, String> {
        let question = (repos.to_vec(), role.to_string());
        let versions = match self.known(&question, now) {
            Some(answer) => answer?,
            None => self.ask_once(question, store, role, now)?,
        };
        let version = match wanted {
            Wanted::Exact(version) => Ok(version.clone()),
            Wanted::Newest => versions.newest(role, architecture),
            Wanted::Channel(name) => versions.of(role, name, architecture),
        };
        version.map_err(|error| chain(&error))
    }

    /// Asks what nobody asks just now, and keeps the answer; where somebody does, theirs.
    fn ask_once(
        &self,
        question: Question,
        store: &Store,
        role: &Role,
        now: Moment,
    ) -> Result<Versions, String> {
        let asked = match Asked::alone(self, question) {
            Ok(asked) => asked,
            Err(question) => return self.of_another(&question, now),
        };
        let told = |error: NewestError| masked(&chain(&error)).into_owned();
        let answer = self.ask_any(store, &asked.question.0, role, now).map_err(told);
        let until = now.plus(if answer.is_ok() { FRESH } else { FAILED });
        let mut known = locked(&self.known);
        known.retain(|_, (until, _)| *until > now);
        known.insert(asked.question.clone(), (until, answer.clone()));
        answer
    }

    /// What another thread is answered that asks just now.
    fn of_another(&self, question: &Question, now: Moment) -> Result<Versions, String> {
        let mut asking = locked(&self.asking);
        while let Some(begun) = asking.get(question) {
            let left = PROMPT.checked_sub(begun.elapsed()).ok_or("it is being asked for")?;
            (asking, _) = self.asked.wait_timeout(asking, left).unwrap_or_else(PoisonError::into_inner);
        }
        drop(asking);
        self.known(question, now).ok_or("it was asked for in vain")?
    }

    /// What was answered before, while that serves.
    fn known(&self, question: &Question, now: Moment) -> Option<Result<Versions, String>> {
        let known = locked(&self.known);
        let (until, answer) = known.get(question)?;
        (*until > now).then(|| answer.clone())
    }

    fn ask_any(
        &self,
        store: &Store,
        repos: &[String],
        role: &Role,
        now: Moment,
    ) -> Result<Versions, NewestError> {
        let mut answer = Err(NewestError::NoRoot);
        for repo in repos {
            answer = self.ask(store, repo, role, now);
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    fn ask(&self, store: &Store, repo: &str, role: &Role, now: Moment) -> Result<Versions, NewestError> {
        let anchor = TrustedRoot::anchor(self.root.as_ref().ok_or(NewestError::NoRoot)?)?;
        let own = self
            .own
            .as_ref()
            .filter(|(address, _)| address == repo.trim_end_matches('/'))
            .map(|(_, folder)| &**folder);
        let site = Site::of(repo, own, store)?;
        let root = site.newest_kept(anchor)?;
        let targets = workflow::refresh(&site, root, Expiry::At(now.time()))?;
        Ok(Versions::of_role(&workflow::role(&site, &targets, role)?))
    }
}

/// A question that one thread asks.
struct Asked<'a> {
    newest: &'a Newest,
    question: Question,
}

impl<'a> Asked<'a> {
    /// The question as it was where another thread asks it.
    fn alone(newest: &'a Newest, question: Question) -> Result<Self, Question> {
        match locked(&newest.asking).entry(question.clone()) {
            Entry::Occupied(_) => Err(question),
            Entry::Vacant(free) => {
                free.insert(Instant::now());
                Ok(Self { newest, question })
            }
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        locked(&self.newest.asking).remove(&self.question);
        self.newest.asked.notify_all();
    }
}

impl Versions {
    fn of_role(role: &TrustedRole) -> Self {
        let least = role.document().min_serial();
        let listed = role.versions().into_iter().filter(|listed| listed.identity.serial >= least).collect();
        Self { listed, channels: role.document().channels() }
    }

    fn newest(&self, role: &Role, architecture: &Architecture) -> Result<Version, NewestError> {
        // They come by their serials.
        let newest = self.listed.iter().rfind(|listed| listed.identity.architecture == *architecture);
        let none = || NewestError::None { role: role.clone(), architecture: architecture.clone() };
        newest.map(|listed| listed.version.clone()).ok_or_else(none)
    }

    /// What a channel names.
    fn of(&self, role: &Role, name: &Channel, architecture: &Architecture) -> Result<Version, NewestError> {
        let (role, name, architecture) = (role.clone(), name.clone(), architecture.clone());
        let Some(version) = self.channels.get(&name) else {
            let names: Vec<&str> = self.channels.keys().map(Channel::as_str).collect();
            let others = if names.is_empty() { "none at all".to_owned() } else { names.join(", ") };
            return Err(NewestError::NoChannel { role, name, others });
        };
        let fits =
            |listed: &&Listed| (&listed.version, &listed.identity.architecture) == (version, &architecture);
        match self.listed.iter().find(fits) {
            Some(listed) => Ok(listed.version.clone()),
            None => Err(NewestError::Unfit { role, name, version: version.clone(), architecture }),
        }
    }
}

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
