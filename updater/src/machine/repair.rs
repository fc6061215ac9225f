//! The way back of a machine whose ESP or state partition was lost: what is broken, and what to do next about it.
//!
//! No slot is written. An entry is made only for a slot that was read whole and is what was signed. Where the
//! loader is missing it is put there last: until then nothing boots, so a cut leaves an ESP that the next run
//! takes for what it is, one that is not finished.

use edeploy_format::boot::{EntryName, TRIES};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::observed::Observed;
use super::step::{Outcome, Refusal, Step, Verified};
use crate::esp::Listed;

/// How the state partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// As it must be.
    #[default]
    Sound,
    /// There is nothing of this machine in it.
    Lost,
    /// Its file system needs an operator: what is in it may still be saved.
    Damaged,
}

/// A tree that a slot holds, read whole and as it was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Which.
    pub manifest: Digest,
    /// Its place in the order of versions.
    pub serial: u64,
    /// It was found good on this machine.
    pub good: bool,
    /// It is what this machine ran last.
    pub ran_last: bool,
}

/// What is looked at for a repair, beside the entries: these come with their kernels and initrds read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rescue {
    /// The ESP can be read, all of it that counts.
    pub esp: bool,
    /// The loader and its configuration are there.
    pub loader: bool,
    /// The state partition.
    pub state: State,
    /// The slots that hold a tree; only where the ESP is not as it must be.
    pub held: [Option<(Verified, Held)>; 2],
}

/// The next step of a repair.
pub(super) fn next(seen: &Observed) -> Step {
    if seen.rescue.state == State::Lost {
        return Step::MakeState;
    }
    if let Some(step) = seen.esp_is_broken().then(|| esp(seen)).flatten() {
        return step;
    }
    match seen.rescue.state {
        State::Damaged => Step::Refuse(Refusal::StateDamaged),
        State::Sound | State::Lost => Step::Done(Outcome::Repaired),
    }
}

fn esp(seen: &Observed) -> Option<Step> {
    if seen.rescue.held == [None, None] {
        return Some(Step::Refuse(Refusal::NothingHeld));
    }
    if seen.esp_is_lost() {
        return Some(Step::MakeEsp);
    }
    let held = |slot: Slot| seen.held(slot).map(|(proof, _)| proof);
    let mend = seen.entries.iter().find(|l| l.whole().is_none() && seen.keeps(l));
    if let Some(slot) = mend.and_then(|listed| held(listed.name.slot)) {
        return Some(Step::Stage(slot));
    }
    if let Some(name) = seen.missing().next() {
        let slot = held(name.slot)?;
        let staged = seen.progress == super::Progress::Staged(slot);
        return Some(if staged { Step::Restore { slot, name } } else { Step::Stage(slot) });
    }
    let bad: Vec<EntryName> = seen.entries.iter().filter(|l| !seen.keeps(l)).map(|l| l.name).collect();
    if !bad.is_empty() {
        return Some(Step::Discard(bad));
    }
    let slot = seen.primary().and_then(held).or_else(|| Slot::ALL.into_iter().find_map(held))?;
    (!seen.rescue.loader).then_some(Step::PutLoader(slot))
}

impl Observed {
    /// Does the ESP need anything?
    #[must_use]
    pub fn esp_is_broken(&self) -> bool {
        let rescue = &self.rescue;
        let own = || self.world.running.is_none_or(|running| self.own(&running).is_some());
        let whole = || !self.entries.is_empty() && self.entries.iter().all(|l| l.whole().is_some());
        !(rescue.esp && rescue.loader && whole() && own())
    }

    /// Is it made anew? Not where it is new already: then it has no loader.
    fn esp_is_lost(&self) -> bool {
        !self.rescue.esp || self.rescue.loader && !self.entries.iter().any(|listed| self.keeps(listed))
    }

    /// The same, as it is when a lost ESP was made anew.
    #[must_use]
    pub fn if_made_anew(mut self) -> Self {
        if self.esp_is_broken() && self.esp_is_lost() {
            self.entries.clear();
            (self.rescue.esp, self.rescue.loader) = (true, false);
        }
        self
    }

    fn held(&self, slot: Slot) -> Option<(Verified, Held)> {
        self.rescue.held[slot.index()]
    }

    /// The entry stays: it is whole, or becomes so when its slot's kernel and initrd are put there again.
    fn keeps(&self, listed: &Listed) -> bool {
        let Ok(entry) = &listed.entry else { return false };
        let held = self.held(listed.name.slot);
        listed.complete || held.is_some_and(|(_, held)| held.manifest == entry.options.manifest)
    }

    /// The slot that is to boot next: what runs, what would boot, what ran last, what is newer.
    fn primary(&self) -> Option<Slot> {
        let running =
            self.world.running.map(|running| running.slot).filter(|slot| self.held(*slot).is_some());
        let first = self.entries.iter().find(|l| self.keeps(l) && !l.name.exhausted()).map(|l| l.name.slot);
        let rank = |slot: &Slot| {
            self.held(*slot).map(|(_, h)| (h.ran_last, !self.world.refused.contains(&h.manifest), h.serial))
        };
        let newest = || Slot::ALL.into_iter().filter(|slot| rank(slot).is_some()).max_by_key(rank);
        running.or(first).or_else(newest)
    }

