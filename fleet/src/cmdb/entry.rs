//! Entries as they lie in a file: flat names with texts, each with the key that it is known by.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use edeploy_format::digest::Digest;
use serde_json::{Map, Value};

use super::Held;
use crate::generate::{GenerateError, entries};
use crate::literal::Literal;
use crate::template::Variables;

/// eDeploy put this into entries that it gave out.
const USED: &str = "used";

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is known by: 64 hexadecimal digits.
    pub key: String,
    /// Its values. What is within another value has the names joined by dots: `net.ip`, `dns.0`.
    pub values: Variables,
    /// Whether eDeploy gave it to a machine: it is only for one whose detected values it has.
    pub given_before: bool,
}

impl Entry {
    /// Whether it has all of these values.
    pub(super) fn has(&self, values: &Variables) -> bool {
        values.iter().all(|(name, value)| self.values.get(name) == Some(value))
    }

    /// Whether no machine holds it.
    pub(super) fn is_free(&self, held: &Held) -> bool {
        !held.contains_key(&self.key)
    }
}

/// The entries of a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmdb {
    entries: Vec<Entry>,
    /// Where among them each is, by its key.
    places: HashMap<String, usize>,
    names: BTreeSet<String>,
}

/// Why there is no database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdbError {
    /// It is not one, or its model cannot be expanded.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// Two values of an entry would have one name.
    #[error("entry {entry}: two values are called {name}")]
    Twice {
        /// Which, from 1 on.
        entry: usize,
        /// The name.
        name: String,
    },
    /// An entry lacks what entries are known by.
    #[error("entry {entry}: no {name}, which entries are known by (cmdb-key)")]
    NoKey {
        /// Which, from 1 on.
        entry: usize,
        /// The name.
        name: String,
    },
    /// Two entries have the same values of what entries are known by.
    #[error("entries {first} and {second} have the same {names}, which entries are known by (cmdb-key)")]
    SameKey {
        /// The earlier one, from 1 on.
        first: usize,
        /// The later one.
        second: usize,
        /// The names.
        names: String,
    },
}

impl Cmdb {
    /// Reads a file: entries, or `generate({…})`. `known_by` are the names that make an entry; empty: all.
    ///
    /// # Errors
    /// [`CmdbError`].
    pub fn read(bytes: &[u8], known_by: &[String]) -> Result<Self, CmdbError> {
        let mut database = Self::default();
        let mut seen: BTreeMap<Digest, (usize, u64)> = BTreeMap::new();
        for (at, raw) in entries(bytes)?.into_iter().enumerate() {
            let number = at + 1;
            let (values, given_before) = flat(raw, number)?;
            let own = own(&values, known_by, number)?;
            let canonical = serde_json::to_vec(&own).expect("texts by name");
            let (first, equal) = seen.entry(Digest::of(&canonical)).or_insert((number, 0));
            if *equal > 0 && !known_by.is_empty() {
                let names = known_by.join(", ");
                return Err(CmdbError::SameKey { first: *first, second: number, names });
            }
            let key = Digest::of(&[&canonical[..], &equal.to_be_bytes()].concat()).to_string();
            *equal += 1;
            database.names.extend(
                values.keys().filter(|name| !database.names.contains(*name)).cloned().collect::<Vec<_>>(),
            );
            database.places.insert(key.clone(), at);
            database.entries.push(Entry { key, values, given_before });
        }
        Ok(database)
    }

    /// The entry of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.places.get(key).map(|&at| &self.entries[at])
    }

    /// All entries, in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names that any entry has.
    #[must_use]
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }
}

/// What an entry is known by.
fn own<'a>(
    values: &'a Variables,
    known_by: &'a [String],
    entry: usize,
) -> Result<BTreeMap<&'a str, &'a str>, CmdbError> {
    if known_by.is_empty() {
        return Ok(values.iter().map(|(name, value)| (&**name, &**value)).collect());
    }
    let one = |name: &'a String| match values.get(name) {
        Some(value) => Ok((&**name, &**value)),
        None => Err(CmdbError::NoKey { entry, name: name.clone() }),
    };
    known_by.iter().map(one).collect()
}

/// The values of an entry as texts, and whether eDeploy gave it out.
fn flat(mut raw: Map<String, Value>, entry: usize) -> Result<(Variables, bool), CmdbError> {
    let given_before = raw.remove(USED).is_some();
    let mut values = Variables::new();
    for (name, value) in raw {
        flatten(name, value, &mut values).map_err(|name| CmdbError::Twice { entry, name })?;
    }
    Ok((values, given_before))
}

/// Adds a value, or what is in it; a name that is there already is the error.
fn flatten(name: String, value: Value, into: &mut Variables) -> Result<(), String> {
    match value {
        Value::Object(members) => members
            .into_iter()
            .try_for_each(|(within, value)| flatten(format!("{name}.{within}"), value, into)),
        Value::Array(members) => members
            .into_iter()
            .enumerate()
            .try_for_each(|(at, value)| flatten(format!("{name}.{at}"), value, into)),
        simple @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            let text = Literal::from(simple).to_string();
            match into.insert(name.clone(), text) {
                None => Ok(()),
                Some(_) => Err(name),
            }
        }
    }
}
