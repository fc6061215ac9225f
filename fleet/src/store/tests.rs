//! What is promised of the store, with the time handed in.

mod armed;
mod cards;
mod entries;
mod file;

use edeploy_format::fleet::{Progress, Stage};
use tempfile::TempDir;

use super::*;
use crate::judge::Taken;
use crate::mac::Mac;
use crate::moment::Moment;
use crate::secret::SecretHash;

const NOW: Moment = Moment(1_000_000);
const LEASE: u64 = 60;

fn opened() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data")).unwrap();
    (folder, store)
}

fn mac(n: u32) -> Mac {
    format!("52:54:00:00:{:02x}:{:02x}", n >> 8, n & 255).parse().unwrap()
}

fn name(n: u32) -> String {
    mac(n).name()
}

fn token(text: &str) -> SecretHash {
    SecretHash::of(text)
}

fn boot(store: &Store, n: u32, said: &str, now: Moment) -> Booted {
    boot_as(store, n, "", said, now)
}

/// Boots by this card of the machine whose firmware has this UUID.
fn boot_as(store: &Store, n: u32, uuid: &str, said: &str, now: Moment) -> Booted {
    let (uuid, serial, platform) = (uuid.to_owned(), String::new(), "efi".to_owned());
    let boot = Boot { mac: mac(n), uuid, serial, platform, refusal: None };
    store.boot(&boot, &token(said), now).unwrap()
}

fn reported() -> Reported {
    Reported { name: None, hardware: "[]".to_owned(), summary: String::new(), macs: Vec::new() }
}

/// The first entry of three that is its own or free, while fewer than `count` other machines have a place.
fn first_free(count: u64) -> impl FnOnce(&str, &Taken) -> Decision<String> {
    move |_, all| {
        let taken = all.entries.get("web").cloned().unwrap_or_default();
        let own = taken.iter().find(|(_, own)| **own).map(|(entry, _)| entry.clone());
        let free =
            || ["a", "b", "c"].into_iter().find(|entry| !taken.contains_key(*entry)).map(str::to_owned);
        match own.or_else(free) {
            Some(entry) if all.places.get("web").copied().unwrap_or(0) < count => Decision::Assign {
                profile: "web".to_owned(),
                entry: Some(entry.clone()),
                passed: Vec::new(),
                plan: entry,
            },
            Some(_) | None => Decision::Refuse(nothing_left()),
        }
    }
}

fn report(store: &Store, said: &str, count: u64, now: Moment) -> Answer<String> {
    store.report(&token(said), &reported(), now, LEASE, first_free(count)).unwrap()
}

fn told(store: &Store, said: &str, stage: Stage, failure: Option<&str>, now: Moment) -> Recorded {
    let progress = Progress { stage, done: 1, total: 2, failure: failure.map(str::to_owned) };
    store.progress(&token(said), &progress, now, LEASE).unwrap()
}

fn nothing_left() -> Refusal {
    Refusal { reason: "nothing left".to_owned(), tried: Vec::new() }
}

fn refused() -> Answer<String> {
    Answer::Refused(nothing_left())
}

fn given(entry: &str) -> Answer<String> {
    Answer::Assigned(entry.to_owned())
}

/// From nothing to a plan.
fn planned(store: &Store, n: u32, said: &str, now: Moment) -> Answer<String> {
    store.permit(&mac(n).to_string(), true, now).unwrap();
    store.permit(&mac(n).to_string(), false, now).unwrap();
    assert_eq!(boot(store, n, said, now), Booted::Install);
    report(store, said, 1, now)
}

#[test]
fn a_machine_that_nobody_permitted_boots_its_disk() {
    let (_folder, store) = opened();
    assert_eq!(boot(&store, 1, "t", NOW), Booted::Disk);
    assert_eq!(store.ticket(&token("t"), NOW).unwrap(), None);
    assert_eq!(store.host(&name(1), NOW).unwrap().unwrap().stage, None);
}

#[test]
fn a_permission_serves_once() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(report(&store, "t", 1, NOW), Answer::NoPermission);
    assert_eq!(boot(&store, 1, "u", NOW), Booted::Disk);
    assert_eq!(store.permit(&name(1), false, NOW).unwrap(), Permitted::Installed(name(1)));
    assert_eq!(store.permit(&name(1), true, NOW).unwrap(), Permitted::Given);
    assert_eq!(boot(&store, 1, "u", NOW), Booted::Install);
}

#[test]
fn reinstalling_is_for_machines_that_are_known_by_their_name() {
    let (_folder, store) = opened();
    assert_eq!(store.permit(&name(1), true, NOW).unwrap(), Permitted::Unknown);
    assert_eq!(store.permit("web1", false, NOW).unwrap(), Permitted::Unknown);
    assert_eq!(store.hosts(NOW).unwrap(), []);
}

