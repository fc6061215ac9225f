//! The policy as a table: what a machine looks like, and the one thing to do about it.

use edeploy_format::boot::{Entry, EntryError, EntryName, MachineId, Options, PartUuid, TRIES};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot::{self, A, B};

use super::*;
use crate::esp::Listed;

/// The version `n`.
fn version(n: u8) -> Digest {
    Digest([n; 32])
}

/// `2b+3 v7`: generation 2 of slot b, three tries left, version 7. `torn` and `bare` instead of a version:
/// a torn text, and one whose kernel is missing (of version 9).
fn listed(text: &str) -> Listed {
    let (name, kind) = text.split_once(' ').unwrap();
    let digits = name.find(['a', 'b']).unwrap();
    let file = format!("edeploy-{}-g{}{}.conf", &name[digits..=digits], &name[..digits], &name[digits + 1..]);
    let name: EntryName = file.parse().unwrap();
    let entry = match kind {
        "torn" => Err(EntryError::Torn),
        "bare" => Ok(entry(name, 9)),
        version => Ok(entry(name, version[1..].parse().unwrap())),
    };
    Listed { name, entry, complete: kind != "bare" }
}

fn entry(name: EntryName, n: u8) -> Entry {
    let options = Options {
        root: PartUuid([1; 16]),
        slot: name.slot,
        state: PartUuid([2; 16]),
        manifest: version(n),
        machine: MachineId([3; 16]),
        role: String::new(),
    };
    let (kernel, initrd) = (Digest([4; 32]), Digest([5; 32]));
    Entry { title: format!("web {n}"), generation: name.generation, kernel, initrd, options }
}

/// A machine that runs version 1 from slot a and knows of no failure.
fn machine(entries: &[&str]) -> Observed {
    let mut entries: Vec<Listed> = entries.iter().map(|text| listed(text)).collect();
    entries.sort_by_key(|listed| std::cmp::Reverse(listed.name));
    let running = Some(Running { slot: A, manifest: version(1) });
    let world = World {
        running,
        overridden: false,
        refused: Vec::new(),
        volatile: false,
        counted: None,
        sound: true,
    };
    Observed { world, entries, progress: Progress::Nothing, rescue: Rescue::default() }
}

fn upgrade(n: u8) -> Goal {
    Goal::Upgrade { manifest: version(n), retry: false }
}

