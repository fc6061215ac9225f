//! One command on one machine: where what boots next changes, and what it says when the disk fails.

use std::collections::BTreeSet;

use edeploy_ab::esp::{Esp, EspError};
use edeploy_ab::host::run;
use edeploy_ab::machine::{Goal, Outcome, Running};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot::{self, A, B};

use crate::cuts::{Dice, subsets};
use crate::disk::Power;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::power::{configured_otherwise, healthy, installed, lost, second};
use crate::tree::Tree;

/// A command, and the machine that it is called on.
struct Command {
    name: &'static str,
    machine: Machine,
    goal: Goal,
    /// What boots in between: what runs, where a staged version is given up for another.
    between: Boots,
}

/// What boots: the file of an entry, and its tree. A generation may come again after its entry went.
type Boots = Option<(String, Digest)>;

fn on(machine: &mut Machine, slot: Slot, tree: Tree) {
    machine.running = Some(Running { slot, manifest: tree.manifest() });
}

fn commands() -> Vec<Command> {
    let mut upgrade = Machine { goal: healthy(3), ..second() };
    on(&mut upgrade, B, healthy(2));
    let mut rollback = second();
    on(&mut rollback, B, healthy(2));
    let to_3 = Goal::Upgrade { manifest: healthy(3).manifest(), retry: false };

    let mut bless = upgrade.again();
    run(&mut bless, &to_3).unwrap();
    bless.settle();
    assert!(bless.firmware().unwrap().unwrap().counted);
    bless.settle();
    on(&mut bless, A, healthy(3));

    let mut stay = rollback.again();
    run(&mut stay, &Goal::Rollback).unwrap();
    let to_2 = Goal::Upgrade { manifest: healthy(2).manifest(), retry: false };
    let mut staged = upgrade.again();
    run(&mut staged, &to_3).unwrap();
    staged.goal = healthy(4);
    let to_4 = Goal::Upgrade { manifest: healthy(4).manifest(), retry: false };
    let command = |name, machine, goal| Command { name, machine, goal, between: None };
    vec![
        command("install", Machine::blank(healthy(1)), Goal::Install),
        command("first upgrade", first(), to_2),
        command("upgrade", upgrade, to_3),
        Command {
            between: Some(("edeploy-b-g2.conf".to_owned(), healthy(2).manifest())),
            ..command("upgrade over a staged version", staged, to_4)
        },
        command("bless", bless.again(), Goal::Bless),
        command("bless, resumed", with_plain_entry(bless), Goal::Bless),
        command("rollback", rollback, Goal::Rollback),
        command("upgrade to what runs", stay, to_2),
        command("repair", lost(), Goal::Repair),
    ]
}

/// A machine on trial whose blessing was cut off when the plain entry was there.
fn with_plain_entry(mut machine: Machine) -> Machine {
    let mut esp = Esp::open(machine.esp.clone()).unwrap();
    let listed = esp.entries().unwrap().remove(0);
    esp.write_entry(listed.name.blessed(), &listed.entry.unwrap()).unwrap();
    let running = machine.running;
    machine.settle();
    machine.running = running;
    machine
}

fn first() -> Machine {
    let mut machine = Machine { goal: healthy(2), ..installed(healthy(1)) };
    on(&mut machine, A, healthy(1));
    machine
}

fn boots(mut machine: Machine) -> Boots {
    let entries = Esp::open(machine.esp.clone()).and_then(|mut esp| esp.entries()).unwrap_or_default();
    let file = machine.firmware().unwrap()?.file;
    let listed = entries.into_iter().find(|listed| listed.name.to_string() == file).unwrap();
    Some((file, listed.entry.unwrap().options.manifest))
}

/// Everything that may boot if the power is cut now.
fn may_boot(machine: &Machine, dice: &mut Dice) -> BTreeSet<Boots> {
    subsets(machine.pending(), dice).iter().map(|kept| boots(machine.after_cut(kept))).collect()
}

impl Command {
    /// What boots, one after the other: before it, what may be in between, after it.
    fn boots(&self) -> Vec<Boots> {
        let mut after = self.machine.again();
        run(&mut after, &self.goal).unwrap();
        let [before, after] = [self.machine.again(), after].map(|mut machine| {
            machine.settle();
            boots(machine)
        });
        let between = self.between.is_some().then(|| self.between.clone());
        [before].into_iter().chain(between).chain([after]).collect()
    }
}

fn undisturbed_outcome(command: &Command) -> Option<Outcome> {
    run(&mut command.machine.again(), &command.goal).ok()
}

