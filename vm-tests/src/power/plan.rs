//! Which of the distinct states are examined how.

use std::collections::{BTreeMap, HashSet};

use super::cut::Dice;
use super::examine::Outcome;
use super::replay::Moment;
use super::survey::{State, Survey};

/// What is done with a state, on a copy of the disk.
#[derive(Clone, Debug)]
pub struct Job {
    /// The state.
    pub state: State,
    /// The slot that boots is mounted and verified.
    pub verify: bool,
    /// The next upgrade is run to its end.
    pub go_on: bool,
    /// It is booted for real.
    pub boot: bool,
}

/// How much is examined.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// How many states beyond those with an ESP or own state of their own get the next upgrade.
    pub others: usize,
    /// How many are booted.
    pub boots: usize,
    /// Of all that would be verified or upgraded, one in so many is.
    pub one_in: u64,
}

/// Chooses what to do, by the moment of each state.
#[must_use]
pub fn plan(survey: &Survey, extent: Extent, seed: u64) -> BTreeMap<Moment, Job> {
    let mut dice = Dice::new(seed, &[u64::MAX]);
    let [mut esps, mut owns] = [(); 2].map(|()| HashSet::new());
    let (mut jobs, mut others) = (BTreeMap::new(), Vec::new());
    for state in &survey.states {
        let go_on = esps.insert(state.key.esp) | owns.insert(state.key.own);
        let taken = dice.below(extent.one_in) == 0;
        let job = Job { state: state.clone(), verify: taken, go_on: go_on && taken, boot: false };
        if !job.go_on {
            others.push(state.moment);
        }
        jobs.insert(state.moment, job);
    }
    for moment in pick(&others, extent.others, &mut dice) {
        jobs.get_mut(&moment).expect("of these").go_on = true;
    }
    // Half of the boots for each outcome, as far as there are so many states.
    let of = |outcome| {
        let states = survey.states.iter().filter(move |state| state.outcome == outcome);
        states.map(|state| state.moment).collect::<Vec<_>>()
    };
    let new = pick(&of(Outcome::New), extent.boots / 2, &mut dice);
    let old = pick(&of(Outcome::Old), extent.boots - new.len(), &mut dice);
    for moment in new.into_iter().chain(old) {
        jobs.get_mut(&moment).expect("of these").boot = true;
    }
    jobs.retain(|_, job| job.verify || job.go_on || job.boot);
    jobs
}

/// Any `count` of these.
fn pick(of: &[Moment], count: usize, dice: &mut Dice) -> Vec<Moment> {
    let mut left = of.to_vec();
    let count = count.min(left.len());
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let at = dice.below(left.len() as u64);
        chosen.push(left.swap_remove(usize::try_from(at).expect("below a length")));
    }
    chosen
}
