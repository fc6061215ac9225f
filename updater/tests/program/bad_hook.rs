//! Hooks that fail, hang, or cannot be run: the upgrade ends, and the running slot stays what boots.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::documented::documented;
use crate::lab::{Lab, rule, tree};

/// Publishes version 3 with these hooks and tries to take it.
fn refused(hooks: &Value, message: &str) {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", hooks), |_| ());
    documented(&lab.run(&["upgrade", "3"]), 8, message);
    let status = lab.run(&["status", "--json"]).done().json();
    assert_eq!(status["next"], "edeploy-a-g1.conf");
    let events = lab.journal();
    assert_eq!(events[events.len() - 1].0, "failed");
    assert_eq!(events[events.len() - 2].0, "hook");
    assert!(lab.run(&["upgrade", "2"]).code == 0, "another version can be taken");
}

#[test]
fn a_hook_that_fails_ends_the_upgrade() {
    let hook = "#!/bin/sh\necho no disk left\nexit 3\n";
    refused(&json!({ "pre": hook }), "hook `…` failed: exit code … (…)");
}

#[test]
fn a_hook_that_hangs_ends_the_upgrade() {
    for hook in ["check", "pre", "post"] {
        let hooks = json!({ hook: "#!/bin/sh\nsleep 600\n", "hook_seconds": 1 });
        refused(&hooks, "hook `…` failed: no end within its time limit");
    }
}

#[test]
fn a_hook_whose_interpreter_is_missing_ends_the_upgrade() {
    let hooks = json!({ "check": "#!/usr/bin/pithon\n" });
    refused(&hooks, "running hook `…`, which begins …: No such file or directory (os error 2)");
}

#[test]
fn a_hook_that_is_no_program_is_refused() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({ "pre": "echo hello\n" })), |_| ());
    documented(&lab.run(&["upgrade", "3"]), 8, "hook `…` does not begin with #!");
}

#[test]
fn a_reboot_that_pre_or_check_ask_for_ends_the_upgrade() {
    let hook = "#!/bin/sh\nexit 100\n";
    refused(&json!({ "pre": hook }), "hook `…` asked for a reboot with exit code 100: only `post` may");
    refused(&json!({ "check": hook }), "hook `…` asked for a reboot with exit code 100: only `post` may");
}

/// Waits until something is so.
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "in a minute it was never so that {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_hook_during_which_the_updater_is_killed_ends_with_it_and_runs_again() {
    for hook in ["pre", "post"] {
        let mut lab = Lab::installed();
        let ran = lab.path("ran");
        // Once it has told of itself it stays, the first time.
        let text = format!(
            "#!/bin/sh\n[ -e {ran} ] && again=yes\necho $$ >>{ran}\n[ $again ] || exec sleep 600\n",
            ran = ran.display()
        );
        lab.publish("3", 3, &tree("3"), &rule("3", &json!({ hook: text })), |_| ());
        let mut updater = lab.command(&["upgrade", "3"]).spawn().unwrap();
        let told = || fs::read_to_string(&ran).unwrap_or_default();
        wait_until("the hook ran", || !told().is_empty());
        updater.kill().unwrap();
        updater.wait().unwrap();
        wait_until("the hook ended with the updater", || !Path::new("/proc").join(told().trim()).exists());
        assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf", "{hook}");
        lab.run(&["upgrade", "3"]).done();
        assert_eq!(told().lines().count(), 2, "{hook}");
        assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-b-g2+3.conf", "{hook}");
        lab.run_as("b", &["verify"]).done();
    }
}

#[test]
fn what_a_hook_leaves_running_or_mounted_ends_with_it() {
    let mut lab = Lab::installed();
    let (fifo, told) = (lab.path("fifo"), lab.path("told"));
    let hook = format!(
        "#!/bin/sh\nset -e\nmkfifo {fifo}\nmount -t tmpfs none $EDEPLOY_ROOT/etc\n\
         setsid sh -c 'exec 3<$EDEPLOY_ROOT/usr/bin/edeploy-ab; echo $$ >{fifo}; exec sleep 600' &\n\
         read pid <{fifo}\necho $pid >{told}\n",
        fifo = fifo.display(),
        told = told.display()
    );
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({ "post": hook })), |_| ());
    lab.run(&["upgrade", "3"]).done();
    let pid = fs::read_to_string(told).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} is still there");
    lab.run_as("b", &["verify"]).done();
}
