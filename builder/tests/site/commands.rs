//! The program itself, run in a fresh folder.

use std::process::{Command, Output};

use edeploy_format::exit::Exit;
use edeploy_format::name::Object;
use serde_json::Value;

use crate::delta::noise;
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
    let channel = json(&place, "channel web stable 1.0");
    assert_eq!((&channel["version"], &channel["before"]), (&"1.0".into(), &Value::Null));
    let list = json(&place, "list web");
    assert_eq!(list["roles"][0]["channels"]["stable"], "1.0");
    let said = String::from_utf8(run(&place, "channel web stable --remove").stdout).unwrap();
    assert_eq!(said, "web has no channel stable any more; it named 1.0\n");
    assert_eq!(run(&place, "channel web stable").status.code(), Some(Exit::Usage as i32));
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

#[test]
fn a_version_is_published_with_deltas_from_those_before_it() {
    let place = Place::bare();
    run(&place, "init");
    let (one, two) = (noise(1, 20_000), noise(2, 300));
    for (n, role_version) in ["1.0", "2.0", "3.0"].into_iter().enumerate() {
        place.build(role_version, n as u64 + 1, &[("zz", &[&one[..], &two[..100 * n]].concat())]);
    }
    assert_eq!(json(&place, "publish web 1.0 --deltas 2")["deltas"], Value::Array(Vec::new()));
    assert_eq!(json(&place, "publish web 2.0")["deltas"], Value::Array(Vec::new()));
    let published = json(&place, "publish web 3.0 --deltas 2 --fast");
    let from = |answer: &Value| {
        let deltas = answer["deltas"].as_array().unwrap();
        deltas.iter().map(|delta| delta["from"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (&published["change"], from(&published)),
        (&"version".into(), vec!["2.0".into(), "1.0".into()])
    );
    assert!(published["deltas"].as_array().unwrap().iter().all(|delta| delta["published"] == true));
    let again = json(&place, "publish web 3.0 --deltas 2");
    assert_eq!(
        (&again["change"], from(&again)),
        (&"nothing".into(), vec![]),
        "what is there is not made again"
    );
    assert_eq!(json(&place, "fsck")["findings"], Value::Array(Vec::new()));
    assert_eq!(run(&place, "publish web 3.0 --fast").status.code(), Some(2));
}

#[test]
fn deltas_from_the_last_versions_are_made_and_explained_the_dearest_first() {
    let place = Place::bare();
    run(&place, "init");
    let (old, new) = (noise(1, 20_000), noise(2, 9_000));
    let files = |n: usize| [("yy", new[..3_000 * n].to_vec()), ("zz", [&old[..], &new[..100 * n]].concat())];
    for (n, version) in ["1.0", "2.0", "3.0"].into_iter().enumerate() {
        let files = files(n + 1);
        let files: Vec<(&str, &[u8])> = files.iter().map(|(path, bytes)| (*path, &bytes[..])).collect();
        place.build(version, n as u64 + 1, &files);
        json(&place, &format!("publish web {version}"));
    }
    let made = json(&place, "delta web 3.0 --auto 2 --explain");
    let deltas = made["deltas"].as_array().unwrap();
    let from: Vec<_> = deltas.iter().map(|delta| delta["from"].as_str().unwrap()).collect();
    assert_eq!(from, ["1.0", "2.0"], "the nearest last");
    for delta in deltas {
        let costs = delta["costs"].as_array().unwrap();
        let bytes: Vec<_> = costs.iter().map(|cost| cost["bytes"].as_u64().unwrap()).collect();
        assert!(bytes.is_sorted_by(|a, b| a >= b), "{costs:?}");
        let of = |path: &str| costs.iter().find(|cost| cost["path"] == path).unwrap();
        assert_eq!((&of("yy")["base"], &of("zz")["base"]), (&"yy".into(), &"zz".into()));
        assert!(of("zz")["bytes"].as_u64() < of("zz")["size"].as_u64(), "{costs:?}");
    }
    let told = String::from_utf8(run(&place, "delta web 2.0 3.0 --explain").stdout).unwrap();
    assert!(told.contains("  yy  (from yy)\n") && told.contains(" in all, each by itself: "), "{told}");
    assert_eq!(json(&place, "delta web 2.0 3.0")["deltas"][0]["costs"], Value::Array(Vec::new()));
}

#[test]
fn a_delta_that_fails_leaves_its_version_published_the_others_made_and_its_exit_code() {
    let place = Place::bare();
    run(&place, "init");
    let content = noise(1, 20_000);
    place.build("0.9", 1, &[("zz", &content)]);
    place.build("1.0", 2, &[("zz", &content)]);
    place.build("2.0", 3, &[("zz", &[&content[..], b"more"].concat())]);
    json(&place, "publish web 0.9");
    json(&place, "publish web 1.0");
    let manifest = place.object("1.0", Object::Manifest).0.file("web@1.0@manifest");
    let manifest = place.repo().join("targets").join(manifest);
    let sound = std::fs::read(&manifest).unwrap();
    std::fs::write(&manifest, "damaged").unwrap();
    let output = run(&place, "publish web 2.0 --deltas 2");
    assert_eq!(output.status.code(), Some(Exit::Differs as i32));
    let [answer, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(answer.starts_with("web 2.0 is published: serial 3, "), "{answer}");
    assert!(
        answer.contains("\nweb 0.9 -> 2.0: ") && answer.ends_with(" `rolebuild fsck` says more\n"),
        "{answer}"
    );
    let expected = "rolebuild: web 2.0 is published, but the delta from 1.0 is not: \
                    web@1.0@manifest is damaged; `rolebuild fsck` says more";
    assert_eq!(said.lines().last(), Some(expected));
    assert_eq!(json(&place, "list web")["roles"][0]["versions"][2]["version"], "2.0");
    std::fs::write(&manifest, sound).unwrap();
    let again = json(&place, "publish web 2.0 --deltas 2");
    let [delta] = &again["deltas"].as_array().unwrap()[..] else { panic!("{again}") };
    assert_eq!((&delta["from"], &again["missed"]), (&"1.0".into(), &Value::Array(Vec::new())));
}

#[test]
fn where_nobody_listens_any_more_the_work_is_done_all_the_same() {
    let place = Place::bare();
    let gone = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let ends = |line: &str, stdout: std::process::Stdio, stderr: std::process::Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rolebuild"));
        command.args(line.split(' ')).current_dir(place.path()).stdout(stdout).stderr(stderr);
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(ends("init", gone().into(), gone().into()).0, Some(0));
    place.build("1.0", 1, &[]);
    assert_eq!(ends("publish web 1.0", gone().into(), gone().into()).0, Some(0));
    assert_eq!(json(&place, "list web")["roles"][0]["versions"][0]["version"], "1.0");
    let (code, said) = ends("list web", full().into(), std::process::Stdio::piped());
    let expected = "what was asked for is done, but: writing the answer to standard output: ";
    assert!(code == Some(0) && said.starts_with(expected), "{said}");
}