#[test]
fn an_upgrade_begins_only_where_it_may() {
    let staged = |name| Step::Done(Outcome::Staged { name, reboot: false });
    for (entries, goal, step) in [
        (&["1a v1"][..], upgrade(2), Step::Check(B)),
        (&["2a v1", "1b v2"], upgrade(2), Step::Check(B)),
        (&["2a v1", "1b v3"], upgrade(2), Step::Check(B)),
        // What is there already.
        (&["1a v1"], upgrade(1), Step::Done(Outcome::UpToDate)),
        (&["1a+2-1 v1"], upgrade(1), Step::Done(Outcome::OnTrial)),
        (&["1a v1", "2b+3 v2"], upgrade(2), staged(EntryName::trial(B, 2, TRIES))),
        (&["1a v1", "2b v2"], upgrade(2), staged(EntryName::plain(B, 2))),
        (&["1a v1", "2b+3 v3"], upgrade(2), Step::Check(B)),
        (&["2a v1", "2a+2-1 v1"], upgrade(1), Step::Done(Outcome::UpToDate)),
        (&["1a v1", "2b+0-3 v2"], upgrade(1), Step::Done(Outcome::UpToDate)),
        // On trial: only if there is nothing to lose.
        (&["2a+2-1 v1", "1b v3"], upgrade(2), Step::Refuse(Refusal::Trial)),
        (&["2a+2-1 v1", "1b+1-2 v3"], upgrade(2), Step::Refuse(Refusal::Trial)),
        (&["2a+2-1 v1", "1b+0-3 v3"], upgrade(2), Step::Check(B)),
        (&["2a+2-1 v1", "1b torn"], upgrade(2), Step::Check(B)),
        (&["2a+2-1 v1", "1b bare"], upgrade(2), Step::Check(B)),
        (&["2a+0-4 v1"], upgrade(2), Step::Check(B)),
        (&["2a v1", "2a+2-1 v1", "1b v3"], upgrade(2), Step::Check(B)),
        // Fallen back from.
        (&["1a v1", "2b+0-3 v2"], upgrade(2), Step::Refuse(Refusal::FellBack(version(2)))),
        (&["1a v1", "2b+0-3 v2"], Goal::Upgrade { manifest: version(2), retry: true }, Step::Check(B)),
        (&["1a v1", "2b+0-3 v2"], upgrade(3), Step::Check(B)),
        // Blessed at its last try; the power was cut before the counted entry was gone.
        (&["3a v1", "2b v2", "2b+0-3 v2"], upgrade(2), Step::Check(B)),
        (&["3a v1", "1b v2", "2b+0-3 v2"], upgrade(2), Step::Refuse(Refusal::FellBack(version(2)))),
        (&["3a v1", "2b torn", "2b+0-3 v2"], upgrade(2), Step::Refuse(Refusal::FellBack(version(2)))),
        // What runs would not boot again.
        (&["1b v2"], upgrade(3), Step::Refuse(Refusal::EntryLost)),
        (&["1b v2"], upgrade(1), Step::Refuse(Refusal::EntryLost)),
        (&["1a torn"], upgrade(3), Step::Refuse(Refusal::EntryLost)),
        (&["1a bare", "2b+0-3 v2"], upgrade(3), Step::Refuse(Refusal::EntryLost)),
        (&["1a v9"], upgrade(3), Step::Refuse(Refusal::EntryLost)),
    ] {
        assert_eq!(next(&machine(entries), &goal), step, "{entries:?} {goal:?}");
    }
}

#[test]
fn an_upgrade_to_what_runs_keeps_it_and_the_way_to_the_other_slot() {
    let plain = EntryName::plain(A, 3);
    for staged in ["2b+3 v2", "2b v2"] {
        let outcome = Outcome::UpToDate;
        let rearm = Step::Rearm { name: plain, entry: entry(plain, 1), outcome };
        assert_eq!(next(&machine(&["1a v1", staged]), &upgrade(1)), rearm);
        let older = Step::Retire { names: vec![EntryName::plain(A, 1)], outcome };
        assert_eq!(next(&machine(&["1a v1", "3a v1", staged]), &upgrade(1)), older);
        assert_eq!(next(&machine(&["3a v1", staged]), &upgrade(1)), Step::Done(outcome));
        // It must not be given up for what is on trial.
        assert_eq!(next(&machine(&["1a+2-1 v1", staged]), &upgrade(1)), Step::Refuse(Refusal::Trial));
    }
    // The loader does not see a torn entry.
    let torn = next(&machine(&["1a v1", "2b v2", "3a torn"]), &upgrade(1));
    assert!(matches!(torn, Step::Rearm { name, .. } if name == EntryName::plain(A, 4)), "{torn:?}");
}

#[test]
fn no_failure_is_forgotten_where_the_journal_would_be_lost() {
    let mut seen = machine(&["1a v1", "2b+0-3 v2"]);
    seen.world.volatile = true;
    assert_eq!(next(&seen, &upgrade(3)), Step::Refuse(Refusal::Forgetful(version(2))));
    // Also where it has been written down, for as long as this boot.
    seen.world.refused.push(version(2));
    assert_eq!(next(&seen, &upgrade(3)), Step::Refuse(Refusal::Forgetful(version(2))));
    seen.entries.retain(|listed| listed.name.slot == A);
    assert_eq!(next(&seen, &upgrade(3)), Step::Check(B));
}

