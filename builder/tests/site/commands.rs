//! The program itself, run in a fresh folder.

use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::*;

fn run(place: &Place, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
    command.args(line.split(' ')).current_dir(place.path()).output().unwrap()
}

fn json(place: &Place, line: &str) -> Value {
    let output = run(place, &format!("{line} --json"));
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_site_from_nothing_to_a_published_version() {
    let place = Place::bare();
    assert_eq!(json(&place, "init")["root"], "repo/metadata/1.root.json");
    place.build("1.0", 1, &[]);
    let published = json(&place, "publish web 1.0");
    assert_eq!((&published["serial"], &published["change"]), (&1.into(), &"version".into()));
    assert_eq!(published["new_key"], "keys/role-web.pem");
    assert_eq!(json(&place, "publish web 1.0")["change"], "nothing");
    assert_eq!(json(&place, "refresh")["metadata"][0]["version"], 3);
    assert_eq!(json(&place, "root rotate --replace timestamp")["version"], 2);
    let list = json(&place, "list web");
    assert_eq!(list["roles"][0]["versions"][0]["version"], "1.0");
    assert_eq!(list["metadata"][0]["file"], "timestamp.json");
    let keys = json(&place, "keygen role-db --keys other");
    assert_eq!(keys["keys"][0]["file"], "other/role-db.pem");
}

#[test]
fn a_failure_says_what_it_is_about_and_has_its_exit_code() {
    let place = Place::bare();
    let check = |line: &str, code: i32, expected: &str| {
        let output = run(&place, line);
        assert_eq!(output.status.code(), Some(code), "{line}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said.lines().last(), Some(expected), "{line}");
        assert!(output.stdout.is_empty());
    };
    let none = "rolebuild: there is no repository at repo; make one with `rolebuild init --repo repo`";
    check("list", 4, none);
    check("refresh", 4, none);
    let threshold = "rolebuild: a threshold of 2 needs at least as many root keys; --root-keys says 1";
    check("init --root-threshold 2", 2, threshold);
    run(&place, "init");
    check("init", 3, "rolebuild: there is a repository at repo already");
    check("list db", 4, "rolebuild: no role db is published here");
    let no_build = "rolebuild: there is no build of web 1.0: builds/web@1.0 has no manifest";
    check("publish web 1.0", 4, no_build);
    let unknown =
        "rolebuild: \"web\" has no key to replace: say root, targets, snapshot, timestamp or role-<name>";
    check("root rotate --replace web", 2, unknown);
    check("keygen root", 3, "rolebuild: keys/root.pem is there already; keys are never overwritten");
}
