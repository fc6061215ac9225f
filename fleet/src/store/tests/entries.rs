//! Whose an entry of the database is, and for how long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;

use super::*;

#[test]
fn the_same_machine_gets_its_own_entry_again() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Writing, Some("disk broke"), NOW), Recorded::Done);
    store.permit(&name(2), false, NOW).unwrap();
    boot(&store, 2, "u", NOW);
    assert_eq!(report(&store, "u", 9, NOW), given("b"));
    boot(&store, 1, "t", NOW);
    assert_eq!(report(&store, "t", 9, NOW), given("a"));
}

#[test]
fn what_is_another_machines_cannot_be_taken() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    store.permit(&name(2), false, NOW).unwrap();
    boot(&store, 2, "u", NOW);
    let greedy = |_: &str, _: &Taken| Decision::Assign {
        profile: "web".to_owned(),
        entry: Some("a".to_owned()),
        passed: Vec::new(),
        plan: (),
    };
    assert!(store.report(&token("u"), &reported(), NOW, LEASE, greedy).is_err());
    assert_eq!(report(&store, "u", 9, NOW), given("b"));
}

#[test]
fn a_release_frees_entry_and_place_but_not_under_an_install() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(store.release(&name(1), NOW).unwrap(), Released::Busy);
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(store.release(&name(1), NOW).unwrap(), Released::Done);
    assert_eq!(store.release("nobody", NOW).unwrap(), Released::Unknown);
    assert_eq!(planned(&store, 2, "u", NOW), given("a"));
}

#[test]
fn what_a_machine_has_is_not_released_while_it_is_installed_again_with_it() {
    let (_folder, store) = opened();
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(told(&store, "t", Stage::Installed, None, NOW), Recorded::Done);
    assert_eq!(planned(&store, 1, "t", NOW), given("a"));
    assert_eq!(store.release(&name(1), NOW).unwrap(), Released::Busy);
    let later = NOW.plus(LEASE - 1);
    assert_eq!(told(&store, "t", Stage::Writing, None, later), Recorded::Done);
    assert_eq!(store.release(&name(1), later.plus(LEASE - 1)).unwrap(), Released::Busy);
    assert_eq!(store.release(&name(1), later.plus(LEASE)).unwrap(), Released::Done);
}

#[test]
fn of_many_at_once_no_two_get_the_same() {
    let (folder, store) = opened();
    let other = Store::open(&folder.path().join("data")).unwrap();
    let count = 40;
    for n in 0..count {
        store.permit(&name(n), false, NOW).unwrap();
        boot(&store, n, &format!("t{n}"), NOW);
    }
    let all_at_once = Barrier::new(count as usize);
    let machine = |n: u32| {
        all_at_once.wait();
        let store = if n < count / 2 { &store } else { &other };
        let next = |_: &str, taken: &Taken| {
            let entry = taken.entries.get("web").map_or(0, BTreeMap::len).to_string();
            Decision::Assign {
                profile: "web".to_owned(),
                entry: Some(entry.clone()),
                passed: Vec::new(),
                plan: entry,
            }
        };
        store.report(&token(&format!("t{n}")), &reported(), NOW, LEASE, next).unwrap()
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..count)
            .map(|n| {
                scope.spawn({
                    let machine = &machine;
                    move || machine(n)
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let entries: BTreeSet<_> = answers.into_iter().map(|answer| format!("{answer:?}")).collect();
    assert_eq!(entries.len(), count as usize);
}
