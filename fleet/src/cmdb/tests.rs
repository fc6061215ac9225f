//! Which entry a machine gets.

use std::collections::BTreeSet;

use super::*;

const THREE: &str =
    "generate({'host': 'web1-3', 'gw': '10.0.0.1', 'net': {'ip': '10.0.0.11-13'}, 'mtu': 1500})";

fn read(text: &str) -> Cmdb {
    Cmdb::read(text.as_bytes(), &[]).unwrap()
}

fn values(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A match with these variables, and with picks of the same values.
fn matched(variables: &[(&str, &str)], picks: &[(&str, &str)]) -> Matched {
    let picks = values(picks);
    let variables = values(variables).into_iter().chain(picks.clone()).collect();
    Matched { lines: Vec::new(), variables, picks }
}

fn held(entries: &[(&Entry, bool)]) -> Held {
    entries.iter().map(|(entry, own)| (entry.key.clone(), *own)).collect()
}

#[test]
fn entries_are_flat_texts() {
    let cmdb = read(THREE);
    let first = values(&[("host", "web1"), ("gw", "10.0.0.1"), ("net.ip", "10.0.0.11"), ("mtu", "1500")]);
    assert_eq!((cmdb.entries().len(), &cmdb.entries()[0].values), (3, &first));
    let odd = read("[{'a': None, 'b': [True, 1.0], 'c': {}}]");
    assert_eq!(odd.entries()[0].values, values(&[("a", "None"), ("b.0", "True"), ("b.1", "1.0")]));
    let twice = Cmdb::read(b"[{'a': 1}, {'a.b': 1, 'a': {'b': 2}}]", &[]).unwrap_err();
    assert_eq!(twice.to_string(), "entry 2: two values are called a.b");
}

#[test]
fn the_first_free_entry_is_given_and_the_same_machine_gets_its_own_back() {
    let cmdb = read(THREE);
    let [one, two, three] = cmdb.entries() else { panic!("not three") };
    let machine = matched(&[("disk", "sda")], &[]);
    assert_eq!(cmdb.allocate(&Held::new(), &machine), Ok(one));
    assert_eq!(cmdb.allocate(&held(&[(one, false)]), &machine), Ok(two));
    assert_eq!(
        cmdb.allocate(&held(&[(one, false), (three, true)]), &matched(&[("disk", "sdb")], &[])),
        Ok(three)
    );
    let all = held(&[(one, false), (two, false), (three, false)]);
    assert_eq!(cmdb.allocate(&all, &machine), Err(Refused::Exhausted { entries: 3 }));
    let empty = read("[]").allocate(&Held::new(), &machine).map(|_| ()).unwrap_err();
    assert_eq!(empty.to_string(), "no entry of its database is free: all 0 are taken");
}

#[test]
fn a_pick_selects_an_entry_that_has_its_value() {
    let cmdb = read("[{'tag':'A','n':1},{'tag':'B','n':2},{'tag':'B','n':3}]");
    let [_, two, three] = cmdb.entries() else { panic!("not three") };
    let b = matched(&[("disk", "sda")], &[("tag", "B")]);
    assert_eq!(cmdb.allocate(&Held::new(), &b), Ok(two));
    assert_eq!(cmdb.allocate(&held(&[(two, false)]), &b), Ok(three));
    let taken = cmdb.allocate(&held(&[(two, false), (three, false)]), &b).unwrap_err();
    assert_eq!(taken.to_string(), "every entry of its database with tag=B is taken by another machine");
    let none = cmdb.allocate(&Held::new(), &matched(&[], &[("tag", "C"), ("row", "1")])).unwrap_err();
    assert_eq!(none.to_string(), "no entry of its database has row=1, tag=C");
    // What picked it has changed since: it is the machine's all the same.
    assert_eq!(cmdb.allocate(&held(&[(three, true)]), &matched(&[], &[("tag", "C")])), Ok(three));
}

#[test]
fn adding_removing_and_moving_entries_moves_no_allocation() {
    let keys = |text: &str| read(text).entries().iter().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    let before = keys("[{'a': 1, 'b': 2}, {'a': 1, 'b': 2}, {'a': 3}]");
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);
    let after = keys("[{'a': 9}, {'a': 3}, {'b': '2', 'a': '1'}, {'a': 1, 'b': 2, 'used': 1}]");
    assert_eq!(after[1..], [before[2].clone(), before[0].clone(), before[1].clone()]);
    assert_eq!(before[2], "556b76b301994901c6204ff4efbe30b56e79275db2faa24dd87cadd31a57ca57");
}