#[test]
fn the_next_machines_that_are_new_are_permitted_and_no_others() {
    let (_folder, store) = opened();
    assert_eq!(boot(&store, 1, "t1", NOW), Booted::Disk);
    store.permit_new(2).unwrap();
    assert_eq!(boot(&store, 1, "t1", NOW), Booted::Install);
    assert_eq!(boot(&store, 1, "t1", NOW), Booted::Install);
    assert_eq!(store.newcomers().unwrap(), 1);
    assert!(store.forbid(&name(1)).unwrap());
    assert_eq!(boot(&store, 1, "t1", NOW), Booted::Disk);
    assert_eq!(boot(&store, 2, "t2", NOW), Booted::Install);
    assert_eq!(boot(&store, 3, "t3", NOW), Booted::Disk);
    assert_eq!(store.newcomers().unwrap(), 0);
}

#[test]
fn of_several_addresses_that_counts_by_which_a_machine_may_be_installed() {
    let (_folder, store) = opened();
    let all = [1, 2, 3].map(mac);
    assert_eq!(store.known_by(&[], "").unwrap(), None);
    assert_eq!(store.known_by(&all, "").unwrap(), Some(mac(1)));
    assert_eq!(boot(&store, 2, "t", NOW), Booted::Disk);
    assert_eq!(store.known_by(&all, "").unwrap(), Some(mac(2)));
    store.permit(&mac(3).to_string(), false, NOW).unwrap();
    assert_eq!(store.known_by(&all, "").unwrap(), Some(mac(3)));
}

#[test]
fn a_machine_that_cannot_be_installed_uses_up_no_permission() {
    let (_folder, store) = opened();
    store.permit_new(1).unwrap();
    let (uuid, serial, platform) = (String::new(), String::new(), "pcbios".to_owned());
    let bios = Boot { mac: mac(1), uuid, serial, platform, refusal: Some("no UEFI".to_owned()) };
    assert_eq!(store.boot(&bios, &token("t"), NOW).unwrap(), Booted::Disk);
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!((host.stage, host.failure.as_deref()), (Some(Stage::Booted), Some("no UEFI")));
    assert_eq!(store.newcomers().unwrap(), 1);
}

#[test]
fn a_new_boot_script_ends_the_token_of_the_one_before_when_its_own_is_used() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    // Anybody may have asked for them.
    for said in ["u", "v"] {
        assert_eq!(boot(&store, 1, said, NOW), Booted::Install);
    }
    assert_eq!(told(&store, "t", Stage::Writing, None, NOW), Recorded::Done);
    assert_eq!(
        store.host(&name(1), NOW).unwrap().unwrap().stage,
        Some(Stage::Writing),
        "also as it is shown"
    );
    assert_eq!(report(&store, "u", 1, NOW), given("a"));
    for ended in ["t", "v"] {
        assert_eq!(report(&store, ended, 1, NOW), Answer::NoToken, "{ended}");
        assert_eq!(told(&store, ended, Stage::Writing, None, NOW), Recorded::NoToken, "{ended}");
        assert_eq!(store.keep_log(&token(ended), "log", NOW).unwrap(), Recorded::NoToken, "{ended}");
    }
    assert_eq!(told(&store, "u", Stage::Installed, None, NOW), Recorded::Done);
}

#[test]
fn of_the_boot_scripts_of_a_machine_the_last_eight_are_good_until_it_is_installed() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    for n in 0..9 {
        assert_eq!(boot(&store, 1, &format!("t{n}"), NOW), Booted::Install);
    }
    assert_eq!(store.ticket(&token("t0"), NOW).unwrap(), None);
    assert!((1..9).all(|n| store.ticket(&token(&format!("t{n}")), NOW).unwrap().is_some()));
    assert_eq!(store.ticket(&token("t8"), NOW.plus(86_400)).unwrap(), None, "for a day");
    assert_eq!(report(&store, "t4", 1, NOW), given("a"));
    assert_eq!(boot(&store, 1, "u", NOW), Booted::Install);
    assert_eq!(told(&store, "t4", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(report(&store, "u", 1, NOW), Answer::NoToken);
    assert_eq!(told(&store, "t4", Stage::Installed, None, NOW), Recorded::Done, "said again");
}

#[test]
fn a_token_ends_a_day_after_its_machines_last_word() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    let later = NOW.plus(86_399);
    assert_eq!(told(&store, "t", Stage::Writing, None, later), Recorded::Done);
    assert_eq!(told(&store, "t", Stage::Writing, None, later.plus(86_400)), Recorded::NoToken);
}

#[test]
fn the_fifth_attempt_is_the_last() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    for _ in 0..5 {
        assert_eq!(boot(&store, 1, "t", NOW), Booted::Install);
        // Asked twice: the answer was lost.
        assert_eq!(report(&store, "t", 1, NOW), given("a"));
        assert_eq!(report(&store, "t", 1, NOW), given("a"));
    }
    assert_eq!(boot(&store, 1, "t", NOW), Booted::Disk);
    assert_eq!(store.host(&name(1), NOW).unwrap().unwrap().permission, None);
}

