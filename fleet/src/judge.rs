//! Which profile a machine gets: the first that it matches, that is not used up, and whose database has an entry for it.
//! A machine that was installed is what it became, for as long as it matches that.
//!
//! Every profile is judged, also those after the one that is given: that a machine matches two is kept with its install. Nothing is
//! changed: what others have is given, and what this one gets is the answer. That an answer still holds when it is
//! stored is for the one who stores it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::cmdb::{Cmdb, Held, Odd, Refused, merged};
use crate::explain::{Explained, explain};
use crate::failure::chain;
use crate::hardware::Hardware;
use crate::matcher::{Budget, TooHard, WORK};
use crate::profile::{Listed, Profile, Profiles};
use crate::template::Variables;

/// What is taken, as it matters to one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// By profile, the keys of the entries that are held, and whether by this machine.
    pub entries: BTreeMap<String, Held>,
    /// By profile, how many other machines have a place.
    pub places: BTreeMap<String, u64>,
    /// The profile that this machine was installed as, unless it was released since.
    pub own: Option<String>,
}

/// What came of all profiles.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The one that the machine gets.
    pub given: Option<Given<'a>>,
    /// All, in their order, each with what came of it.
    pub tried: Vec<(&'a str, Outcome)>,
}

/// A profile that a machine gets.
#[derive(Debug)]
pub struct Given<'a> {
    /// The profile.
    pub profile: &'a Profile,
    /// The key of the entry, where the profile has a database.
    pub entry: Option<&'a str>,
    /// What names stand for.
    pub variables: Variables,
}

/// What came of one profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The machine gets it.
    Given(Explained),
    /// It matches as well; another one is given.
    Also(Explained),
    /// It does not match.
    Failed(Explained),
    /// It matches; as many machines have it as may.
    UsedUp(Explained),
    /// It matches; there is no entry for the machine.
    NoEntry(Explained, Refused),
    /// It matches; what was detected cannot be used.
    Odd(Explained, Odd),
    /// Whether it matches is not known.
    NotJudged(TooHard),
    /// It has an error, which this tells.
    Broken(String),
}

/// What is known of a profile before it is known what is taken.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// It matches.
    Matches(Explained),
    /// That is what came of it.
    Ends(Outcome),
}

/// So many profiles may be as much work as one may be, before none of the others is judged.
const HARD: u64 = 4;

/// Matches all profiles that are listed: this takes long, and does not depend on what is taken.
#[must_use]
pub fn look(profiles: &Profiles, hardware: &Hardware) -> Vec<Look> {
    let mut all = HARD * WORK;
    let one = |listed| {
        let share = all.min(WORK);
        let budget = Budget::of(share);
        let look = look_at(listed, hardware, &budget);
        all -= share - budget.left();
        look
    };
    profiles.listed.iter().map(one).collect()
}

fn look_at(listed: &Listed, hardware: &Hardware, budget: &Budget) -> Look {
    let profile = match &listed.profile {
        Ok(profile) => profile,
        Err(error) => return Look::Ends(Outcome::Broken(chain(error))),
    };
    match explain(budget, hardware, &profile.spec) {
        Err(error) => Look::Ends(Outcome::NotJudged(error)),
        Ok(explained) if explained.is_match() => Look::Matches(explained),
        Ok(explained) => Look::Ends(Outcome::Failed(explained)),
    }
}

/// Judges all profiles that are listed.
#[must_use]
pub fn judge<'a>(profiles: &'a Profiles, hardware: &Hardware, taken: &Taken) -> Verdict<'a> {
    decide(profiles, &look(profiles, hardware), taken)
}

/// The same, after a [`look`] at these profiles.
#[must_use]
pub fn decide<'a>(profiles: &'a Profiles, looked: &[Look], taken: &Taken) -> Verdict<'a> {
    let gone = taken.gone(profiles);
    let mut all: Vec<_> = profiles.listed.iter().zip(looked).enumerate().collect();
    // Its own comes first; the order of the others stays.
    all.sort_by_key(|(_, (listed, _))| taken.own.as_ref() != Some(&listed.name));
    let (mut given, mut tried) = (None, Vec::new());
    for (place, (listed, looked)) in all {
        let outcome = match (&listed.profile, looked) {
            (_, Look::Ends(outcome)) => outcome.clone(),
            (Err(error), Look::Matches(_)) => Outcome::Broken(chain(error)),
            (Ok(profile), Look::Matches(explained)) => {
                matching(listed, profile, explained.clone(), (taken, &gone), &mut given)
            }
        };
        tried.push((place, (&*listed.name, outcome)));
    }
    tried.sort_by_key(|(place, _)| *place);
    Verdict { given, tried: tried.into_iter().map(|(_, one)| one).collect() }
}