#[test]
fn while_a_held_entry_is_gone_no_other_is_given_but_a_machine_gets_its_own() {
    let cmdb = read(THREE);
    let changed = read(&THREE.replace("'10.0.0.1'", "'10.0.0.254'"));
    let held = held(&[(&cmdb.entries()[0], false)]);
    let lost = changed.allocate(&held, &matched(&[], &[])).unwrap_err();
    assert_eq!(
        lost.to_string(),
        "machines hold 1 entries that are no longer in its database: which are free is not known; \
         restore them, or release those machines"
    );
    let mut with_own = held.clone();
    with_own.insert(changed.entries()[2].key.clone(), true);
    assert_eq!(changed.allocate(&with_own, &matched(&[], &[])), Ok(&changed.entries()[2]));
}

#[test]
fn entries_that_are_known_by_a_name_may_change_in_all_others() {
    let by_host = |text: &str| Cmdb::read(text.as_bytes(), &["host".to_owned()]);
    let before = by_host(THREE).unwrap();
    let after = by_host(&THREE.replace("'10.0.0.1'", "'10.0.0.254'")).unwrap();
    let one = held(&[(&before.entries()[0], false)]);
    assert_eq!(after.allocate(&one, &matched(&[], &[])).unwrap().values["gw"], "10.0.0.254");
    assert_eq!(after.allocate(&one, &matched(&[], &[])), Ok(&after.entries()[1]));
    assert_eq!(
        by_host("[{'host': 'a'}, {'host': 'b'}, {'host': 'a', 'n': 1}]").unwrap_err().to_string(),
        "entries 1 and 3 have the same host, which entries are known by (cmdb-key)"
    );
    assert_eq!(
        by_host("[{'ip': 'a'}]").unwrap_err().to_string(),
        "entry 1: no host, which entries are known by (cmdb-key)"
    );
}

#[test]
fn what_edeploy_gave_out_is_only_for_the_machine_that_has_its_values() {
    let cmdb =
        read("[{'ip': '1', 'mac': 'aa', 'used': 0}, {'ip': '2', 'mac': 'bb', 'used': 1}, {'ip': '3'}]");
    let [_, two, three] = cmdb.entries() else { panic!("not three") };
    assert_eq!(cmdb.allocate(&Held::new(), &matched(&[("mac", "bb")], &[])), Ok(two));
    assert_eq!(cmdb.allocate(&Held::new(), &matched(&[("mac", "cc")], &[])), Ok(three));
    assert_eq!(cmdb.allocate(&Held::new(), &matched(&[], &[])), Ok(three));
    assert_eq!(cmdb.allocate(&Held::new(), &matched(&[], &[("mac", "bb")])), Ok(two));
}

#[test]
fn detected_values_win_over_those_of_the_entry_and_hold_no_line_break() {
    let cmdb = read("[{'ip': '10.0.0.1', 'disk': 'sdz'}]");
    let entry = Some(&cmdb.entries()[0]);
    let all = merged(entry, &matched(&[("disk", "sda")], &[])).unwrap();
    assert_eq!(all, values(&[("ip", "10.0.0.1"), ("disk", "sda")]));
    assert_eq!(merged(None, &matched(&[("a", "b")], &[])), Ok(values(&[("a", "b")])));
    let odd = merged(entry, &matched(&[("serial", "x\nPermitRootLogin yes")], &[])).unwrap_err();
    assert_eq!(odd.to_string(), "the machine's value of $serial holds a control character");
}
