//! What becomes of a permission where the boot entry was made, and the install was not confirmed.

use super::*;

const LATER: Moment = Moment(NOW.0 + LEASE);

/// From nothing to a boot entry.
fn armed(store: &Store, n: u32, said: &str) {
    assert_eq!(planned(store, n, said, NOW), given("a"));
    for stage in [Stage::Writing, Stage::Verifying, Stage::Armed] {
        assert_eq!(told(store, said, stage, None, NOW), Recorded::Done);
    }
}

fn shown(store: &Store, now: Moment) -> (bool, Option<String>) {
    let host = store.host(&name(1), now).unwrap().unwrap();
    (host.permission.is_some(), host.failure)
}

#[test]
fn the_permission_of_a_machine_that_has_its_boot_entry_ends_with_its_lease() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(shown(&store, Moment(LATER.0 - 1)), (true, None));
    let over = (false, Some(ticket::UNCONFIRMED.to_owned()));
    assert_eq!(shown(&store, LATER), over, "also before anybody wrote that down");
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Disk);
    assert_eq!(shown(&store, LATER), over);
    assert_eq!(store.permit(&name(1), false, LATER).unwrap(), Permitted::Installed(name(1)));
    assert_eq!(store.permit(&name(1), true, LATER).unwrap(), Permitted::Given);
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Install);
    assert_eq!(report(&store, "u", 1, LATER), given("a"));
}

#[test]
fn its_place_is_spent_and_not_given_back() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    let places = |now| store.taken(now).unwrap().places.get("web").copied();
    assert_eq!(places(LATER), Some(1), "also before anybody wrote that down");
    assert_eq!(planned(&store, 2, "u", LATER), refused());
    assert_eq!(places(LATER.plus(99 * LEASE)), Some(1));
    assert_eq!(store.release(&name(1), LATER).unwrap(), Released::Done);
    assert_eq!(report(&store, "u", 1, LATER), given("a"));
}

#[test]
fn a_machine_that_loses_power_between_armed_and_installed_starts_over_within_its_lease() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    let back = Moment(LATER.0 - 1);
    assert_eq!(boot(&store, 1, "u", back), Booted::Install);
    assert_eq!(report(&store, "u", 1, back), given("a"));
    assert_eq!(told(&store, "u", Stage::Installed, None, back), Recorded::Done);
    assert_eq!(store.host(&name(1), back).unwrap().unwrap().installed, Some(back));
}

#[test]
fn a_machine_that_loses_power_before_its_boot_entry_is_there_starts_over_whenever_it_comes_back() {
    for stage in [Stage::Prepared, Stage::Writing, Stage::Verifying] {
        let (_folder, store) = opened();
        assert_eq!(planned(&store, 1, "t", NOW), given("a"));
        assert_eq!(told(&store, "t", stage, None, NOW), Recorded::Done);
        let late = NOW.plus(9 * 86_400);
        assert_eq!(boot(&store, 1, "u", late), Booted::Install, "{stage:?}");
        assert_eq!(report(&store, "u", 1, late), given("a"), "{stage:?}");
    }
}

#[test]
fn an_installer_that_begins_anew_after_the_boot_entry_has_none_until_it_is_made_again() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(report(&store, "t", 1, NOW), given("a"));
    assert_eq!(shown(&store, LATER), (true, None));
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Install);
}

#[test]
fn a_confirmation_that_comes_after_the_lease_counts_unless_another_install_was_permitted() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(boot(&store, 2, "x", LATER), Booted::Disk);
    assert_eq!(told(&store, "t", Stage::Writing, None, LATER), Recorded::NoPlan);
    assert_eq!(told(&store, "t", Stage::Armed, None, LATER), Recorded::Done);
    assert_eq!(told(&store, "t", Stage::Installed, None, LATER), Recorded::Done);
    let host = store.host(&name(1), LATER).unwrap().unwrap();
    assert_eq!((host.stage, host.installed, host.failure), (Some(Stage::Installed), Some(LATER), None));

    armed(&store, 1, "u");
    store.permit(&name(1), true, LATER).unwrap();
    assert_eq!(told(&store, "u", Stage::Installed, None, LATER), Recorded::NoToken);
    assert_eq!(boot(&store, 1, "v", LATER), Booted::Install);
}

#[test]
fn a_reinstall_that_is_permitted_within_the_lease_outlives_it() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    let meanwhile = Moment(LATER.0 - 1);
    assert_eq!(store.permit(&name(1), true, meanwhile).unwrap(), Permitted::Given);
    assert_eq!(shown(&store, LATER), (true, None));
    assert_eq!(store.taken(LATER).unwrap().places.get("web"), Some(&1), "it may run what was installed");
    assert_eq!(told(&store, "t", Stage::Installed, None, LATER), Recorded::NoToken);
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Install);
    assert_eq!(report(&store, "u", 1, LATER), given("a"));
}

#[test]
fn a_plain_permission_that_is_given_again_within_the_lease_ends_with_it() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(store.permit(&name(1), false, NOW).unwrap(), Permitted::Given);
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Disk);
}

#[test]
fn a_failure_that_is_told_after_the_lease_frees_no_place_and_permits_nothing() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(told(&store, "t", Stage::Armed, Some("no log"), LATER), Recorded::NoPlan);
    assert_eq!(shown(&store, LATER), (false, Some(ticket::UNCONFIRMED.to_owned())));
    assert_eq!(store.taken(LATER).unwrap().places.get("web"), Some(&1));
    assert_eq!(boot(&store, 1, "u", LATER), Booted::Disk);
}

#[test]
fn a_confirmation_is_the_first_word_after_the_lease_and_counts() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(told(&store, "t", Stage::Installed, None, LATER), Recorded::Done);
    let host = store.host(&name(1), LATER).unwrap().unwrap();
    assert_eq!((host.installed, host.failure, host.permission), (Some(LATER), None, None));
}

#[test]
fn a_lease_that_runs_out_is_a_change_though_nobody_writes_it() {
    let (_folder, store) = opened();
    let mut watch = store.watch(NOW).unwrap();
    armed(&store, 1, "t");
    let changed = [NOW, Moment(LATER.0 - 1), LATER, LATER].map(|now| watch.changed(now).unwrap());
    assert_eq!(changed, [true, false, true, false]);
}
