//! Which profile a machine gets.

use std::fs;

use super::*;

const MACHINE: &[u8] = b"[('disk','sda','size','500'),('network','eth0','serial','52:54:00:12:34:56')]";

fn toml(spec: &str) -> String {
    format!("role = 'web'\nversion = '1'\nspec = [{spec}]\n")
}

fn profiles(state: &str, files: &[(&str, &str)]) -> Profiles {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("state"), state).unwrap();
    for (name, text) in files {
        let text = if name.ends_with(".toml") { toml(text) } else { (*text).to_owned() };
        fs::write(folder.path().join(name), text).unwrap();
    }
    Profiles::load(folder.path())
}

fn told(profiles: &Profiles, taken: &Taken) -> String {
    judge(profiles, &Hardware::read(MACHINE).unwrap(), taken).to_string()
}

const DISK: &str = "['disk', '$disk', 'size', 'gt(100)']";

#[test]
fn the_first_that_matches_is_given_and_later_ones_that_match_are_named() {
    let files = [("big.toml", "['disk', '$d', 'size', 'gt(1000)']"), ("web.toml", DISK), ("db.toml", DISK)];
    let profiles = profiles("[('big', 1), ('bad', '*'), ('web', 1), ('db', '*')]", &files);
    assert_eq!(
        told(&profiles, &Taken::default()),
        "big: does not match: line 1: disk $d size gt(1000): no line of the machine fits it\n  \
           - disk sda size 500: 500 is not gt(1000)\n\
         bad: not judged: there is neither bad.toml nor bad.specs\n\
         web: matches, and is given\n\
         db: matches as well; another one is given\n"
    );
    let hardware = Hardware::read(MACHINE).unwrap();
    let verdict = judge(&profiles, &hardware, &Taken::default());
    let given = verdict.given.as_ref().unwrap();
    assert_eq!((&*given.profile.name, given.entry, &*given.variables["disk"]), ("web", None, "sda"));
    assert_eq!(verdict.json()["tried"][3]["outcome"], "also-matches");
}

#[test]
fn a_machine_that_was_installed_stays_what_it_became_while_it_matches_that() {
    let files = [("big.toml", "['disk', '$d', 'size', 'gt(1000)']"), ("web.toml", DISK), ("db.toml", DISK)];
    let profiles = profiles("[('web', 1), ('big', '*'), ('db', '*')]", &files);
    let own = |name: &str| Taken { own: Some(name.to_owned()), ..Taken::default() };
    assert_eq!(
        told(&profiles, &own("db")),
        "web: matches as well; another one is given\n\
         big: does not match: line 1: disk $d size gt(1000): no line of the machine fits it\n  \
           - disk sda size 500: 500 is not gt(1000)\n\
         db: matches, and is given\n"
    );
    for other in ["big", "gone", "web"] {
        assert!(told(&profiles, &own(other)).starts_with("web: matches, and is given\n"), "{other}");
    }
}

#[test]
fn a_profile_that_was_renamed_gives_no_entry_twice_and_a_machine_its_own_again() {
    let cmdb = "[{'ip': '10.0.0.1'}, {'ip': '10.0.0.2'}, {'ip': '10.0.0.3'}]";
    let named = |name: &str| {
        let files = [(format!("{name}.toml"), DISK), (format!("{name}.cmdb"), cmdb)];
        profiles(&format!("[('{name}', '*')]"), &files.each_ref().map(|(name, text)| (&**name, *text)))
    };
    let ip = |profiles: &Profiles, entries: &[(&str, bool)]| {
        let keys = profiles.listed[0].profile.as_ref().unwrap().cmdb.as_ref().unwrap().entries();
        let held = |(ip, own): &(&str, bool)| {
            (keys.iter().find(|entry| entry.values["ip"] == **ip).unwrap().key.clone(), *own)
        };
        let taken = Taken {
            entries: [("web".to_owned(), entries.iter().map(held).collect())].into(),
            ..Taken::default()
        };
        let listed = &profiles.listed[0];
        let cmdb = listed.profile.as_ref().unwrap().cmdb.as_ref().unwrap();
        let held = taken.held(&listed.name, cmdb, &taken.gone(profiles));
        assert_eq!(held.len(), entries.len(), "what operators are told");
        let verdict = judge(profiles, &Hardware::read(MACHINE).unwrap(), &taken);
        verdict.given.unwrap().variables["ip"].clone()
    };
    for name in ["web", "www"] {
        let profiles = named(name);
        assert_eq!(ip(&profiles, &[("10.0.0.1", false)]), "10.0.0.2", "{name}");
        assert_eq!(ip(&profiles, &[("10.0.0.1", false), ("10.0.0.3", true)]), "10.0.0.3", "{name}");
    }
}