impl Taken {
    /// The entries that are held under names that are not listed any more.
    #[must_use]
    pub fn gone(&self, profiles: &Profiles) -> Held {
        let is_listed = |name: &String| profiles.listed.iter().any(|listed| listed.name == *name);
        let gone = self.entries.iter().filter(|(name, _)| !is_listed(name)).flat_map(|(_, held)| held);
        gone.map(|(key, own)| (key.clone(), *own)).collect()
    }

    /// The entries that are held of the database of profile `name`. Those that are held under names that are `gone` are
    /// held still: a profile may have been renamed.
    #[must_use]
    pub fn held(&self, name: &str, cmdb: &Cmdb, gone: &Held) -> Held {
        let mut held = self.entries.get(name).cloned().unwrap_or_default();
        for (key, own) in gone.iter().filter(|(key, _)| cmdb.entry(key).is_some()) {
            held.entry(key.clone()).or_insert(*own);
        }
        held
    }
}

/// What comes of a profile that matches.
fn matching<'a>(
    listed: &Listed,
    profile: &'a Profile,
    explained: Explained,
    (taken, gone): (&Taken, &Held),
    given: &mut Option<Given<'a>>,
) -> Outcome {
    if given.is_some() {
        return Outcome::Also(explained);
    }
    let others = taken.places.get(&listed.name).copied().unwrap_or(0);
    if listed.count.left(others) == Some(0) {
        return Outcome::UsedUp(explained);
    }
    let allocate = |cmdb: &'a Cmdb| cmdb.allocate(&taken.held(&listed.name, cmdb, gone), &explained.found);
    let entry = match profile.cmdb.as_ref().map(allocate).transpose() {
        Ok(entry) => entry,
        Err(refused) => return Outcome::NoEntry(explained, refused),
    };
    match merged(entry, &explained.found) {
        Ok(variables) => {
            *given = Some(Given { profile, entry: entry.map(|entry| &*entry.key), variables });
            Outcome::Given(explained)
        }
        Err(odd) => Outcome::Odd(explained, odd),
    }
}

impl Outcome {
    /// What it is called in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Also(_) => "also-matches",
            Self::Failed(_) => "no-match",
            Self::UsedUp(_) => "used-up",
            Self::NoEntry(..) => "no-entry",
            Self::Odd(..) => "odd-value",
            Self::NotJudged(_) => "not-judged",
            Self::Broken(_) => "broken",
        }
    }

    /// It on one line.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Given(_) => "matches, and is given".to_owned(),
            Self::Also(_) => "matches as well; another one is given".to_owned(),
            Self::Failed(explained) => match &explained.failed {
                Some(failed) => {
                    format!("does not match: line {}: {}: {}", failed.line, failed.spec, failed.reason)
                }
                None => "does not match; at which line is too much to find out".to_owned(),
            },
            Self::UsedUp(_) => "matches, but as many machines have it as may".to_owned(),
            Self::NoEntry(_, refused) => format!("matches, but {refused}"),
            Self::Odd(_, odd) => format!("matches, but {odd}"),
            Self::NotJudged(error) => format!("not judged: {error}"),
            Self::Broken(error) => format!("not judged: {error}"),
        }
    }

    /// How it was matched, where it was.
    #[must_use]
    pub fn explained(&self) -> Option<&Explained> {
        match self {
            Self::Given(explained)
            | Self::Also(explained)
            | Self::Failed(explained)
            | Self::UsedUp(explained)
            | Self::NoEntry(explained, _)
            | Self::Odd(explained, _) => Some(explained),
            Self::NotJudged(_) | Self::Broken(_) => None,
        }
    }
}

impl Verdict<'_> {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let one = |(name, outcome): &(&str, Outcome)| {
            let failed = outcome.explained().and_then(|explained| explained.failed.as_ref());
            json!({"profile": name, "outcome": outcome.word(), "reason": outcome.reason(), "failed": failed})
        };
        json!({
            "profile": self.given.as_ref().map(|given| &given.profile.name),
            "entry": self.given.as_ref().and_then(|given| given.entry),
            "variables": self.given.as_ref().map(|given| &given.variables),
            "tried": self.tried.iter().map(one).collect::<Vec<_>>(),
        })
    }
}

/// One line for each profile, with what came nearest to a line that failed.
impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.tried {
            writeln!(f, "{name}: {}", outcome.reason())?;
            let failed = outcome.explained().and_then(|explained| explained.failed.as_ref());
            for near in failed.iter().flat_map(|failed| &failed.nearest) {
                writeln!(f, "  - {near}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
