//! What becomes of a permission where the boot entry was made, and the install was not confirmed.

use super::*;
use crate::store::armed::UNCONFIRMED;

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
    let over = (false, Some(UNCONFIRMED.to_owned()));
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
fn a_boot_entry_counts_until_the_disk_is_written_again() {
    for (stage, stays) in [(Stage::Planned, true), (Stage::Prepared, true), (Stage::Writing, false)] {
        let (_folder, store) = opened();
        armed(&store, 1, "t");
        assert_eq!(report(&store, "t", 1, NOW), given("a"));
        assert_eq!(told(&store, "t", stage, None, NOW), Recorded::Done);
        let expected = if stays { Booted::Disk } else { Booted::Install };
        assert_eq!(boot(&store, 1, "u", LATER), expected, "{stage:?}");
        assert_eq!(shown(&store, LATER).0, !stays, "{stage:?}");
    }
}

/// What a machine does that came back within its lease, before it is heard of no more.
type Back = fn(&Store, Moment);

#[test]
fn a_machine_that_came_back_within_its_lease_and_wrote_nothing_boots_its_disk_after_it() {
    let got_its_script: Back = |store, now| assert_eq!(boot(store, 1, "u", now), Booted::Install);
    let got_many: Back = |store, now| {
        for n in 0..20 {
            assert_eq!(boot(store, 1, &format!("u{n}"), now.plus(n)), Booted::Install);
        }
    };
    let was_refused: Back = |store, now| {
        boot(store, 1, "u", now);
        assert_eq!(report(store, "u", 0, now), refused());
    };
    let was_told_to_wait: Back = |store, now| {
        boot(store, 1, "u", now);
        let wait = |_: &str, _: &Taken| Decision::<String>::Wait("soon".to_owned());
        store.report(&token("u"), &reported(), now, LEASE, wait).unwrap();
    };
    let failed: Back = |store, now| {
        boot(store, 1, "u", now);
        assert_eq!(report(store, "u", 1, now), given("a"));
        assert_eq!(told(store, "u", Stage::Prepared, Some("no repository"), now), Recorded::Done);
    };
    for back in [got_its_script, got_many, was_refused, was_told_to_wait, failed] {
        let (_folder, store) = opened();
        armed(&store, 1, "t");
        let again = Moment(LATER.0 - 1);
        back(&store, again);
        // It was given ten minutes to report, whoever asked how often.
        let after = again.plus(600);
        assert_eq!(shown(&store, after), (false, Some(UNCONFIRMED.to_owned())));
        assert_eq!(store.taken(after).unwrap().places.get("web"), Some(&1), "it runs what it was given");
        assert_eq!(boot(&store, 1, "v", after), Booted::Disk);
        assert_eq!(planned(&store, 2, "w", after), refused());
    }
}

#[test]
fn however_often_it_comes_back_and_is_told_to_wait_the_time_to_report_is_given_once() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    let again = Moment(LATER.0 - 1);
    let mut boots = 0;
    for n in 0..20 {
        let now = again.plus(300 * n);
        if boot(&store, 1, &format!("u{n}"), now) == Booted::Disk {
            break;
        }
        let wait = |_: &str, _: &Taken| Decision::<String>::Wait("soon".to_owned());
        let answer = store.report(&token(&format!("u{n}")), &reported(), now, LEASE, wait).unwrap();
        assert_eq!(answer, Answer::Wait("soon".to_owned()));
        boots += 1;
    }
    assert_eq!(boots, 2, "at once and after five minutes");
}

#[test]
fn a_stranger_who_has_a_boot_script_ends_neither_the_install_nor_the_lease() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    for n in 0..9 {
        assert_eq!(boot(&store, 1, &format!("u{n}"), NOW), Booted::Install);
        let token = token(&format!("u{n}"));
        assert_eq!(store.keep_log(&token, "mine", NOW).unwrap(), Recorded::NoToken);
        assert_eq!(told(&store, &format!("u{n}"), Stage::Booted, Some("mine"), NOW), Recorded::NoToken);
    }
    assert_eq!(shown(&store, NOW), (true, None));
    assert_eq!(told(&store, "t", Stage::Installed, None, Moment(LATER.0 - 1)), Recorded::Done);
}

/// Reports, and is planned as what has no database.
fn planned_as(store: &Store, said: &str, profile: &str, now: Moment) -> Answer<String> {
    let assign = |_: &str, _: &Taken| Decision::Assign {
        profile: profile.to_owned(),
        entry: None,
        passed: Vec::new(),
        plan: profile.to_owned(),
    };
    store.report(&token(said), &reported(), now, LEASE, assign).unwrap()
}

#[test]
fn a_plan_for_another_profile_takes_the_place_of_what_runs_only_when_it_is_written() {
    for is_written in [false, true] {
        let (_folder, store) = opened();
        armed(&store, 1, "t");
        let back = Moment(LATER.0 - 1);
        assert_eq!(boot(&store, 1, "u", back), Booted::Install);
        assert_eq!(planned_as(&store, "u", "db", back), given("db"));
        let places = |now| store.taken(now).unwrap().places;
        let both = [("db".to_owned(), 1), ("web".to_owned(), 1)];
        assert_eq!(places(back), both.clone().into());
        let profile = |now| store.host(&name(1), now).unwrap().unwrap().profile;
        if is_written {
            assert_eq!(told(&store, "u", Stage::Writing, None, back), Recorded::Done);
            assert_eq!(places(back), [both[0].clone()].into());
            assert_eq!(told(&store, "u", Stage::Installed, None, back), Recorded::Done);
            assert_eq!(profile(back).as_deref(), Some("db"));
        } else {
            let after = back.plus(600);
            assert_eq!(boot(&store, 1, "v", after), Booted::Disk);
            assert_eq!((profile(after).as_deref(), places(after)), (Some("web"), [both[1].clone()].into()));
        }
    }
}

#[test]
fn one_that_has_its_boot_entry_is_not_installed_by_another_card() {
    const UUID: &str = "4c4c4544-004b-3910-8050-b9c04f505732";
    let (_folder, store) = opened();
    store.permit_new(9).unwrap();
    assert_eq!(boot_as(&store, 1, UUID, "t", NOW), Booted::Install);
    assert_eq!(report(&store, "t", 9, NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Armed, None, NOW), Recorded::Done);
    // Its place was reserved until the lease, and it is given more time.
    assert_eq!(boot_as(&store, 1, UUID, "u", Moment(LATER.0 - 1)), Booted::Install);
    let meanwhile = LATER.plus(1);
    assert_eq!(boot_as(&store, 2, UUID, "v", meanwhile), Booted::Install);
    let reported = Reported { macs: vec![mac(1), mac(2)], ..reported() };
    let answer = store.report(&token("v"), &reported, meanwhile, LEASE, first_free(9)).unwrap();
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

#[test]
fn a_machine_that_came_back_at_the_end_of_its_lease_has_the_time_to_report() {
    let (_folder, store) = opened();
    armed(&store, 1, "t");
    assert_eq!(boot(&store, 1, "u", Moment(LATER.0 - 1)), Booted::Install);
    assert_eq!(report(&store, "u", 1, LATER.plus(300)), given("a"));
    assert_eq!(told(&store, "u", Stage::Installed, None, LATER.plus(300)), Recorded::Done);
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
    assert_eq!(shown(&store, LATER), (false, Some(UNCONFIRMED.to_owned())));
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