#[test]
fn what_boots_next_changes_at_one_point_of_each_command() {
    for command in commands() {
        let boots = command.boots();
        assert_ne!(boots.first(), boots.last(), "{}", command.name);
        // One, either of two, the other.
        let either = boots
            .windows(2)
            .flat_map(|two| [BTreeSet::from([two[0].clone()]), two.iter().cloned().collect()]);
        let stages: Vec<BTreeSet<Boots>> =
            either.chain([BTreeSet::from([boots[boots.len() - 1].clone()])]).collect();
        let (mut stage, mut between) = (0, 0);
        for effects in 0.. {
            let mut machine = command.machine.again();
            machine.power.cut_after(Some(effects));
            let _ = run(&mut machine, &command.goal);
            let may = may_boot(&machine, &mut Dice::new(effects as u64));
            let now = stages.iter().skip(stage).position(|stage| *stage == may).map(|more| stage + more);
            let now = now
                .unwrap_or_else(|| panic!("P4: after {effects} effects {} may boot {may:?}", command.name));
            (stage, between) = (now, between + now % 2);
            if !machine.power.is_out() {
                break;
            }
        }
        // A name has at most four sectors in its folder, and one barrier.
        assert!(
            stage + 1 == stages.len() && between <= 5 * (stages.len() / 2),
            "P4: {}: {between}",
            command.name
        );
    }
}

#[test]
fn a_repair_of_the_loaders_configuration_leaves_a_loader_at_every_moment() {
    let broken = configured_otherwise();
    let boots_now = BTreeSet::from([boots(broken.again())]);
    assert!(!boots_now.contains(&None));
    for effects in 0.. {
        let mut machine = broken.again();
        machine.power.cut_after(Some(effects));
        let _ = run(&mut machine, &Goal::Repair);
        assert_eq!(may_boot(&machine, &mut Dice::new(effects as u64)), boots_now, "{effects}");
        if !machine.power.is_out() {
            break;
        }
    }
}

/// What of a disk fails, after how many, and how many of them.
type Failing = fn(&Power, usize, usize);

#[test]
fn what_a_command_says_is_so_whatever_fails_and_the_next_one_mends_it() {
    let kinds: [(&str, Failing, &[usize]); 2] = [
        ("effects", Power::fail_after, &[1, 2, 3, usize::MAX]),
        ("reads", Power::fail_reads_after, &[1, usize::MAX]),
    ];
    for command in commands() {
        let (boots, outcome) = (command.boots(), undisturbed_outcome(&command));
        for (kind, fail, count) in
            kinds.iter().flat_map(|(kind, fail, counts)| counts.iter().map(move |count| (kind, fail, *count)))
        {
            for after in 0.. {
                let what = format!("{}: {count} faults after {after} {kind}", command.name);
                let mut machine = command.machine.again();
                fail(&machine.power, after, count);
                let said = run(&mut machine, &command.goal);
                let undisturbed = machine.power.faults_left() == count;
                machine.power.fail_after(0, 0);
                command.judge(&mut machine, &boots, outcome, said, &what);
                if undisturbed {
                    assert!(after > 2, "{what}");
                    break;
                }
            }
        }
    }
}

impl Command {
    /// Is what was `said` so, and does the next run end well?
    fn judge(
        &self,
        machine: &mut Machine,
        boots: &[Boots],
        outcome: Option<Outcome>,
        said: Result<Outcome, Fault>,
        what: &str,
    ) {
        let (after, before) = boots.split_last().unwrap();
        let may = may_boot(machine, &mut Dice::new(7));
        match said {
            Ok(said) => {
                assert_eq!(may, BTreeSet::from([after.clone()]), "P9: {what}, and no error");
                assert_eq!(Some(said), outcome, "P9: {what}");
            }
            Err(Fault::Broken(broken)) => panic!("P9: {what}: {broken}"),
            Err(Fault::Esp(EspError::Unsure { .. })) => {
                assert!(may.iter().all(|boot| boots.contains(boot)), "P9: {what}: {may:?}");
            }
            Err(fault) => {
                let old = may.len() == 1 && before.contains(may.first().unwrap());
                // A repair that fails may have put back what boots.
                let repaired = self.goal == Goal::Repair && may.iter().all(|boot| boots.contains(boot));
                assert!(old || repaired, "P9: {what}: {fault}: {may:?}");
            }
        }
        let again = run(machine, &self.goal);
        assert!(again.is_ok(), "P6: {what}: {again:?}");
        let may = may_boot(machine, &mut Dice::new(7));
        assert!(may.len() == 1 && !before.contains(may.first().unwrap()), "P6: {what}: {may:?}");
    }
}
