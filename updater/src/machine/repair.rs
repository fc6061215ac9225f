//! The way back of a machine whose ESP or state partition was lost: what is broken, and what to do next about it.
//!
//! No slot is written. An entry is made only for a slot that was read whole and is what was signed. Where the
//! loader is missing it is put there last: until then nothing boots, so a cut leaves an ESP that the next run
//! takes for what it is, one that is not finished.

use edeploy_format::boot::{EntryName, TRIES};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::observed::{Observed, Running};
use super::step::{Outcome, Progress, Refusal, Step, Verified};
use crate::esp::Listed;

/// How the state partition is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// As it must be.
    #[default]
    Sound,
    /// It has no file system.
    Lost,
    /// Its file system is sound, and lacks what every command needs: its trusted metadata.
    Stripped,
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
    /// Its kernel and its initrd.
    pub boot: [Digest; 2],
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
    if matches!(seen.rescue.state, State::Lost | State::Stripped) {
        return Step::MakeState;
    }
    if seen.esp_is_broken() {
        return esp(seen);
    }
    match seen.rescue.state {
        State::Damaged => Step::Refuse(Refusal::StateDamaged),
        State::Sound | State::Lost | State::Stripped => Step::Done(Outcome::Repaired),
    }
}

/// No step is taken twice in a row: what it put there and is not there now would never be.
fn esp(seen: &Observed) -> Step {
    let (rescue, progress) = (&seen.rescue, seen.progress);
    let once = |step: Step, taken: bool| if taken { Step::Refuse(Refusal::EspForgets) } else { step };
    let held = |slot: Slot| seen.held(slot).map(|(proof, _)| proof);
    let any = || seen.primary().and_then(held).or_else(|| Slot::ALL.into_iter().find_map(held));
    if seen.esp_is_lost() || !rescue.loader {
        if any().is_none() {
            return Step::Refuse(Refusal::NothingHeld);
        }
        if seen.esp_is_lost() {
            return once(Step::MakeEsp, progress == Progress::EspMade);
        }
    }
    let mends = |slot: &Slot| {
        let mut of_slot = seen.entries.iter().filter(|listed| listed.name.slot == *slot);
        of_slot.any(|listed| listed.whole().is_none() && seen.keeps(listed))
    };
    if let Some(slot) = Slot::ALL.into_iter().find(mends).and_then(held) {
        // One slot after the other.
        let taken = matches!(progress, Progress::Staged(last) if slot.slot().index() <= last.slot().index());
        return once(Step::Stage(slot), taken);
    }
    if let Some((name, slot)) = seen.missing().next().and_then(|name| Some((name, held(name.slot)?))) {
        let staged = progress == Progress::Staged(slot);
        return if staged { Step::Restore { slot, name } } else { Step::Stage(slot) };
    }
    let bad: Vec<EntryName> = seen.entries.iter().filter(|l| !seen.keeps(l)).map(|l| l.name).collect();
    if !bad.is_empty() {
        return Step::Discard(bad);
    }
    if let Some(slot) = any().filter(|_| !rescue.loader) {
        return once(Step::PutLoader(slot), matches!(progress, Progress::LoaderPut(_)));
    }
    Step::Refuse(seen.world.running.map_or(Refusal::NothingHeld, |running| Refusal::Drifted(running.slot)))
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

    /// Why a repair that begins now and goes well will end with a refusal, if it will.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        if self.esp_is_broken() {
            if let Step::Refuse(refusal) = esp(self) {
                return Some(refusal);
            }
            let running = self.world.running.filter(|running| self.own(running).is_none());
            let is_held = |running: &Running| {
                self.held(running.slot).is_some_and(|(_, held)| held.manifest == running.manifest)
            };
            if let Some(running) = running.filter(|running| !is_held(running)) {
                return Some(Refusal::Drifted(running.slot));
            }
        }
        (self.rescue.state == State::Damaged).then_some(Refusal::StateDamaged)
    }

    fn held(&self, slot: Slot) -> Option<(Verified, Held)> {
        self.rescue.held[slot.index()]
    }

    /// The entry stays: it is whole, or becomes so when its slot's kernel and initrd are put there again.
    fn keeps(&self, listed: &Listed) -> bool {
        let Ok(entry) = &listed.entry else { return false };
        let held = self.held(listed.name.slot);
        listed.complete
            || held.is_some_and(|(_, held)| {
                held.manifest == entry.options.manifest && held.boot == [entry.kernel, entry.initrd]
            })
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
        say(state == State::Stripped, "the state partition lacks the metadata of this machine");
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
mod tests;