#[test]
fn the_journal_remembers_what_the_entries_no_longer_show() {
    let mut seen = machine(&["1a v1"]);
    seen.world.refused = vec![version(2)];
    assert_eq!(next(&seen, &upgrade(2)), Step::Refuse(Refusal::FellBack(version(2))));
    assert_eq!(next(&seen, &upgrade(3)), Step::Check(B));
}

#[test]
fn a_failure_is_remembered_before_its_entry_goes() {
    let mut seen = machine(&["1a v1", "2b+0-3 v2"]);
    seen.progress = Progress::Checked;
    let failed: EntryName = "edeploy-b-g2+0-3.conf".parse().unwrap();
    assert_eq!(next(&seen, &upgrade(3)), Step::Remember(vec![(failed, version(2))]));
    seen.world.refused = vec![version(2)];
    assert_eq!(next(&seen, &upgrade(3)), Step::Close(B));
    seen.progress = Progress::Remembered;
    assert_eq!(next(&seen, &upgrade(3)), Step::Close(B));
}

/// Every step of one process that goes well, for a machine whose entries are these.
fn steps(mut seen: Observed, goal: Goal) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let step = next(&seen, &goal);
        steps.push(step.clone());
        seen.progress = match step {
            Step::Partition => Progress::Partitioned,
            Step::MakeEsp => Progress::EspMade,
            Step::MakeState => Progress::StateMade,
            Step::Check(_) => Progress::Checked,
            Step::Close(slot) => {
                seen.entries.retain(|listed| listed.name.slot != slot);
                Progress::Closed(close(slot))
            }
            Step::MakeSlot(slot) => Progress::Made(slot),
            Step::Fill(slot) => Progress::Filled(fill(slot)),
            Step::Verify(slot) => Progress::Verified(verify(slot)),
            Step::PutLoader(slot) => Progress::LoaderPut(slot),
            Step::Stage(slot) => Progress::Staged(slot),
            Step::Pre(slot) => Progress::PreRan(slot),
            Step::Carry(slot) => Progress::Carried(slot),
            Step::Post(slot) => Progress::PostRan { slot, reboot: true },
            Step::Arm { name, reboot, .. } => Progress::Armed { name, reboot },
            Step::ClearOverride
            | Step::Remember(_)
            | Step::Rearm { .. }
            | Step::Bless { .. }
            | Step::Retire { .. }
            | Step::Done(_)
            | Step::Restore { .. }
            | Step::Discard(_)
            | Step::Refuse(_) => return steps,
        };
    }
}

#[test]
fn an_upgrade_takes_its_steps_in_order() {
    let closed = close(B);
    let verified = verify(fill(closed));
    let name = EntryName::trial(B, 3, TRIES);
    let expected = [
        Step::Check(B),
        Step::Close(B),
        Step::Fill(closed),
        Step::Verify(fill(closed)),
        Step::Stage(verified),
        Step::Pre(verified),
        Step::Carry(verified),
        Step::Post(verified),
        Step::Arm { slot: verified, name, reboot: true },
        Step::Done(Outcome::Staged { name, reboot: true }),
    ];
    assert_eq!(steps(machine(&["2a v1", "1b v3"]), upgrade(2)), expected);
    let mut broken = machine(&["2a v1", "1b v3"]);
    broken.world.sound = false;
    let with_new_file_system = steps(broken, upgrade(2));
    assert_eq!(with_new_file_system[2..4], [Step::MakeSlot(closed), Step::Fill(closed)]);
}

#[test]
fn an_install_takes_its_steps_in_order() {
    let mut blank = machine(&[]);
    (blank.world.running, blank.world.sound) = (None, false);
    let closed = close(A);
    let verified = verify(fill(closed));
    let name = EntryName::plain(A, 1);
    let expected = [
        Step::Partition,
        Step::MakeEsp,
        Step::MakeState,
        Step::Close(A),
        Step::MakeSlot(closed),
        Step::Fill(closed),
        Step::Verify(fill(closed)),
        Step::PutLoader(verified),
        Step::Stage(verified),
        Step::Arm { slot: verified, name, reboot: false },
        Step::Done(Outcome::Installed(name)),
    ];
    assert_eq!(steps(blank, Goal::Install), expected);
    assert_eq!(next(&machine(&["1a v1"]), &Goal::Install), Step::Refuse(Refusal::Running));
}

