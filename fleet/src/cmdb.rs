//! The configuration database of a profile: entries, each given to one machine, once and for ever.
//!
//! An entry is known by a key, which is stored beside the machine that has it. The key is a digest of the entry's
//! values (or of those that the profile names in `cmdb-key`) and of which of several equal entries it is: lines may be
//! added, removed and moved without an allocation moving. A value that is changed makes another entry of it; while a
//! machine holds one that is no longer in the database, no other is given out, as two machines could end with one
//! address. The files are never written.

mod entry;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::matcher::Matched;
use crate::template::Variables;
pub use entry::{Cmdb, CmdbError, Entry};

/// Which entries are held: by key, whether by the machine in question.
pub type Held = BTreeMap<String, bool>;

/// Why a machine gets no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All are held.
    #[error("no entry of its database is free: all {entries} are taken")]
    Exhausted {
        /// How many there are.
        entries: usize,
    },
    /// None has the values that pick one.
    #[error("no entry of its database has {picks}")]
    NoMatch {
        /// The values, as `name=value`.
        picks: String,
    },
    /// Those that have the values are held by other machines.
    #[error("every entry of its database with {picks} is taken by another machine")]
    Taken {
        /// The values, as `name=value`.
        picks: String,
    },
    /// Machines hold entries that are no longer there.
    #[error(
        "machines hold {lost} entries that are no longer in its database: which are free is not known; \
         restore them, or release those machines"
    )]
    Lost {
        /// How many.
        lost: usize,
    },
}

impl Cmdb {
    /// The entry for a machine: its own, else the one that the match picks, else the first that is free.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn allocate(&self, held: &Held, matched: &Matched) -> Result<&Entry, Refused> {
        let own = held.iter().filter(|(_, own)| **own).find_map(|(key, _)| self.entry(key));
        if let Some(own) = own {
            return Ok(own);
        }
        let lost = self.lost(held);
        if lost > 0 {
            return Err(Refused::Lost { lost });
        }
        if matched.picks.is_empty() {
            let known = &matched.variables;
            let again = |entry: &&Entry| {
                entry.given_before && !known.is_empty() && entry.has(known) && entry.is_free(held)
            };
            let free = |entry: &&Entry| !entry.given_before && entry.is_free(held);
            let entries = self.entries();
            let found = entries.iter().find(again).or_else(|| entries.iter().find(free));
            return found.ok_or(Refused::Exhausted { entries: entries.len() });
        }
        let mut picked = self.entries().iter().filter(|entry| entry.has(&matched.picks)).peekable();
        let picks = || {
            let texts: Vec<String> =
                matched.picks.iter().map(|(name, value)| format!("{name}={value}")).collect();
            texts.join(", ")
        };
        if picked.peek().is_none() {
            return Err(Refused::NoMatch { picks: picks() });
        }
        picked.find(|entry| entry.is_free(held)).ok_or_else(|| Refused::Taken { picks: picks() })
    }

    /// How many of the entries that are held are not there.
    #[must_use]
    pub fn lost(&self, held: &Held) -> usize {
        held.keys().filter(|key| self.entry(key).is_none()).count()
    }
}

/// A value of the machine that is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine's value of ${name} holds a control character")]
pub struct Odd {
    /// The variable.
    pub name: String,
}

/// The variables of a machine: those of its entry, and over them what was detected.
///
/// # Errors
/// [`Odd`]: a machine that nobody knows may not break a line in a file that is written from its values.
pub fn merged(entry: Option<&Entry>, matched: &Matched) -> Result<Variables, Odd> {
    let mut variables = entry.map(|entry| entry.values.clone()).unwrap_or_default();
    for (name, value) in &matched.variables {
        if value.chars().any(char::is_control) {
            return Err(Odd { name: name.clone() });
        }
        variables.insert(name.clone(), value.clone());
    }
    Ok(variables)
}
