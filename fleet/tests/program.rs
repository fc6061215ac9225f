//! The program `edeploy-fleet`, run as an operator runs it, on files in a fresh folder.
#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

const MACHINE: &str = "[('disk', 'sda', 'size', '500'), ('network', 'eth0', 'ipv4', '10.0.0.7')]";

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn run(folder: &TempDir, words: &str) -> (i32, String, String) {
    let program = env!("CARGO_BIN_EXE_edeploy-fleet");
    let Output { status, stdout, stderr } =
        Command::new(program).args(words.split(' ')).current_dir(folder.path()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn profiles_are_tried_in_order_and_a_bad_one_does_not_stop_the_next() {
    let folder = folder(&[
        ("hw", MACHINE),
        ("bad.specs", "[('network', '$eth', 'ipv4', 'network(ten/8)')]"),
        ("big.specs", "[('disk', '$disk', 'size', 'gt(1000)')]"),
        (
            "web.specs",
            "[('disk', '$disk', 'size', 'gt(100)'), ('network', '$$eth', 'ipv4', 'network(10.0.0.0/8)')]",
        ),
    ]);
    let (code, out, error) = run(&folder, "match hw bad.specs big.specs web.specs");
    assert_eq!((code, &*error), (0, ""));
    assert_eq!(
        out,
        "bad.specs: not judged: bad.specs: line 1: network(ten/8): ten/8 is no network such as 10.0.0.0/8\n\
         big.specs: does not match\n    1  disk $disk size gt(1000)\n       \
            FAILED: no line of the machine fits it\n       - disk sda size 500: 500 is not gt(1000)\n\
         web.specs: matches\n    1  disk $disk size gt(100)\n       = disk sda size 500\n    \
            2  network $$eth ipv4 network(10.0.0.0/8)\n       = network eth0 ipv4 10.0.0.7\n       \
            $disk = sda\n       $$eth = eth0\n"
    );
    let (code, out, _) = run(&folder, "match hw web.specs --json");
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["matched"]), (0, &true.into()));
    let profile = &answer["profiles"][0];
    assert_eq!(profile["variables"], serde_json::json!({"disk": "sda", "eth": "eth0"}));
    assert_eq!(profile["cmdb_variables"], serde_json::json!({"eth": "eth0"}));
}

#[test]
fn the_exit_code_tells_no_match_from_what_cannot_be_read() {
    let folder =
        folder(&[("hw", MACHINE), ("big.specs", "[('disk','$d','size','gt(1000)')]"), ("bad", "[(")]);
    assert_eq!(run(&folder, "match hw big.specs").0, 9);
    let (code, out, error) = run(&folder, "match hw bad");
    assert_eq!((code, &*out), (11, ""));
    assert_eq!(error, "edeploy-fleet: bad: no spec lines: line 1, column 3: a value is missing\n");
    assert_eq!(run(&folder, "match bad big.specs").0, 11);
    assert_eq!(run(&folder, "match hw missing").0, 4);
    assert_eq!(run(&folder, "match hw").0, 2);
}

#[test]
fn where_none_matches_and_one_was_not_judged_it_is_not_told_that_none_does() {
    let folder =
        folder(&[("hw", MACHINE), ("big.specs", "[('disk','$d','size','gt(1000)')]"), ("bad", "[(")]);
    let reason = "bad: not judged: bad: no spec lines: line 1, column 3: a value is missing";
    let (code, out, error) = run(&folder, "match hw bad big.specs");
    assert_eq!((code, error), (1, format!("edeploy-fleet: {reason}\n")));
    assert!(out.starts_with(&format!("{reason}\nbig.specs: does not match\n")), "{out}");
    let answer: serde_json::Value =
        serde_json::from_str(&run(&folder, "match hw bad big.specs --json").1).unwrap();
    let matched = [&answer["matched"], &answer["profiles"][0]["matched"], &answer["profiles"][1]["matched"]];
    assert_eq!(matched, [&serde_json::Value::Null, &serde_json::Value::Null, &false.into()]);
}

#[test]
fn a_model_is_shown_as_the_entries_it_gives() {
    let folder =
        folder(&[("web.cmdb", "generate({'host': 'web1-2', 'ip': '10.0.0.1-9'})"), ("bad", "{'a': os}")]);
    let (code, out, _) = run(&folder, "generate web.cmdb --json");
    assert_eq!(
        (code, &*out),
        (0, "[{\"host\":\"web1\",\"ip\":\"10.0.0.1\"},{\"host\":\"web2\",\"ip\":\"10.0.0.2\"}]\n")
    );
    let (code, _, error) = run(&folder, "generate bad");
    assert_eq!(code, 11);
    assert_eq!(
        error,
        "edeploy-fleet: bad: no configuration database: line 1, column 7: `os` is neither a value nor known\n"
    );
}