#[test]
fn a_rollback_makes_the_good_entry_of_the_other_slot_the_newest_and_then_drops_the_older() {
    let rearm = |generation, n| {
        let name = EntryName::plain(B, generation);
        Step::Rearm { name, entry: entry(name, n), outcome: Outcome::RolledBack(name) }
    };
    let done = |generation| Step::Done(Outcome::RolledBack(EntryName::plain(B, generation)));
    for (entries, step) in [
        (&["2a v1", "1b v2"][..], rearm(3, 2)),
        (&["2a+2-1 v1", "1b v2"], rearm(3, 2)),
        (&["2a+0-4 v1", "1b v2"], rearm(3, 2)),
        (
            &["2a v1", "1b v2", "3b v2"],
            Step::Retire {
                names: vec![EntryName::plain(B, 1)],
                outcome: Outcome::RolledBack(EntryName::plain(B, 3)),
            },
        ),
        (&["2a v1", "3b v2"], done(3)),
        (&["2a v1", "1b v2", "3b torn"], rearm(4, 2)),
        (&["2a v1", "1b v2", "1b+2-1 v2"], rearm(3, 2)),
        (&["2a v1"], Step::Refuse(Refusal::NoWayBack)),
        (&["2a v1", "1b torn"], Step::Refuse(Refusal::NoWayBack)),
        (&["2a v1", "1b bare"], Step::Refuse(Refusal::NoWayBack)),
        (&["2a v1", "3b+3 v2"], Step::Refuse(Refusal::NoWayBack)),
        (&["2a v1", "1b+0-3 v2"], Step::Refuse(Refusal::NoWayBack)),
    ] {
        assert_eq!(next(&machine(entries), &Goal::Rollback), step, "{entries:?}");
    }
}

#[test]
fn blessing_writes_the_plain_entry_and_then_drops_the_counted_one() {
    let plain = EntryName::plain(A, 2);
    let outcome = Outcome::Blessed(plain);
    let counted = |text: &str| Step::Retire { names: vec![text.parse().unwrap()], outcome };
    let bless = |counted: &str| Step::Bless {
        plain,
        entry: entry(plain, 1),
        counted: vec![counted.parse().unwrap()],
    };
    for (entries, step) in [
        (&["1b v2", "2a+2-1 v1"][..], bless("edeploy-a-g2+2-1.conf")),
        (&["1b v2", "2a+0-4 v1"], bless("edeploy-a-g2+0-4.conf")),
        (&["1b v2", "2a+2-1 v1", "2a torn"], bless("edeploy-a-g2+2-1.conf")),
        (&["1b v2", "2a+2-1 v1", "2a v1"], counted("edeploy-a-g2+2-1.conf")),
        (&["1b v2", "2a+2-1 torn", "2a v1"], counted("edeploy-a-g2+2-1.conf")),
        (&["1b v2", "2a v1"], Step::Done(Outcome::Blessed(plain))),
        (&["1b v2", "2a torn"], Step::Refuse(Refusal::EntryLost)),
        (&["1b v2", "2a+2-1 v3"], Step::Refuse(Refusal::EntryLost)),
    ] {
        assert_eq!(next(&machine(entries), &Goal::Bless), step, "{entries:?}");
    }
    let mut told = machine(&["3a+3 v1", "2a+2-1 v1"]);
    told.world.counted = Some("edeploy-a-g2+2-1.conf".parse().unwrap());
    assert_eq!(next(&told, &Goal::Bless), bless("edeploy-a-g2+2-1.conf"), "the one that was booted");
    told.world.counted = Some("edeploy-a-g4+2-1.conf".parse().unwrap());
    assert_eq!(next(&told, &Goal::Bless), Step::Refuse(Refusal::EntryLost));
    let mut volatile = machine(&["2a+2-1 v1"]);
    volatile.world.volatile = true;
    assert_eq!(next(&volatile, &Goal::Bless), Step::Refuse(Refusal::Volatile));
}

