//! What delegations may cover in the general workflow: shell patterns, prefixes of hashes, hash bins.
//!
//! Of the specification (paths, `path_hash_prefixes`) and of TAP 15 (`succinct_roles`). Not in the host binary, whose
//! delegations have one form ([`super::Profile`]).

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::Fault;
use super::hash::Sha256;
use super::key::RoleKeys;
use super::target::{Delegation, Delegations};

/// Delegation to `2^bit_length` roles of the same keys; the first bits of a path's SHA-256 choose one.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Succinct {
    #[serde(flatten)]
    pub(super) keys: RoleKeys,
    bit_length: u32,
    pub(super) name_prefix: String,
}

impl Succinct {
    /// The bins of `delegations`, if it delegates to such.
    pub(super) fn of(delegations: &Delegations) -> Result<Option<Self>, Fault> {
        let bins: Option<Self> = field(&delegations.extra, "succinct_roles")?;
        match bins {
            Some(bins) if !(1..=32).contains(&bins.bit_length) => Err(Fault::form(&bins.name_prefix)),
            other => Ok(other),
        }
    }

    /// The name of the bin for a path with this hash: the prefix, and the number in as many hex digits as the
    /// highest has.
    pub(super) fn bin(&self, hash: Sha256) -> String {
        let [a, b, c, d, ..] = hash.0;
        let bin = u32::from_be_bytes([a, b, c, d]) >> (32 - self.bit_length);
        let digits = self.bit_length.div_ceil(4) as usize;
        format!("{}-{bin:0digits$x}", self.name_prefix)
    }
}

/// The field `path_hash_prefixes` of a delegation.
pub(super) fn hash_prefixes(delegation: &Delegation) -> Result<Option<Vec<String>>, Fault> {
    field(&delegation.keys.extra, "path_hash_prefixes")
}

fn field<T: serde::de::DeserializeOwned>(
    fields: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, Fault> {
    fields.get(name).map(T::deserialize).transpose().map_err(Fault::Shape)
}

/// Whether a delegation covers the path `target` with the hash `hash`.
pub(super) fn covers(delegation: &Delegation, target: &str, hash: Sha256) -> Result<bool, Fault> {
    let hash = hash.to_string();
    let prefixes = hash_prefixes(delegation)?.unwrap_or_default();
    let mut paths = delegation.paths.iter();
    Ok(prefixes.iter().any(|prefix| hash.starts_with(prefix)) || paths.any(|pattern| fits(pattern, target)))
}

/// Whether `target` matches a shell pattern of which no wildcard matches a slash.
fn fits(pattern: &str, target: &str) -> bool {
    let (patterns, parts) = (pattern.split('/'), target.split('/'));
    patterns.clone().count() == parts.clone().count()
        && patterns.zip(parts).all(|(pattern, part)| {
            let [pattern, part] = [pattern, part].map(|text| text.chars().collect::<Vec<_>>());
            glob(&pattern, &part)
        })
}

/// One segment: `*`, `?`, `[…]`, `[!…]`. Only the last star is ever gone back to, so time is bounded by the product of
/// both lengths.
fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
        } else if p == pattern.len() && t == text.len() {
            return true;
        } else if let Some(next) = text.get(t).and_then(|c| one(&pattern[p..], *c)) {
            (p, t) = (p + next, t + 1);
        } else {
            match star {
                Some((after, from)) if from < text.len() => {
                    (p, t) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                Some(_) | None => return false,
            }
        }
    }
}

/// How many characters of `pattern` match the one character `c`; `None` if they do not.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern {
        [] => None,
        ['?', ..] => Some(1),
        ['[', set @ ..] => {
            let (not, set) = match set {
                ['!', rest @ ..] => (true, rest),
                rest => (false, rest),
            };
            // A bracket that stands first is a member; one without an end is no set.
            match set.iter().skip(1).position(|c| *c == ']') {
                Some(end) => {
                    let within = member(&set[..=end], c);
                    (within != not).then_some(end + 3 + usize::from(not))
                }
                None => (c == '[').then_some(1),
            }
        }
        [same, ..] => (*same == c).then_some(1),
    }
}

fn member(set: &[char], c: char) -> bool {
    match set {
        [] => false,
        [low, '-', high, rest @ ..] => (*low..=*high).contains(&c) || member(rest, c),
        [same, rest @ ..] => *same == c || member(rest, c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wildcard_matches_a_slash() {
        for (pattern, target, matches) in [
            ("*", "a", true),
            ("*", "", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("a*", "a", true),
            ("*.py", "b.py", true),
            ("*.py", "b.pyc", false),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("v?.zip", "v1.zip", true),
            ("v?.zip", "v.zip", false),
            ("v?.zip", "v/.zip", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[!a-c]x", "dx", true),
            ("[]x]y", "]y", true),
            ("[x", "[x", true),
            ("A", "a", false),
            ("releases/x/*", "releases/x/x_v1", true),
            ("releases/x/*", "releases/y/x_v1", false),
            ("/a", "a", false),
        ] {
            assert_eq!(fits(pattern, target), matches, "{pattern} {target}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends() {
        assert!(!fits(&"*a".repeat(2000), &"a".repeat(1999)));
        assert!(fits(&"*a".repeat(2000), &"a".repeat(2000)));
    }

    /// As python-tuf's `SuccinctRoles.get_role_for_target` names them.
    #[test]
    fn a_bin_is_named_by_the_first_bits_of_the_hash() {
        let bins =
            |bit_length| Succinct { keys: RoleKeys::new([], 1), bit_length, name_prefix: "bin".to_owned() };
        let hash = Sha256(
            [0xba, 0x78, 0x16, 0xbf].into_iter().chain([0; 28]).collect::<Vec<_>>().try_into().unwrap(),
        );
        for (bits, name) in [(1, "bin-1"), (4, "bin-b"), (5, "bin-17"), (8, "bin-ba"), (32, "bin-ba7816bf")] {
            assert_eq!(bins(bits).bin(hash), name);
        }
    }
}