#[test]
fn a_profile_that_is_used_up_is_passed_over() {
    let profiles = profiles(
        "[('web', 2), ('no', 0), ('db', '*')]",
        &[("web.toml", DISK), ("no.toml", DISK), ("db.toml", DISK)],
    );
    let others = |count| Taken { places: [("web".to_owned(), count)].into(), ..Taken::default() };
    let name = |taken: &Taken| {
        judge(&profiles, &Hardware::read(MACHINE).unwrap(), taken).given.unwrap().profile.name.clone()
    };
    assert_eq!(name(&others(1)), "web");
    assert_eq!(name(&others(2)), "db");
    assert_eq!(
        told(&profiles, &others(5)),
        "web: matches, but as many machines have it as may\nno: matches, but as many machines have it as may\n\
         db: matches, and is given\n"
    );
}

#[test]
fn a_database_without_an_entry_for_the_machine_leads_to_the_next_profile() {
    let profiles = profiles(
        "[('empty', '*'), ('pick', 1), ('full', 1), ('last', 1)]",
        &[
            ("empty.toml", DISK),
            ("empty.cmdb", "[]"),
            ("pick.toml", "['network', '$eth', 'serial', '$$mac']"),
            ("pick.cmdb", "[{'mac': '00:00:00:00:00:01'}]"),
            ("full.toml", DISK),
            ("full.cmdb", "[{'ip': '1'}]"),
            ("last.toml", DISK),
            ("last.cmdb", "generate({'ip': '10.0.0.1-2', 'disk': 'sdz'})"),
        ],
    );
    let key = profiles.listed[2].profile.as_ref().unwrap().cmdb.as_ref().unwrap().entries()[0].key.clone();
    let taken = Taken { entries: [("full".to_owned(), [(key, false)].into())].into(), ..Taken::default() };
    assert_eq!(
        told(&profiles, &taken),
        "empty: matches, but no entry of its database is free: all 0 are taken\n\
         pick: matches, but no entry of its database has mac=52:54:00:12:34:56\n\
         full: matches, but no entry of its database is free: all 1 are taken\n\
         last: matches, and is given\n"
    );
    let hardware = Hardware::read(MACHINE).unwrap();
    let given = judge(&profiles, &hardware, &taken).given.unwrap();
    let variables = [("disk", "sda"), ("ip", "10.0.0.1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(given.variables, variables.into());
}

#[test]
fn a_value_that_could_break_a_line_is_used_for_nothing() {
    let profiles = profiles("[('web', 1)]", &[("web.toml", "['disk', 'sda', 'model', '$model']")]);
    let hardware = Hardware::read(br#"[["disk","sda","model","x\ny"]]"#).unwrap();
    let verdict = judge(&profiles, &hardware, &Taken::default());
    assert!(verdict.given.is_none());
    assert_eq!(
        verdict.to_string(),
        "web: matches, but the machine's value of $model holds a control character\n"
    );
}

#[test]
fn where_nothing_is_listed_nothing_is_given() {
    let verdict_of = Profiles::default();
    let verdict = judge(&verdict_of, &Hardware::read(MACHINE).unwrap(), &Taken::default());
    assert!(verdict.given.is_none() && verdict.tried.is_empty());
    assert_eq!(verdict.json()["profile"], Value::Null);
}
