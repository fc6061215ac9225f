//! The file name of an entry: the only place where its tries are counted.
//!
//! `edeploy-<slot>-g<generation>[+<left>[-<done>]].conf`. The loader renames a counted entry when it
//! spends a try: `+3`, `+2-1`, `+1-2`, `+0-3`. Only the one spelling that is printed is parsed, so
//! that a parsed name is the name of the file.

use std::fmt;
use std::str::FromStr;

use crate::slot::Slot;

/// A count of tries: `+3`, `+2-1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tries {
    /// Tries that are left; with none the entry comes after all that have some.
    pub left: u32,
    /// Tries that were spent.
    pub done: u32,
}

/// The name of an entry of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryName {
    /// Orders entries: the highest is booted first.
    pub generation: u64,
    /// The slot it boots.
    pub slot: Slot,
    /// `None`: blessed, or never on trial.
    pub tries: Option<Tries>,
}

impl EntryName {
    /// A trial that was not tried yet.
    #[must_use]
    pub fn trial(slot: Slot, generation: u64, tries: u32) -> Self {
        Self { generation, slot, tries: Some(Tries { left: tries, done: 0 }) }
    }

    /// An entry without a counter.
    #[must_use]
    pub fn plain(slot: Slot, generation: u64) -> Self {
        Self { generation, slot, tries: None }
    }

    /// The same entry, blessed.
    #[must_use]
    pub fn blessed(self) -> Self {
        Self { tries: None, ..self }
    }

    /// No try is left.
    #[must_use]
    pub fn exhausted(self) -> bool {
        self.tries.is_some_and(|t| t.left == 0)
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "edeploy-{}-g{}", self.slot, self.generation)?;
        match self.tries {
            None => {}
            Some(Tries { left, done: 0 }) => write!(f, "+{left}")?,
            Some(Tries { left, done }) => write!(f, "+{left}-{done}")?,
        }
        f.write_str(".conf")
    }
}

/// Not the name of an entry of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an entry name (edeploy-<slot>-g<generation>[+left[-done]].conf): {0:?}")]
pub struct NotAnEntryName(String);

impl FromStr for EntryName {
    type Err = NotAnEntryName;

    fn from_str(text: &str) -> Result<Self, NotAnEntryName> {
        let name = parse(text).filter(|name| name.to_string() == text);
        name.ok_or_else(|| NotAnEntryName(text.chars().take(80).collect()))
    }
}

fn parse(text: &str) -> Option<EntryName> {
    let (slot, rest) = text.strip_prefix("edeploy-")?.strip_suffix(".conf")?.split_once("-g")?;
    let (generation, tries) = match rest.split_once('+') {
        None => (rest, None),
        Some((generation, tries)) => {
            let (left, done) = tries.split_once('-').unwrap_or((tries, "0"));
            (generation, Some(Tries { left: left.parse().ok()?, done: done.parse().ok()? }))
        }
    };
    Some(EntryName { slot: slot.parse().ok()?, generation: generation.parse().ok()?, tries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_text() {
        let counted =
            |left, done| EntryName { slot: Slot::B, generation: 10, tries: Some(Tries { left, done }) };
        for (name, text) in [
            (EntryName::plain(Slot::A, 1), "edeploy-a-g1.conf"),
            (EntryName::trial(Slot::B, 10, 3), "edeploy-b-g10+3.conf"),
            (counted(2, 1), "edeploy-b-g10+2-1.conf"),
            (counted(0, 12), "edeploy-b-g10+0-12.conf"),
        ] {
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for text in [
            "",
            "edeploy-a-g1",
            "edeploy-c-g1.conf",
            "edeploy-a-g.conf",
            "edeploy-a-g01.conf",
            "edeploy-a-g+1.conf",
            "edeploy-a-g1+.conf",
            "edeploy-a-g1+3-0.conf",
            "edeploy-a-g1+3-.conf",
            "edeploy-a-g1+-1.conf",
            "edeploy-a-g1-1.conf",
            "edeploy-a-g1+03.conf",
            "edeploy-a-g1+3+2.conf",
            "Edeploy-a-g1.conf",
            "edeploy-a-g1.CONF",
            "edeploy-a-g99999999999999999999.conf",
            "EDEPLO~1.CON",
        ] {
            assert!(text.parse::<EntryName>().is_err(), "{text}");
        }
    }
}