    /// The entries that a repair writes, the one to boot next before the other; those of an ESP that is made
    /// anew, where it is lost.
    pub fn missing(&self) -> impl Iterator<Item = EntryName> {
        let primary = self.primary();
        let other = primary.map(Slot::other);
        let newest = primary.and_then(|slot| self.newest(slot));
        let first = primary.filter(|_| newest.is_none()).and_then(|slot| {
            let counted = self.world.counted.filter(|name| name.slot == slot);
            let (_, held) = self.held(slot)?;
            Some(counted.unwrap_or_else(|| name(slot, self.next_generation().max(2), held)))
        });
        // Its entries were lost, not deleted by an upgrade that did not end.
        let had = |slot: Slot| {
            !self.rescue.loader || self.entries.iter().any(|l| l.name.slot == slot && !self.keeps(l))
        };
        let before = newest.or(first).map_or(0, |name| name.generation.saturating_sub(1));
        let second = other.filter(|slot| before > 0 && self.newest(*slot).is_none() && had(*slot));
        let second = second.and_then(|slot| Some(name(slot, before, self.held(slot)?.1)));
        first.into_iter().chain(second)
    }

    fn newest(&self, slot: Slot) -> Option<EntryName> {
        self.entries.iter().find(|l| l.name.slot == slot && self.keeps(l)).map(|l| l.name)
    }

    /// What is broken, in words; nothing where all is as it must be.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let mut said = Vec::new();
        let mut say = |is: bool, text: &str| said.extend(is.then(|| text.to_owned()));
        let Rescue { esp, loader, state, .. } = self.rescue;
        say(state == State::Lost, "the state partition holds nothing of this machine");
        say(state == State::Damaged, "the file system of the state partition is damaged");
        say(!esp, "the ESP holds no file system that can be read");
        say(esp && !loader, "the loader or its configuration is missing on the ESP");
        say(esp && self.entries.is_empty(), "there is no boot entry");
        let own = self.world.running.is_none_or(|running| self.own(&running).is_some());
        say(esp && !own, "the running slot has no whole boot entry");
        for listed in self.entries.iter().filter(|listed| listed.whole().is_none()) {
            let what =
                if listed.entry.is_ok() { "names a kernel or initrd that is not right" } else { "is torn" };
            say(true, &format!("{} {what}", listed.name));
        }
        said
    }
}

/// One that was not found good here is on trial.
fn name(slot: Slot, generation: u64, held: Held) -> EntryName {
    let plain = EntryName::plain(slot, generation);
    if held.good { plain } else { EntryName::trial(slot, generation, TRIES) }
}

#[cfg(test)]
mod tests {
    use super::super::{Goal, Progress, Running, World, hold, next};
    use super::*;

    /// A machine that runs version 2 from slot b, with version 1 in slot a, and whose ESP is new and empty.
    fn on_new_esp() -> Observed {
        let version = |n: u8| Digest([n; 32]);
        let held = |slot, n: u8, good| {
            Some((hold(slot), Held { manifest: version(n), serial: n.into(), good, ran_last: false }))
        };
        let held = [held(Slot::A, 1, false), held(Slot::B, 2, true)];
        let rescue = Rescue { esp: true, loader: false, state: State::Sound, held };
        let world = World {
            running: Some(Running { slot: Slot::B, manifest: version(2) }),
            overridden: false,
            refused: Vec::new(),
            volatile: false,
            counted: None,
            sound: false,
        };
        Observed { world, entries: Vec::new(), progress: Progress::Nothing, rescue }
    }

    fn names(seen: &Observed) -> Vec<String> {
        seen.missing().map(|name| name.to_string()).collect()
    }

    #[test]
    fn what_runs_boots_next_and_a_trial_that_runs_keeps_its_count() {
        let mut seen = on_new_esp();
        assert_eq!(names(&seen), ["edeploy-b-g2.conf", "edeploy-a-g1+3.conf"]);
        seen.world.counted = Some("edeploy-b-g7+1-2.conf".parse().unwrap());
        assert_eq!(names(&seen), ["edeploy-b-g7+1-2.conf", "edeploy-a-g6+3.conf"]);
        seen.world.running = Some(Running { slot: Slot::A, manifest: Digest([1; 32]) });
        assert_eq!(names(&seen), ["edeploy-a-g2+3.conf", "edeploy-b-g1.conf"]);
    }

    #[test]
    fn without_a_running_slot_what_ran_last_or_was_not_fallen_back_from_or_is_newer_comes_first() {
        let mut seen = on_new_esp();
        seen.world.running = None;
        assert_eq!(names(&seen)[0], "edeploy-b-g2.conf");
        seen.world.refused = vec![Digest([2; 32])];
        assert_eq!(names(&seen)[0], "edeploy-a-g2+3.conf");
        seen.rescue.held[1].as_mut().unwrap().1.ran_last = true;
        assert_eq!(names(&seen)[0], "edeploy-b-g2.conf");
    }

    #[test]
    fn the_state_partition_comes_first_and_what_may_be_saved_of_it_is_left_to_the_end() {
        let mut seen = on_new_esp();
        seen.rescue.state = State::Lost;
        assert_eq!(next(&seen, &Goal::Repair), Step::MakeState);
        seen.rescue.state = State::Damaged;
        assert_eq!(next(&seen, &Goal::Repair), Step::Stage(hold(Slot::B)));
        seen.rescue.held = [None, None];
        assert_eq!(next(&seen, &Goal::Repair), Step::Refuse(Refusal::NothingHeld));
    }

    #[test]
    fn an_esp_that_cannot_be_read_is_made_anew_only_where_a_slot_is_what_was_signed() {
        let mut seen = on_new_esp();
        (seen.rescue.esp, seen.rescue.held[0]) = (false, None);
        assert_eq!(next(&seen, &Goal::Repair), Step::MakeEsp);
        seen.rescue.held[1] = None;
        assert_eq!(next(&seen, &Goal::Repair), Step::Refuse(Refusal::NothingHeld));
    }
}
