//! One command on one machine: where what boots next changes, and what it says when the disk fails.

use std::collections::BTreeSet;

use edeploy_ab::esp::EspError;
use edeploy_ab::host::run;
use edeploy_ab::machine::{Goal, Running};
use edeploy_format::slot::Slot::{self, A, B};

use crate::cuts::{Dice, subsets};
use crate::machine::{Fault, Machine};
use crate::power::{healthy, installed, second};
use crate::tree::Tree;

/// A command, and the machine that it is called on.
struct Command {
    name: &'static str,
    machine: Machine,
    goal: Goal,
}

/// What boots: the file of an entry.
type Boots = Option<String>;

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
    vec![
        Command { name: "install", machine: Machine::blank(healthy(1)), goal: Goal::Install },
        Command { name: "first upgrade", machine: first(), goal: to_2 },
        Command { name: "upgrade", machine: upgrade, goal: to_3 },
        Command { name: "bless", machine: bless, goal: Goal::Bless },
        Command { name: "rollback", machine: rollback, goal: Goal::Rollback },
        Command { name: "upgrade to what runs", machine: stay, goal: to_2 },
    ]
}

fn first() -> Machine {
    let mut machine = Machine { goal: healthy(2), ..installed(healthy(1)) };
    on(&mut machine, A, healthy(1));
    machine
}

/// Everything that may boot if the power is cut now.
fn may_boot(machine: &Machine, dice: &mut Dice) -> BTreeSet<Boots> {
    let after = |kept: Vec<bool>| machine.after_cut(&kept).firmware().unwrap().map(|boot| boot.file);
    subsets(machine.pending(), dice).into_iter().map(after).collect()
}

impl Command {
    /// What boots before it, and what after it.
    fn ends(&self) -> [Boots; 2] {
        let mut after = self.machine.again();
        run(&mut after, &self.goal).unwrap();
        [self.machine.again(), after].map(|mut machine| {
            machine.settle();
            machine.firmware().unwrap().map(|boot| boot.file)
        })
    }
}

#[test]
fn what_boots_next_changes_at_one_point_of_each_command() {
    for command in commands() {
        let [before, after] = command.ends();
        assert_ne!(before, after, "{}", command.name);
        let both = BTreeSet::from([before.clone(), after.clone()]);
        let stages = [BTreeSet::from([before]), both, BTreeSet::from([after])];
        let (mut stage, mut between) = (0, 0);
        for effects in 0.. {
            let mut machine = command.machine.again();
            machine.power.cut_after(Some(effects));
            let _ = run(&mut machine, &command.goal);
            let boots = may_boot(&machine, &mut Dice::new(effects as u64));
            let now = stages.iter().position(|stage| *stage == boots);
            let now = now.unwrap_or_else(|| panic!("P4: {} may boot {boots:?}", command.name));
            assert!(now >= stage, "P4: {} goes back after {effects} effects", command.name);
            (stage, between) = (now, between + usize::from(now == 1));
            if !machine.power.is_out() {
                break;
            }
        }
        // Between the sectors of the name and their barrier, and nowhere else.
        assert!(stage == 2 && between <= 8, "P4: {}: {between} effects between", command.name);
    }
}

#[test]
fn what_a_command_says_is_so_whatever_fails_and_the_next_one_mends_it() {
    for (command, count) in commands().iter().flat_map(|command| [1, 2, 3, usize::MAX].map(|n| (command, n)))
    {
        let [before, after] = command.ends();
        for effects in 0.. {
            let what = format!("P9: {}: {count} faults after {effects} effects", command.name);
            let mut machine = command.machine.again();
            machine.power.fail_after(effects, count);
            let said = run(&mut machine, &command.goal);
            let undisturbed = machine.power.faults_left() == count;
            machine.power.fail_after(0, 0);
            let boots = may_boot(&machine, &mut Dice::new(effects as u64));
            match &said {
                Ok(_) => assert_eq!(boots, BTreeSet::from([after.clone()]), "{what}, and no error"),
                Err(Fault::Broken(broken)) => panic!("{what}: {broken}"),
                Err(Fault::Esp(EspError::Unsure { .. })) => {
                    assert!(boots.iter().all(|boot| [&before, &after].contains(&boot)), "{what}: {boots:?}");
                }
                Err(fault) => assert_eq!(boots, BTreeSet::from([before.clone()]), "{what}: {fault}"),
            }
            let again = run(&mut machine, &command.goal);
            assert!(again.is_ok(), "P6: {what}: {again:?}");
            let boots = may_boot(&machine, &mut Dice::new(effects as u64));
            assert!(boots.len() == 1 && boots != BTreeSet::from([before.clone()]), "P6: {what}: {boots:?}");
            if undisturbed {
                break;
            }
        }
    }
}
