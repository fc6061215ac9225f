//! The stories that are cut: install, upgrade, fall-back, rollback, repair of a version and of what holds it; and what each barrier is for.

use std::cell::RefCell;

use edeploy_ab::esp::SyncId;
use edeploy_ab::hooks::Wish;
use edeploy_ab::host::run;
use edeploy_ab::machine::{Goal, Running};
use edeploy_format::boot::Efi;
use edeploy_format::slot::Slot::{self, A, B};

use crate::machine::Machine;
use crate::plan::{Ending, Plan, Wanted};
use crate::tree::{Temper, Tree};

pub(crate) fn healthy(version: u8) -> Tree {
    Tree { version, temper: Temper::Healthy }
}

fn ending(version: u8, slot: Slot) -> Ending {
    Ending { version, slot, good: true, refused: false }
}

/// Version 1 on a machine that was blank.
pub(crate) fn installed(tree: Tree) -> Machine {
    let mut machine = Machine::blank(tree);
    run(&mut machine, &Goal::Install).unwrap();
    machine.settle();
    machine
}

/// A machine that runs `from` takes `to` and blesses it, if it is healthy; else it falls back.
fn upgraded(mut machine: Machine, from: Tree, slot: Slot, to: Tree) -> Machine {
    machine.running = Some(Running { slot, manifest: from.manifest() });
    machine.goal = to;
    run(&mut machine, &Goal::Upgrade { manifest: to.manifest(), retry: false }).unwrap();
    machine.settle();
    while machine.firmware().unwrap().unwrap().counted {
        machine.settle();
        if to.temper == Temper::Healthy {
            machine.running = Some(Running { slot: slot.other(), manifest: to.manifest() });
            run(&mut machine, &Goal::Bless).unwrap();
        }
    }
    machine.settle();
    machine
}

/// Version 1 was installed in slot a and upgraded to 2 in slot b: both are good.
pub(crate) fn second() -> Machine {
    upgraded(installed(healthy(1)), healthy(1), A, healthy(2))
}

fn plan(before: Machine, wanted: Wanted, trees: &[Tree], ending: Ending) -> Plan {
    Plan { before, wanted, trees: trees.to_vec(), failed: None, ending, proven: RefCell::default() }
}

fn install() -> Plan {
    plan(Machine::blank(healthy(1)), Wanted::Install, &[healthy(1)], ending(1, A))
}

/// Another version over an installed one, with `--wipe`.
fn reinstall() -> Plan {
    let before = Machine { goal: healthy(2), ..installed(healthy(1)) };
    plan(before, Wanted::Install, &[healthy(1), healthy(2)], ending(2, A))
}

fn first_upgrade() -> Plan {
    let machine = Machine { goal: healthy(2), ..installed(healthy(1)) };
    plan(machine, Wanted::Upgrade, &[healthy(1), healthy(2)], ending(2, B))
}

fn second_upgrade() -> Plan {
    let machine = Machine { goal: healthy(3), wish: Wish::Reboot, ..second() };
    plan(machine, Wanted::Upgrade, &[healthy(1), healthy(2), healthy(3)], ending(3, A))
}

fn fall_back(temper: Temper) -> Plan {
    let bad = Tree { version: 3, temper };
    let machine = Machine { goal: bad, wish: Wish::Reboot, ..second() };
    let ending = Ending { refused: true, ..ending(2, B) };
    plan(machine, Wanted::Upgrade, &[healthy(1), healthy(2), bad], ending)
}

/// Version 3 was fallen back from; now comes 4.
fn after_a_fall_back() -> Plan {
    let bad = Tree { version: 3, temper: Temper::Sick };
    let machine = Machine { goal: healthy(4), ..upgraded(second(), healthy(2), B, bad) };
    let trees = [healthy(1), healthy(2), bad, healthy(4)];
    Plan { failed: Some(3), ..plan(machine, Wanted::Upgrade, &trees, ending(4, A)) }
}

/// Version 3 was fallen back from for a reason that is gone.
fn retry() -> Plan {
    let bad = Tree { version: 3, temper: Temper::Sick };
    let machine = Machine { goal: healthy(3), ..upgraded(second(), healthy(2), B, bad) };
    plan(machine, Wanted::Retry, &[healthy(1), healthy(2), healthy(3)], ending(3, A))
}

fn repair(temper: Temper) -> Plan {
    let bad = Tree { version: 1, temper };
    let machine = Machine { goal: healthy(2), ..installed(bad) };
    plan(machine, Wanted::Upgrade, &[bad, healthy(2)], ending(2, B))
}

fn rollback() -> Plan {
    plan(second(), Wanted::Rollback, &[healthy(1), healthy(2)], ending(1, A))
}

/// An EFI variable holds the machine in the slot that runs.
fn overridden() -> Plan {
    let efi = Efi { oneshot: None, default: Some("edeploy-a-*".to_owned()) };
    let plan = first_upgrade();
    Plan { before: Machine { efi, ..plan.before }, ..plan }
}

/// Versions 1 and 2 in their slots, and nothing on ESP and state partition.
pub(crate) fn lost() -> Machine {
    let mut machine = Machine { remains: [Some(healthy(1)), Some(healthy(2))], ..second() };
    machine.lose();
    machine
}

fn rescue() -> Plan {
    plan(lost(), Wanted::Repair, &[healthy(1), healthy(2)], ending(2, B))
}

/// The initrd that boots next is another one.
fn rotten() -> Plan {
    let mut machine = Machine { remains: [Some(healthy(1)), Some(healthy(2))], ..second() };
    machine.rot(&healthy(2).objects()[1].1, &[0x77; 512]);
    plan(machine, Wanted::Repair, &[healthy(1), healthy(2)], ending(2, B))
}

