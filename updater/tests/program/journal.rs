//! What an upgrade leaves in the journal.

use serde_json::{Value, json};

use crate::lab::{Lab, rule, tree};

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| &**name).collect()
}

#[test]
fn hooks_that_ran_are_on_record_with_their_outcome() {
    let mut lab = Lab::installed();
    let hooks = json!({
        "check": "#!/bin/sh\necho looks fine\n", "pre": "#!/bin/sh\n:\n",
        "post": "#!/bin/sh\necho one; echo two; exit 100\n",
    });
    lab.publish("3", 3, &tree("3"), &rule("3", &hooks), |_| ());
    assert_eq!(lab.run(&["upgrade", "3"]).code, 100);
    let events = lab.journal();
    assert_eq!(names(&events), ["installed", "hook", "started", "hook", "hook", "armed"]);
    assert_eq!(events[1].1, json!({ "hook": "check", "end": "exit code 0", "output": "looks fine\n" }));
    assert_eq!(events[3].1, json!({ "hook": "pre", "end": "exit code 0", "output": "" }));
    assert_eq!(events[4].1, json!({ "hook": "post", "end": "exit code 100", "output": "one\ntwo\n" }));
    let text = lab.run(&["status"]).done().out;
    assert!(text.contains("hook post: exit code 100 (two)\n"), "{text}");
}

#[test]
fn an_upgrade_that_never_began_is_on_record_with_its_reason() {
    let mut lab = Lab::installed();
    lab.publish(
        "3",
        3,
        &tree("3"),
        &json!({ "format": 1, "role": "web", "version": "3", "rules": [] }),
        |_| (),
    );
    for (version, reason) in [
        ("7", "there is no version 7 of role web; `edeploy-ab list` shows those there are"),
        ("3", "no transition leads from 1 to 3"),
    ] {
        let ran = lab.run(&["upgrade", version]);
        assert_eq!(ran.failed(), (4, reason));
        let events = lab.journal();
        let (name, fields) = events.last().unwrap();
        assert_eq!(name, "failed");
        assert_eq!((&fields["version"], &fields["reason"]), (&json!(version), &json!(reason)));
        assert_eq!(fields.get("to").is_some(), version == "3");
    }
    let moved = lab.path("moved");
    std::fs::rename(lab.site_folder(), &moved).unwrap();
    assert_eq!(lab.run(&["upgrade", "2"]).code, 6);
    let events = lab.journal();
    assert_eq!(names(&events), ["installed", "failed", "failed", "failed"]);
    assert!(events[3].1["reason"].as_str().unwrap().contains("timestamp.json: not there"), "{events:?}");
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let lab = Lab::installed();
    let before = lab.fingerprint();
    assert_eq!(lab.run(&["test-upgrade", "7"]).code, 4);
    lab.run(&["test-upgrade", "2"]).done();
    assert_eq!(lab.fingerprint(), before);
}
