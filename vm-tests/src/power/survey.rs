//! The first pass over a recording: what would boot after each cut, and which states are distinct.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use edeploy_format::digest::Digest;

use super::esp::{Decision, decide};
use super::examine::{Outcome, Versions};
use super::medium::Medium;
use super::own;
use super::replay::{Interval, Moment, Replay};
use crate::disk::{ESP, SLOTS, STATE};

/// How many samples are taken between two flushes.
#[derive(Clone, Copy, Debug)]
pub struct Samples {
    /// Where something is written to the ESP.
    pub esp: u32,
    /// Elsewhere.
    pub other: u32,
}

impl Samples {
    /// How many there are in an interval.
    #[must_use]
    pub fn of(self, interval: &Interval<'_>, esp: (u64, u64)) -> u32 {
        match interval.writes() {
            0 => 0,
            _ if interval.touches(esp) => self.esp,
            _ => self.other,
        }
    }
}

/// What a cut left, as far as it is ours. The rest of the state partition, the system's logs above all, changes
/// all the time and is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// All bytes of the ESP.
    pub esp: Digest,
    /// All bytes of each slot.
    pub slots: [Digest; 2],
    /// Names and content of the files of our own state.
    pub own: Digest,
}

/// A distinct state, where it was met first.
#[derive(Clone, Debug)]
pub struct State {
    /// When.
    pub moment: Moment,
    /// What it is.
    pub key: Key,
    /// What boots.
    pub decision: Decision,
    /// Which version that is.
    pub outcome: Outcome,
}

/// What was seen while the ESP had the same entries.
#[derive(Clone, Copy, Debug, Default)]
pub struct Row {
    /// Flushes.
    pub flushes: usize,
    /// Samples between flushes.
    pub samples: usize,
    /// States that were met first here.
    pub distinct: usize,
    /// How many of the flushes and samples boot the old version.
    pub old: usize,
    /// How many boot the new one.
    pub new: usize,
}

/// What the first pass saw.
#[derive(Debug, Default)]
pub struct Survey {
    /// By the names of the entries, in the order in which they came up.
    pub rows: Vec<(Vec<String>, Row)>,
    /// The distinct states.
    pub states: Vec<State>,
    /// The first flush after which the new version boots.
    pub committed: Option<usize>,
    /// How many of the later flushes and samples boot the old one all the same.
    pub back: usize,
    /// What went wrong, and when.
    pub failures: Vec<(Moment, String)>,
}

/// What is known already.
struct Known<'a> {
    versions: &'a Versions,
    scratch: &'a Path,
    decisions: HashMap<Digest, Result<(Decision, Outcome), String>>,
    own: HashMap<Digest, Result<Digest, String>>,
    /// All bytes of each slot when it was first seen to boot: from then on nobody may write it, not even its super block.
    held: [Option<Digest>; 2],
    /// The loader, as it was before.
    loader: Digest,
}

impl Known<'_> {
    fn look(&mut self, moment: Moment, medium: &mut Medium) -> Result<State, String> {
        let key_of = |medium: &mut Medium, number| medium.digest(number);
        let esp = key_of(medium, ESP);
        let (versions, loader) = (self.versions, self.loader);
        let decided = self.decisions.entry(esp).or_insert_with(|| {
            let decision = decide(medium)?;
            if decision.loader != loader {
                return Err("the loader is not what it was".to_owned());
            }
            let outcome = versions.outcome(&decision)?;
            Ok((decision, outcome))
        });
        let (decision, outcome) = decided.clone()?;
        let slots = SLOTS.map(|number| key_of(medium, number));
        let boots = decision.name.slot.index();
        self.held[boots].get_or_insert(slots[boots]);
        for (n, (held, now)) in self.held.iter().zip(&slots).enumerate() {
            if held.is_some_and(|held| held != *now) {
                return Err(format!("{}, which an entry names, was written", ["slot a", "slot b"][n]));
            }
        }
        let state = key_of(medium, STATE);
        let scratch = self.scratch;
        let own = self.own.entry(state).or_insert_with(|| {
            medium.extract(STATE, scratch);
            own::state(scratch)
        });
        Ok(State { moment, key: Key { esp, slots, own: own.clone()? }, decision, outcome })
    }
}

/// Looks at each flush of a recording, and at samples in between. `medium` holds the disk as it was before.
///
/// # Panics
/// If that disk does not boot the old version.
pub fn survey(replay: &Replay, medium: &mut Medium, samples: Samples, versions: &Versions) -> Survey {
    let before = decide(medium).unwrap_or_else(|e| panic!("before the upgrade: {e}"));
    let scratch = medium.path().with_extension("state");
    let mut known = Known {
        versions,
        scratch: &scratch,
        decisions: HashMap::new(),
        own: HashMap::new(),
        held: [Some(medium.digest(SLOTS[0])), None],
        loader: before.loader,
    };
    let (esp, mut survey) = (medium.place(ESP), Survey::default());
    let (mut keys, mut rows) = (HashSet::new(), BTreeMap::new());
    replay.play(
        medium,
        |interval| samples.of(interval, esp),
        |moment, medium| match known.look(moment, medium) {
            Err(e) => survey.failures.push((moment, e)),
            Ok(state) => {
                let new = keys.insert(state.key);
                let at = *rows.entry(state.decision.entries.clone()).or_insert_with_key(|entries| {
                    survey.rows.push((entries.clone(), Row::default()));
                    survey.rows.len() - 1
                });
                survey.rows[at].1.count(&state, new);
                if let Some(flush) = survey.committed
                    && state.outcome == Outcome::Old
                {
                    survey.back += 1;
                    survey.failures.push((
                        moment,
                        format!("boots the old version, after flush {flush} had booted the new"),
                    ));
                }
                if state.outcome == Outcome::New && moment.sample.is_none() {
                    survey.committed.get_or_insert(moment.flush);
                }
                if new {
                    survey.states.push(state);
                }
            }
        },
    );
    let _ = std::fs::remove_file(scratch);
    survey
}

impl Row {
    fn count(&mut self, state: &State, new: bool) {
        *(if state.moment.sample.is_some() { &mut self.samples } else { &mut self.flushes }) += 1;
        self.distinct += usize::from(new);
        *(match state.outcome {
            Outcome::Old => &mut self.old,
            Outcome::New => &mut self.new,
        }) += 1;
    }
}