#[test]
fn variables_that_override_entries_are_cleared_first() {
    let mut seen = machine(&["1a v1"]);
    seen.world.overridden = true;
    for goal in [upgrade(1), upgrade(2), Goal::Rollback, Goal::Bless] {
        assert_eq!(next(&seen, &goal), Step::ClearOverride, "{goal:?}");
    }
}

#[test]
fn where_nothing_is_installed_only_install_is_possible() {
    let mut seen = machine(&[]);
    seen.world.running = None;
    for goal in [upgrade(1), Goal::Rollback, Goal::Bless] {
        assert_eq!(next(&seen, &goal), Step::Refuse(Refusal::NotInstalled), "{goal:?}");
    }
    assert_eq!(next(&seen, &Goal::Install), Step::Partition);
}

/// All folders of up to three of these entries.
fn all_folders() -> Vec<Vec<&'static str>> {
    const SOME: [&str; 13] = [
        "1a v1",
        "1b v2",
        "2a+3 v1",
        "2a+1-2 v1",
        "2a+0-3 v1",
        "2a v1",
        "2a torn",
        "3b+3 v2",
        "3b+0-3 v2",
        "3b v2",
        "3b bare",
        "3b+2-1 torn",
        "4a v3",
    ];
    let mut folders = vec![Vec::new()];
    for one in SOME {
        let longer = folders.iter().filter(|f| f.len() < 3).map(|f| [f.as_slice(), &[one]].concat());
        folders.extend(longer.collect::<Vec<_>>());
    }
    folders
}

#[test]
fn in_no_state_is_the_running_slot_touched_or_the_only_bootable_entry_dropped() {
    let goals = [upgrade(1), upgrade(2), upgrade(3), Goal::Rollback, Goal::Bless];
    let (mut cases, folders) = (0, all_folders());
    for (entries, goal) in folders.iter().flat_map(|folder| goals.map(|goal| (folder, goal))) {
        let seen = machine(entries);
        let touched = |slot: Slot| assert_eq!(slot, B, "{entries:?} {goal:?}");
        for step in steps(machine(entries), goal) {
            match step {
                Step::Check(slot) | Step::Close(slot) => {
                    touched(slot);
                    assert!(seen.whole(A).next().is_some(), "{entries:?} {goal:?}: nothing would boot");
                }
                Step::MakeSlot(slot) | Step::Fill(slot) => touched(slot.slot()),
                Step::Arm { slot, name, .. } => {
                    assert_eq!((slot.slot(), name.slot), (B, B));
                    assert!(seen.names(A).all(|other| other.generation < name.generation));
                }
                Step::Retire { names, .. } => {
                    let left = seen.entries.iter().filter(|listed| !names.contains(&listed.name));
                    let good = |l: &Listed| l.whole().is_some() && l.name.tries.is_none();
                    assert!(left.into_iter().any(good), "{entries:?} {goal:?}: {names:?}");
                }
                Step::Partition
                | Step::MakeEsp
                | Step::MakeState
                | Step::PutLoader(_)
                | Step::Restore { .. }
                | Step::Discard(_) => {
                    panic!("{entries:?} {goal:?}: {step:?}")
                }
                Step::ClearOverride
                | Step::Remember(_)
                | Step::Verify(_)
                | Step::Stage(_)
                | Step::Pre(_)
                | Step::Carry(_)
                | Step::Post(_)
                | Step::Rearm { .. }
                | Step::Bless { .. }
                | Step::Done(_)
                | Step::Refuse(_) => {}
            }
            cases += 1;
        }
    }
    assert!(cases > 3000, "{cases}");
}
