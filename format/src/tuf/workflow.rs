//! The client workflow from end to end: which file is had next, from where, and when it may be kept.
//!
//! Pure as the rest: a [`Source`] brings files and keeps them. Whatever the [`super::Rules`], it is this code.

use std::collections::{BTreeMap, BTreeSet};

use super::bins::{Succinct, covers};
use super::client::{Expiry, TrustedRoot, TrustedSnapshot, TrustedTargets};
use super::envelope::{Listing, Signers, Verified};
use super::error::{Fault, TufError};
use super::hash::Sha256;
use super::key::{Key, KeyId, RoleKeys};
use super::metadata::{Signed, Timestamp};
use super::role::TrustedRole;
use super::target::{Target, Targets};
use super::{DELEGATIONS_LIMIT, ROOTS_LIMIT, delegated};
use crate::name::Role;

/// Where a client's documents come from, and where they are kept.
pub trait Source {
    /// Why a document cannot be had.
    type Error: From<TufError>;

    /// The file `file` below the site's `metadata/`.
    ///
    /// # Errors
    /// If it is not there, longer than `limit` bytes, or cannot be had.
    fn fetch(&self, file: &str, limit: u64) -> Result<Vec<u8>, Self::Error>;

    /// The same; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Source::fetch`].
    fn if_there(&self, file: &str, limit: u64) -> Result<Option<Vec<u8>>, Self::Error>;

    /// What was kept before as `name`, all copies there are; nothing of it is believed.
    ///
    /// # Errors
    /// If it cannot be read.
    fn kept(&self, name: &str) -> Result<Vec<Vec<u8>>, Self::Error>;

