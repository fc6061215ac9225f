//! Dates: what a wrong clock does.

use std::process::Command;

use edeploy_format::tuf::Time;
use serde_json::json;

use crate::lab::{Lab, Ran, rule, tree};

#[test]
fn the_clock_is_not_before_the_build_of_what_runs() {
    let mut lab = Lab::new();
    let built = lab.site.now + 30 * 86_400;
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |head| head.built = built);
    lab.disk();
    lab.install(&[]).done();
    let ran = lab.run(&["list"]);
    let (expires, built) = (Time::new(lab.site.now).plus_days(7), Time::new(built));
    let (code, said) = ran.failed();
    assert_eq!(code, 5);
    assert!(said.starts_with(&format!("reading timestamp.json: expired {expires}")), "{said}");
    assert!(said.contains(&built.to_string()), "{said}");
    assert!(
        ran.err.contains(&format!("which cannot be: {built} counts, when what runs was built\n")),
        "{ran:?}"
    );
}

/// The program with a clock that is wrong by so many days.
fn at(days: i32, lab: &Lab, words: &[&str]) -> Ran {
    at_as("a", days, lab, words)
}

fn at_as(slot: &str, days: i32, lab: &Lab, words: &[&str]) -> Ran {
    let mut command = Command::new("faketime");
    command.args(["-f", &format!("{days:+}d"), env!("CARGO_BIN_EXE_edeploy-ab")]).args(words);
    command.arg("--disk").arg(lab.path("disk")).args(["--booted", slot, "--repo"]).arg(lab.site_folder());
    Ran::of(command.output().expect("faketime: apt-get install faketime"))
}

#[test]
fn a_clock_that_is_wrong_delays_an_upgrade_and_never_lets_old_metadata_in() {
    let mut lab = Lab::installed();
    // Far ahead: what is published has expired, and both times are named.
    let ran = at(60, &lab, &["upgrade", "2"]);
    let (code, said) = ran.failed();
    let expires = Time::new(lab.site.now).plus_days(7);
    assert_eq!(code, 5, "{ran:?}");
    assert!(said.starts_with(&format!("reading timestamp.json: expired {expires}, and it is ")), "{said}");
    // Far behind: the last timestamp that was accepted counts, so what expired before it stays expired.
    let issued = Time::new(lab.site.now);
    lab.site.now -= 10 * 86_400;
    lab.sign();
    let ran = at(-400, &lab, &["upgrade", "2"]);
    let (code, said) = ran.failed();
    let expires = Time::new(lab.site.now).plus_days(7);
    assert_eq!(code, 5, "{ran:?}");
    assert!(
        said.starts_with(&format!("reading timestamp.json: expired {expires}, and it is {issued}")),
        "{said}"
    );
    // And what has not expired is taken.
    lab.site.now += 10 * 86_400;
    lab.sign();
    at(-400, &lab, &["upgrade", "2"]).done();
}

#[test]
fn status_tells_how_old_what_is_believed_is_and_that_nothing_is() {
    let lab = Lab::installed();
    let issued = Time::new(lab.site.now);
    let expires = issued.plus_days(7);
    let said = lab.run(&["status"]).done().out;
    assert!(said.contains(&format!("metadata    issued {issued}, expires {expires}\n")), "{said}");
    let metadata = lab.run(&["status", "--json"]).done().json()["metadata"].clone();
    assert_eq!(metadata, json!({ "issued": issued, "expires": expires }));
    assert_eq!(lab.state("rm lib/edeploy/tuf/timestamp.json"), "");
    lab.slot_a("rm usr/lib/edeploy/slot/tuf/timestamp.json");
    let said = lab.run(&["status"]).done().out;
    assert!(said.contains("metadata    none that can be believed\n"), "{said}");
}

#[test]
fn whatever_the_clock_says_a_machine_is_verified_blessed_and_rolled_back() {
    for days in [-4000, 4000] {
        let lab = Lab::installed();
        lab.run(&["upgrade", "2"]).done();
        at_as("b", days, &lab, &["bless"]).done();
        at_as("b", days, &lab, &["verify"]).done();
        let ran = at_as("b", days, &lab, &["rollback"]);
        assert_eq!(ran.code, 100, "{days}: {ran:?}");
        assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g3.conf", "{days}");
    }
}