#[test]
fn failures_before_a_plan_count_as_attempts_once_each() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    let attempts = || store.host(&name(1), NOW).unwrap().unwrap().permission.map(|right| right.attempts);
    for n in 0..5 {
        assert_eq!(attempts(), Some(n));
        assert_eq!(boot(&store, 1, "t", NOW), Booted::Install);
        assert_eq!(told(&store, "t", Stage::Detected, Some("no disk"), NOW), Recorded::Done);
        assert_eq!(told(&store, "t", Stage::Detected, Some("no disk"), NOW), Recorded::Done);
    }
    assert_eq!(attempts(), None);
    assert_eq!(report(&store, "t", 1, NOW), Answer::NoPermission);
}

#[test]
fn a_place_is_reserved_while_a_machine_is_installed_and_spent_after_it() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(planned(&store, 2, "u", NOW), refused());
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(report(&store, "u", 1, NOW.plus(LEASE)), refused());
    assert_eq!(report(&store, "u", 2, NOW), given("b"));
}

#[test]
fn a_place_is_given_back_by_a_failure() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Writing, Some("disk broke"), NOW), Recorded::Done);
    assert_eq!(planned(&store, 2, "u", NOW), given("b"));
}

#[test]
fn a_plan_that_a_second_report_lost_cannot_be_confirmed() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(report(&store, "t", 0, NOW), refused());
    assert_eq!(planned(&store, 2, "u", NOW), given("b"));
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::NoPlan);
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!((host.installed, host.failure.as_deref()), (None, Some("nothing left")), "the reason stays");
}

#[test]
fn what_is_not_known_yet_takes_nothing_and_is_no_attempt() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    boot(&store, 1, "t", NOW);
    let wait = |_: &str, _: &Taken| Decision::<String>::Wait("soon".to_owned());
    let answer = store.report(&token("t"), &reported(), NOW, LEASE, wait).unwrap();
    assert_eq!(answer, Answer::Wait("soon".to_owned()));
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!((host.failure.as_deref(), host.permission.unwrap().attempts), (Some("soon"), 0));
    assert_eq!(store.taken(NOW).unwrap(), Taken::default());
    assert_eq!(report(&store, "t", 1, NOW), given("a"));
}

#[test]
fn a_place_is_given_back_when_its_lease_runs_out_and_not_before() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    let later = NOW.plus(LEASE - 1);
    assert_eq!(told(&store, "t", Stage::Writing, None, later), Recorded::Done);
    assert_eq!(planned(&store, 2, "u", later.plus(LEASE - 1)), refused());
    assert_eq!(report(&store, "u", 1, later.plus(LEASE)), given("b"));
}

#[test]
fn a_machine_that_goes_on_after_its_lease_has_its_place_again() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    let late = NOW.plus(10 * LEASE);
    assert_eq!(told(&store, "t", Stage::Writing, None, late), Recorded::Done);
    assert_eq!(planned(&store, 2, "u", late), refused());
    assert_eq!(told(&store, "t", Stage::Installed, None, late), Recorded::Done);
}

#[test]
fn only_a_plan_can_be_confirmed_and_that_may_be_said_twice() {
    let (_folder, store) = opened();
    store.permit(&name(1), false, NOW).unwrap();
    boot(&store, 1, "t", NOW);
    for stage in [Stage::Planned, Stage::Writing, Stage::Installed] {
        assert_eq!(told(&store, "t", stage, None, NOW), Recorded::NoPlan);
    }
    assert_eq!(told(&store, "t", Stage::Detected, None, NOW), Recorded::Done);
    assert_eq!(report(&store, "t", 1, NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(told(&store, "t", Stage::Writing, None, NOW), Recorded::NoPlan);
    let host = store.host(&name(1), NOW).unwrap().unwrap();
    assert_eq!((host.stage, host.installed), (Some(Stage::Installed), Some(NOW)));
}

#[test]
fn a_machine_is_called_by_what_it_reports_unless_another_one_is() {
    let (_folder, store) = opened();
    let named = Reported { name: Some("Toy-1".to_owned()), ..reported() };
    for (n, called) in [(1, "Toy-1".to_owned()), (2, name(2))] {
        store.permit(&name(n), false, NOW).unwrap();
        boot(&store, n, &format!("t{n}"), NOW);
        let said = |name: &str, _: &Taken| {
            assert_eq!(name, called);
            Decision::<()>::Refuse(nothing_left())
        };
        store.report(&token(&format!("t{n}")), &named, NOW, LEASE, said).unwrap();
        // By its address, and what it was called by that, it is found all the same.
        assert_eq!(store.host(&name(n), NOW).unwrap().unwrap().name, called);
    }
}

#[test]
fn the_last_log_is_kept() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    for text in ["first", "second"] {
        assert_eq!(store.keep_log(&token("t"), text, NOW).unwrap(), Recorded::Done);
    }
    assert_eq!(store.log(&name(1)).unwrap(), Some(Log { at: NOW, text: "second".to_owned() }));
}
