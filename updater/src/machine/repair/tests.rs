//! The policy of a repair: every repair ends, and is called one only where nothing is broken any more.

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
