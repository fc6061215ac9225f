//! Why metadata is not believed.

use super::canonical::NotCanonical;
use super::hash::Sha256;
use super::key::KeyId;
use super::time::Time;

/// A metadata file that is not believed.
#[derive(Debug, thiserror::Error)]
#[error("reading {file}")]
pub struct TufError {
    /// Its name: `timestamp.json`, `7.snapshot.json`.
    pub file: String,
    /// Why.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a metadata file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Not JSON, or not an object with `signatures` and `signed`.
    #[error("not a signed JSON document")]
    Envelope(#[source] serde_json::Error),
    /// The signed part holds what cannot be signed.
    #[error(transparent)]
    NotCanonical(#[from] NotCanonical),
    /// Too few valid signatures of keys that may sign it.
    #[error("signed by {valid} of the keys that may sign it, and {threshold} must")]
    Signatures {
        /// Distinct keys whose signature is right.
        valid: usize,
        /// How many must have signed.
        threshold: u64,
    },
    /// Two signatures under the identifier of one that may sign it.
    #[error("has two signatures of the key {0}")]
    SignedTwice(KeyId),
    /// The signed part is not what such a file must be.
    #[error("signed, but not well formed")]
    Shape(#[source] serde_json::Error),
    /// A file of another type under this name.
    #[error("a `{found}` where `{expected}` belongs")]
    Type {
        /// What belongs here.
        expected: &'static str,
        /// What is here.
        found: String,
    },
    /// No key may sign plans.
    #[error("delegates to no fleet service: `rolebuild delegate-fleet` on the build side does")]
    NoFleet,
    /// The answer to another report.
    #[error("answers another report than this machine's")]
    Nonce,
    /// A major version of the specification that is not 1.
    #[error("written for TUF {0:?}, this program reads 1.x")]
    SpecVersion(String),
    /// Zero, or above [`super::VERSION_LIMIT`].
    #[error("version {0} is not between 1 and 2^53 - 1")]
    Version(u64),
    /// A key under an identifier that is not its own.
    #[error("the key listed as {0} has another identifier")]
    KeyId(KeyId),
    /// No signatures are asked for, or more than there are keys.
    #[error("a threshold of {threshold} with {keys} keys")]
    Threshold {
        /// What is asked for.
        threshold: u64,
        /// Distinct keys there are.
        keys: usize,
    },
    /// The root does not say `consistent_snapshot`.
    #[error("the repository has no consistent snapshots")]
    Inconsistent,
    /// Longer than its kind may be.
    #[error("{length} bytes, at most {limit} may be")]
    TooLong {
        /// Its length.
        length: u64,
        /// The bound.
        limit: u64,
    },
    /// Not of the length that the file above lists.
    #[error("{found} bytes, {expected} are listed")]
    Length {
        /// What is listed.
        expected: u64,
        /// What is here.
        found: u64,
    },
    /// Not of the hash that the file above lists.
    #[error("its SHA-256 is {found}, listed is {expected}")]
    Hash {
        /// What is listed.
        expected: Sha256,
        /// What is here.
        found: Sha256,
    },
    /// Not of the version that must come here.
    #[error("version {found} where version {expected} must come")]
    NotThatVersion {
        /// What must come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// Older than what was seen before.
    #[error("version {offered} of {file} is offered, version {seen} was seen before")]
    Rollback {
        /// Whose version.
        file: String,
        /// The highest seen.
        seen: u64,
        /// What is offered.
        offered: u64,
    },
    /// A file that was listed before is listed no more.
    #[error("{0} was listed before and is not any more")]
    Dropped(String),
    /// Past its date.
    #[error("expired {expires}, and it is {now}; run `{renew}` on the build side, or set the clock")]
    Expired {
        /// Its date.
        expires: Time,
        /// The time it was held against.
        now: Time,
        /// The command that renews it.
        renew: &'static str,
    },
    /// The snapshot or timestamp does not list what it must.
    #[error("does not list {0}")]
    NotListed(String),
    /// There is no such server role.
    #[error("no role {0} is published")]
    NoSuchRole(crate::name::Role),
    /// A delegation outside the profile.
    #[error("the delegation `{0}` is not one role `role-<name>`, terminating, with the one path `<name>@*`")]
    Delegation(String),
    /// What only the general workflow can meet.
    #[error("{0}")]
    General(String),
    /// `targets.json` lists what only a delegated role may.
    #[error("lists {0}, which belongs to a delegated role")]
    Shadowed(String),
    /// A custom field that this project needs is missing or wrong.
    #[error("{target}: custom field")]
    Custom {
        /// The target.
        target: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Fault {
    /// A delegation that the specification does not know.
    pub(super) fn form(name: &str) -> Self {
        Self::General(format!(
            "the delegation `{name}` has no form that the specification knows, or a name it cannot have"
        ))
    }

    /// This fault, found in `file`.
    pub(super) fn of(self, file: &str) -> TufError {
        TufError { file: file.to_owned(), fault: self }
    }
}
