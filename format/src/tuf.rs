//! TUF 1.0 metadata: what makes a published object believable.
//!
//! Types, canonical JSON, Ed25519 signatures, and the client workflow of the specification
//! (<https://theupdateframework.github.io/specification/latest/#detailed-client-workflow>) as a
//! sequence of types: [`TrustedRoot`] → [`TrustedTimestamp`] → [`TrustedSnapshot`] →
//! [`TrustedTargets`] → [`TrustedRole`]. Each is made only from the one before it and bytes that
//! passed every check, so that nothing unverified can be used and no step left out. [`workflow`] goes through them.
//!
//! [`Rules`] say what is taken. Those of this project, [`Profile`]: consistent snapshots; Ed25519 only; every delegation of `targets.json` is one role
//! `role-<name>`, terminating, with the one path pattern `<name>@*`. Pure: no file, no socket, and
//! the time is handed in. Private keys come in as values to sign with and are not kept.

mod bins;
mod canonical;
mod channel;
mod client;
mod envelope;
mod error;
mod hash;
mod key;
mod metadata;
mod role;
mod rules;
mod seen;
mod target;
mod time;
pub mod workflow;

pub use canonical::NotCanonical;
pub use client::{Expiry, TrustedRoot, TrustedSnapshot, TrustedTargets, TrustedTimestamp};
pub use envelope::{Envelope, Listing, Verified, message, sign, signed};
pub use error::{Fault, TufError};
pub use hash::{BadSha256, Sha256, Sha256Hasher};
pub use key::{Key, KeyId, RoleKeys};
pub use metadata::{Common, Issued, MetaFile, Root, RootRoles, Signed, Snapshot, Timestamp};
pub use role::{Listed, TrustedRole};
pub use rules::{General, Profile, Rules, Signer};
pub use seen::Seen;
pub use target::{
    AGAINST_LIMIT, Contents, Delegation, Delegations, Hashes, Identity, Policy, Target, Targets,
};
pub use time::{BadTime, Time};

/// `<name>.json` of a server role's delegated metadata, without the ending: `role-web`.
#[must_use]
pub fn delegated(role: &crate::name::Role) -> String {
    format!("role-{role}")
}

/// What a server role's metadata may list: one shell pattern, whose `*` matches no slash.
#[must_use]
pub fn pattern(role: &crate::name::Role) -> String {
    format!("{role}@*")
}

/// Whether `target` matches [`pattern`] of `role`.
#[must_use]
pub fn matches(role: &crate::name::Role, target: &str) -> bool {
    let rest = target.strip_prefix(role.as_str()).and_then(|rest| rest.strip_prefix('@'));
    rest.is_some_and(|rest| !rest.contains('/'))
}

/// The version of the specification that is written; any `1.x` is read.
pub const SPEC_VERSION: &str = "1.0.31";
/// No metadata has a higher version: what every JSON implementation can hold exactly.
pub const VERSION_LIMIT: u64 = (1 << 53) - 1;
/// How many new roots a client follows in one go.
pub const ROOTS_LIMIT: u64 = 256;
/// How many delegated roles a search of the general workflow visits.
pub const DELEGATIONS_LIMIT: usize = 32;