/// The loader's configuration is another one, and the loader that of an older version.
pub(crate) fn configured_otherwise() -> Machine {
    let mut machine = Machine { remains: [Some(healthy(1)), Some(healthy(2))], ..second() };
    machine.rot(b"timeout 0\n", b"timeout 9\n");
    machine.rot(b"MZ", b"MZ of another version");
    machine
}

fn misconfigured() -> Plan {
    plan(configured_otherwise(), Wanted::Repair, &[healthy(1), healthy(2)], ending(2, B))
}

macro_rules! stories {
    ($($name:ident: $plan:expr;)*) => {$(
        #[test]
        fn $name() {
            let cases = $plan.every_cut(None).unwrap_or_else(|what| panic!("{what}"));
            println!("{}: {cases} different machines", stringify!($name));
            assert!(cases > 20, "{cases}");
        }
    )*};
}

stories! {
    any_cut_of_an_install_ends_installed: install();
    any_cut_of_an_install_over_an_older_one_ends_installed: reinstall();
    any_cut_of_a_first_upgrade_ends_upgraded: first_upgrade();
    any_cut_of_an_upgrade_that_reboots_ends_upgraded: second_upgrade();
    any_cut_of_an_upgrade_to_a_sick_version_ends_with_the_old_one: fall_back(Temper::Sick);
    any_cut_of_an_upgrade_to_a_hanging_version_ends_with_the_old_one: fall_back(Temper::Hanging);
    any_cut_of_an_upgrade_to_a_panicking_version_ends_with_the_old_one: fall_back(Temper::Panicking);
    any_cut_of_an_upgrade_after_a_fall_back_forgets_no_failure: after_a_fall_back();
    any_cut_of_a_retry_ends_upgraded: retry();
    any_cut_of_the_repair_of_a_bad_first_version_ends_repaired: repair(Temper::Sick);
    any_cut_of_a_rollback_ends_rolled_back: rollback();
    any_cut_of_an_upgrade_under_an_efi_default_ends_upgraded: overridden();
    any_cut_of_the_repair_of_a_lost_esp_and_state_ends_repaired: rescue();
    any_cut_of_the_repair_of_a_rotten_initrd_ends_repaired: rotten();
    any_cut_of_the_repair_of_a_loaders_configuration_ends_repaired: misconfigured();
}

#[test]
fn a_killed_process_leaves_nothing_that_a_later_cut_could_break() {
    for (name, plan) in [
        ("install", install()),
        ("upgrade", first_upgrade()),
        ("after a fall-back", after_a_fall_back()),
        ("rollback", rollback()),
        ("repair", rescue()),
    ] {
        let cases = plan.every_kill(None).unwrap_or_else(|what| panic!("{name}: {what}"));
        println!("{name}: killed and cut, {cases} different machines");
        assert!(cases > 30, "{name}: {cases}");
    }
}

#[test]
fn any_cut_of_a_repair_by_the_running_system_is_repaired_from_outside() {
    let running = Running { slot: B, manifest: healthy(2).manifest() };
    let cases = rescue().every_cut_of_a_live_repair(running).unwrap_or_else(|what| panic!("{what}"));
    println!("repaired by the running system: {cases} different machines");
    assert!(cases > 30, "{cases}");
}

#[test]
fn cuts_while_recovering_from_a_cut_change_nothing() {
    let long = [150, 60];
    for (name, plan, within) in [
        ("install", install(), long),
        ("install over an older one", reinstall(), long),
        ("upgrade", second_upgrade(), long),
        ("fall-back", fall_back(Temper::Hanging), long),
        ("after a fall-back", after_a_fall_back(), long),
        // It has a few effects only.
        ("rollback", rollback(), [12, 6]),
        ("repair", rescue(), long),
    ] {
        let pairs = plan.two_cuts(150, within).unwrap_or_else(|what| panic!("{name}: {what}"));
        println!("{name}: {pairs} pairs of cuts");
        assert!(pairs > 30, "{name}: {pairs}");
    }
}

/// A barrier, a story in which leaving it out breaks a promise, and how that shows.
type Barrier = (SyncId, fn() -> Plan, &'static str);

const BARRIERS: [Barrier; 9] = [
    (SyncId::Table, install, "nothing boots"),
    (SyncId::State, install, "P3: edeploy-a-g1.conf is there before the disk is made"),
    (SyncId::EspSettled, first_upgrade, "P9: Staged"),
    (SyncId::EspContent, first_upgrade, "P3: edeploy-b-g2+3.conf: the entry is torn"),
    (SyncId::EspName, first_upgrade, "P9: Staged"),
    (SyncId::EspGone, second_upgrade, "P3: edeploy-a-g1.conf: the entry is torn"),
    (SyncId::SlotFilled, first_upgrade, "P3: what is read back is not on the medium"),
    (SyncId::SlotSealed, first_upgrade, "P3: edeploy-b-g2+3.conf boots a slot that is not whole"),
    (SyncId::Journal, after_a_fall_back, "P7: a failure is forgotten"),
];

#[test]
fn leaving_out_any_barrier_is_found() {
    assert!(SyncId::ALL.iter().eq(BARRIERS.iter().map(|(id, ..)| id)));
    for (id, plan, broken) in BARRIERS {
        // What a killed process left in memory is another's to make durable.
        let killed = id == SyncId::EspSettled;
        let found = if killed { plan().every_kill(Some(id)) } else { plan().every_cut(Some(id)) };
        let found = found.expect_err("leaving it out breaks nothing");
        println!("without {id:?}: {found}");
        assert!(found.starts_with(broken), "{id:?}: {found}");
    }
}