    /// `bytes` passed every check that the specification asks for before they are kept as `name`.
    ///
    /// # Errors
    /// If they cannot be kept.
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// From a trusted root to the present `targets.json`.
///
/// # Errors
/// Those of `source`, and any [`Fault`].
pub fn refresh<S: Source>(source: &S, root: TrustedRoot, expiry: Expiry) -> Result<TrustedTargets, S::Error> {
    let root = newest_root(source, root)?;
    let seen = root.seen(&source.kept("timestamp")?, &source.kept("snapshot")?);
    root.must_be_fresh(&seen, expiry)?;
    let bytes = source.fetch("timestamp.json", Timestamp::LIMIT)?;
    let timestamp = root.timestamp(&bytes, &seen, expiry)?;
    source.keep("timestamp", timestamp.timestamp.bytes())?;
    let listing = timestamp.snapshot_listing();
    let snapshot = had(source, "snapshot", &listing, |bytes| timestamp.open_snapshot(bytes, &seen))?;
    let snapshot = TrustedSnapshot { above: timestamp, snapshot };
    let targets = had(source, "targets", &snapshot.targets_listing()?, |bytes| snapshot.open_targets(bytes))?;
    Ok(TrustedTargets { above: snapshot, targets })
}

/// Follows the chain of roots to its end.
fn newest_root<S: Source>(source: &S, mut root: TrustedRoot) -> Result<TrustedRoot, S::Error> {
    for _ in 0..ROOTS_LIMIT {
        let listing = root.next_listing();
        let Some(bytes) = source.if_there(&listing.file, listing.limit)? else { break };
        root = root.next(&bytes)?;
        source.keep("root", root.root().bytes())?;
    }
    Ok(root)
}

/// The document `name`: a kept copy if one passes every check, else the one from the site, which is then kept.
fn had<S: Source, T>(
    source: &S,
    name: &str,
    listing: &Listing,
    open: impl Fn(&[u8]) -> Result<Verified<T>, TufError>,
) -> Result<Verified<T>, S::Error> {
    let mut document = None;
    had_by(source, name, listing, &mut |bytes| {
        document = Some(open(bytes)?);
        Ok(())
    })?;
    Ok(document.expect("opened: checked in had_by"))
}

/// The same for any kind of document, once in the program; `open` has passed when it returns.
fn had_by<S: Source>(
    source: &S,
    name: &str,
    listing: &Listing,
    open: &mut dyn FnMut(&[u8]) -> Result<(), TufError>,
) -> Result<(), S::Error> {
    if source.kept(name)?.iter().any(|copy| open(copy).is_ok()) {
        return Ok(());
    }
    let bytes = source.fetch(&listing.file, listing.limit)?;
    open(&bytes)?;
    source.keep(name, &bytes)
}

/// The metadata of a server role.
///
/// # Errors
/// Those of `source`, and any [`Fault`].
pub fn role<S: Source>(source: &S, above: &TrustedTargets, role: &Role) -> Result<TrustedRole, S::Error> {
    let listing = above.role_listing(role)?;
    let targets = had(source, &delegated(role), &listing, |bytes| above.open_role(role, bytes))?;
    Ok(TrustedRole { role: role.clone(), targets })
}

/// What is said about the target `path`: searched for through all delegations that cover it, in their order, depth
/// first, no role twice. For the general workflow; hosts know which role to ask ([`role`]).
///
/// # Errors
/// Those of `source`, and any [`Fault`]: a role that cannot be believed ends the search.
pub fn target<S: Source>(source: &S, top: &TrustedTargets, path: &str) -> Result<Option<Target>, S::Error> {
    let hash = Sha256::of(path.as_bytes());
    let mut visited = BTreeSet::from(["targets".to_owned()]);
    let mut waiting: Vec<Delegate> = Vec::new();
    let mut targets = top.targets().clone();
    loop {
        if let Some(target) = targets.targets.get(path) {
            return Ok(Some(target.clone()));
        }
        let (delegates, terminating) =
            delegates(&targets, path, hash).map_err(|fault| fault.of("targets"))?;
        if terminating {
            waiting.clear();
        }
        waiting.extend(delegates.into_iter().rev());
        let next = loop {
            let Some(next) = waiting.pop() else { return Ok(None) };
            if visited.insert(next.name.clone()) {
                break next;
            }
        };
        if visited.len() > DELEGATIONS_LIMIT + 1 {
            let many = format!("is one delegated role too many: at most {DELEGATIONS_LIMIT} are searched");
            return Err(Fault::General(many).of(&file(&next.name)).into());
        }
        targets = delegate(source, top, &next)?;
    }
}

/// A role that was delegated to, and by whom it must be signed.
struct Delegate {
    name: String,
    keys: BTreeMap<KeyId, Key>,
    role: RoleKeys,
}

/// The roles that `targets` delegates `path` to, in order, up to the first that ends the search; and whether one does.
fn delegates(targets: &Targets, path: &str, hash: Sha256) -> Result<(Vec<Delegate>, bool), Fault> {
    let mut found = Vec::new();
    let Some(delegations) = &targets.delegations else { return Ok((found, false)) };
    // Of all keys those that the role names: a delegation may list many thousand.
    let of = |name: String, role: &RoleKeys| {
        let named = role.keyids.iter().filter_map(|id| Some((id.clone(), delegations.keys.get(id)?.clone())));
        Delegate { name, keys: named.collect(), role: role.clone() }
    };
    if let Some(bins) = Succinct::of(delegations)? {
        found.push(of(bins.bin(hash), &bins.keys));
    }
    for delegation in &delegations.roles {
        if covers(delegation, path, hash)? {
            found.push(of(delegation.name.clone(), &delegation.keys));
            if delegation.terminating {
                return Ok((found, true));
            }
        }
    }
    Ok((found, false))
}

fn delegate<S: Source>(
    source: &S,
    top: &TrustedTargets,
    to: &Delegate,
) -> Result<Verified<Targets>, S::Error> {
    let encoded = percent_encoded(&to.name);
    let listing = top.above.listing(&to.name, &encoded)?;
    let signers = Signers { keys: &to.keys, role: &to.role, rules: top.above.rules() };
    had(source, &encoded, &listing, |bytes| top.above.open(&file(&encoded), &to.name, bytes, signers))
}

fn file(name: &str) -> String {
    format!("{name}.json")
}

/// `name` as one segment of a path or an address: all but letters, digits and `-._~` as `%XX` of its UTF-8 bytes.
#[must_use]
pub fn percent_encoded(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_segment() {
        for (name, encoded) in [
            ("role-web", "role-web"),
            ("../x", "..%2Fx"),
            ("a?b#c", "a%3Fb%23c"),
            ("\u{e4}", "%C3%A4"),
            ("a b%2F", "a%20b%252F"),
        ] {
            assert_eq!(percent_encoded(name), encoded);
        }
    }
}
