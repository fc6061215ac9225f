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
mod tests {
    use edeploy_format::boot::{Entry, EntryError, MachineId, Options, PartUuid};

    use super::super::{Goal, World, hold, next};
    use super::*;

    /// The kernel and the initrd of version `n`.
    fn objects(n: u8) -> [Digest; 2] {
        [n + 100, n + 200].map(|n| Digest([n; 32]))
    }

    /// A machine that runs version 2 from slot b, with version 1 in slot a, and whose ESP is new and empty.
    fn on_new_esp() -> Observed {
        let version = |n: u8| Digest([n; 32]);
        let held = |slot, n: u8, good| {
            Some((
                hold(slot),
                Held { manifest: version(n), serial: n.into(), boot: objects(n), good, ran_last: false },
            ))
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
        for state in [State::Lost, State::Stripped] {
            seen.rescue.state = state;
            assert_eq!(next(&seen, &Goal::Repair), Step::MakeState);
        }
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
    /// Version `n` under this name; whole, or with what is wrong about it.
    fn listed(name: EntryName, n: u8, how: &str) -> Listed {
        let [mut kernel, initrd] = objects(n);
        if how == "flipped" {
            kernel.0[0] ^= 1;
        }
        let options = Options {
            root: PartUuid([1; 16]),
            slot: name.slot,
            state: PartUuid([2; 16]),
            manifest: Digest([n; 32]),
            machine: MachineId([3; 16]),
            role: String::new(),
        };
        let entry = Entry { title: String::new(), generation: name.generation, kernel, initrd, options };
        let entry = if how == "torn" { Err(EntryError::Torn) } else { Ok(entry) };
        Listed { name, entry, complete: how == "whole" }
    }

    /// Every step of a repair that goes well, to its end.
    fn steps(seen: &mut Observed) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.len() < 20 {
            let step = next(seen, &Goal::Repair);
            steps.push(step.clone());
            match step {
                Step::MakeEsp => {
                    (seen.rescue.esp, seen.rescue.loader, seen.progress) = (true, false, Progress::EspMade);
                    seen.entries.clear();
                }
                Step::Stage(slot) => {
                    let held = seen.held(slot.slot()).unwrap().1.boot;
                    for listed in &mut seen.entries {
                        let is = |entry: &Entry| [entry.kernel, entry.initrd] == held;
                        listed.complete |= listed.entry.as_ref().is_ok_and(is);
                    }
                    seen.progress = Progress::Staged(slot);
                }
                Step::Restore { slot, name } => {
                    let n = seen.held(slot.slot()).unwrap().1.manifest.0[0];
                    seen.entries.push(listed(name, n, "whole"));
                    seen.entries.sort_by_key(|listed| std::cmp::Reverse(listed.name));
                }
                Step::Discard(names) => seen.entries.retain(|listed| !names.contains(&listed.name)),
                Step::PutLoader(slot) => {
                    (seen.rescue.loader, seen.progress) = (true, Progress::LoaderPut(slot));
                }
                Step::Done(_) | Step::Refuse(_) => return steps,
                other => panic!("no step of a repair: {other:?}"),
            }
        }
        panic!("no end: {steps:?}");
    }

    #[test]
    fn every_repair_ends_and_is_called_one_only_where_nothing_is_broken_any_more() {
        let kinds = ["none", "whole", "bare", "flipped", "torn"];
        let mut refused = 0;
        for case in 0..5 * 5 * 4 * 3 * 4 {
            let (a, b, held) = (kinds[case % 5], kinds[case / 5 % 5], case / 25 % 4);
            let (running, esp) = (case / 100 % 3, case / 300);
            let mut seen = on_new_esp();
            (seen.rescue.esp, seen.rescue.loader) = (esp & 1 == 0, esp & 2 == 0);
            for slot in Slot::ALL {
                if held & 1 << slot.index() == 0 {
                    seen.rescue.held[slot.index()] = None;
                }
            }
            seen.world.running = [None, Some((Slot::A, 1)), Some((Slot::B, 2))][running]
                .map(|(slot, n)| Running { slot, manifest: Digest([n; 32]) });
            for (slot, generation, n, how) in [(Slot::B, 2, 2, b), (Slot::A, 1, 1, a)] {
                if seen.rescue.esp && how != "none" {
                    seen.entries.push(listed(EntryName::plain(slot, generation), n, how));
                }
            }
            let foretold = seen.refusal();
            let taken = steps(&mut seen);
            let said = format!("{a} {b} held {held} running {running} esp {esp}: {taken:?}");
            match taken.last().unwrap() {
                Step::Done(_) => {
                    assert_eq!((foretold, seen.broken()), (None, Vec::new()), "{said}");
                }
                Step::Refuse(refusal) => {
                    assert_eq!(foretold, Some(*refusal), "{said}");
                    refused += 1;
                    match refusal {
                        Refusal::NothingHeld => assert_eq!((held, taken.len()), (0, 1), "{said}"),
                        // The other slot boots.
                        Refusal::Drifted(slot) => {
                            assert!(seen.held(*slot).is_none() && seen.bootable(slot.other()), "{said}");
                        }
                        other => panic!("{other}: {said}"),
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(refused > 100, "{refused}");
    }

    #[test]
    fn an_entry_with_a_wrong_digest_is_made_again_and_not_mended_for_ever() {
        let mut seen = on_new_esp();
        seen.rescue.loader = true;
        let [a, b] = [EntryName::plain(Slot::A, 1), EntryName::plain(Slot::B, 2)];
        seen.entries = vec![listed(b, 2, "flipped"), listed(a, 1, "whole")];
        let slot = hold(Slot::B);
        let name = EntryName::plain(Slot::B, 3);
        let expected = [
            Step::Stage(slot),
            Step::Restore { slot, name },
            Step::Discard(vec![b]),
            Step::Done(Outcome::Repaired),
        ];
        assert_eq!(steps(&mut seen), expected);
    }

    #[test]
    fn what_does_not_stay_on_the_esp_ends_a_repair() {
        let mut seen = on_new_esp();
        seen.rescue.loader = true;
        seen.entries = vec![listed(EntryName::plain(Slot::B, 2), 2, "bare")];
        let step = Step::Stage(hold(Slot::B));
        assert_eq!(next(&seen, &Goal::Repair), step);
        seen.progress = Progress::Staged(hold(Slot::B));
        assert_eq!(next(&seen, &Goal::Repair), Step::Refuse(Refusal::EspForgets));
        (seen.rescue.esp, seen.progress) = (false, Progress::EspMade);
        assert_eq!(next(&seen, &Goal::Repair), Step::Refuse(Refusal::EspForgets));
    }

    #[test]
    fn what_needs_no_slot_is_repaired_without_one() {
        let mut seen = on_new_esp();
        (seen.rescue.loader, seen.rescue.held) = (true, [None, None]);
        let [a, b] = [EntryName::plain(Slot::A, 1), EntryName::plain(Slot::B, 2)];
        seen.entries = vec![listed(b, 2, "whole"), listed(a, 1, "torn")];
        assert_eq!(steps(&mut seen), [Step::Discard(vec![a]), Step::Done(Outcome::Repaired)]);
    }

    #[test]
    fn a_repair_that_cannot_make_the_entry_of_what_runs_says_so() {
        let mut seen = on_new_esp();
        (seen.rescue.loader, seen.rescue.held[0]) = (true, None);
        seen.world.running = Some(Running { slot: Slot::A, manifest: Digest([1; 32]) });
        let [a, b] = [EntryName::plain(Slot::A, 1), EntryName::plain(Slot::B, 2)];
        seen.entries = vec![listed(b, 2, "whole"), listed(a, 1, "torn")];
        let expected = [Step::Discard(vec![a]), Step::Refuse(Refusal::Drifted(Slot::A))];
        assert_eq!(steps(&mut seen), expected);
    }
}
