//! What a machine remembers of its set-up.

use serde_json::{Value, json};

use crate::lab::{Lab, Ran, program, rule, tree};

/// A command on the image without another repository than the one it remembers.
fn as_remembered(lab: &Lab, slot: &str, words: &[&str]) -> Ran {
    let mut command = program();
    command.args(words).arg("--disk").arg(lab.path("disk")).args(["--booted", slot]);
    Ran::of(command.output().unwrap())
}

fn status(lab: &Lab, slot: &str) -> Value {
    let status = as_remembered(lab, slot, &["status", "--json"]).done().json();
    json!([status["repo"], status["profile"]])
}

#[test]
fn what_is_remembered_counts_at_once_and_goes_into_the_next_slot() {
    let lab = Lab::installed();
    let site = lab.site_folder().to_str().unwrap().to_owned();
    let words = ["remember", "--repo", &site, "--profile", "rack 7", "--json"];
    let ran = as_remembered(&lab, "a", &words).done();
    assert_eq!(ran.json(), json!({ "repo": site, "mirrors": [], "profile": "rack 7", "ca": false }));
    assert_eq!(status(&lab, "a"), json!([site, "rack 7"]));
    as_remembered(&lab, "a", &["upgrade", "2"]).done();
    // The state partition forgets: the new slot has it, the old one what install left.
    let rest = "http://127.0.0.1:9/";
    as_remembered(&lab, "a", &["remember", "--repo", rest]).done();
    assert_eq!(status(&lab, "b"), json!([rest, "rack 7"]));
    let debugfs = lab.state("rm /lib/edeploy/host.json");
    assert!(debugfs.is_empty(), "{debugfs}");
    assert_eq!(status(&lab, "b"), json!([site, "rack 7"]));
    assert_ne!(status(&lab, "a"), json!([site, "rack 7"]));
}

#[test]
fn a_broken_copy_is_said_and_the_slots_counts() {
    let lab = Lab::installed();
    let before = status(&lab, "a");
    as_remembered(&lab, "a", &["remember", "--profile", "x"]).done();
    std::fs::write(lab.path("broken"), "{").unwrap();
    lab.state("rm /lib/edeploy/host.json");
    lab.state(&format!("write {} /lib/edeploy/host.json", lab.path("broken").display()));
    let ran = as_remembered(&lab, "a", &["status"]).done();
    let said =
        "the slot's set-up counts: /run/edeploy-ab/machine/var/lib/edeploy/host.json: EOF while parsing";
    assert!(ran.err.starts_with(said), "{ran:?}");
    assert_eq!(status(&lab, "a"), before);
}

#[test]
fn certificates_are_remembered_themselves() {
    let lab = Lab::installed();
    let no_file = as_remembered(&lab, "a", &["remember", "--ca", "/nonexistent.pem"]);
    let said = "reading the certificates /nonexistent.pem: No such file or directory (os error 2)";
    assert_eq!(no_file.failed(), (2, said));
    std::fs::write(lab.path("ca.pem"), "not one of them").unwrap();
    let ca = lab.path("ca.pem");
    as_remembered(&lab, "a", &["remember", "--repo", "https://127.0.0.1:9/", "--ca", ca.to_str().unwrap()])
        .done();
    std::fs::remove_file(ca).unwrap();
    let ran = as_remembered(&lab, "a", &["list"]);
    assert_eq!(ran.failed(), (6, "the certificates given by --ca: it holds no certificate in PEM"));
}

#[test]
fn several_repositories_are_remembered_in_their_order_and_the_next_is_asked_where_one_fails() {
    let lab = Lab::installed();
    let (gone, site) = (lab.path("gone").display().to_string(), lab.site_folder().display().to_string());
    let remembered =
        as_remembered(&lab, "a", &["remember", "--repo", &gone, "--repo", &site, "--json"]).done();
    let [repo, mirrors] = ["repo", "mirrors"].map(|key| remembered.json()[key].clone());
    assert_eq!((&repo, &mirrors), (&json!(gone), &json!([site])));
    let ran = as_remembered(&lab, "a", &["upgrade", "2"]).done();
    let said = format!("{gone}: {gone}/metadata/timestamp.json: not there; it is asked last from now on");
    assert!(ran.err.lines().any(|line| line == said), "{ran:?}");
    // The new slot has both.
    lab.state("rm /lib/edeploy/host.json");
    let status = as_remembered(&lab, "b", &["status", "--json"]).done().json();
    assert_eq!((&status["repo"], &status["mirrors"]), (&repo, &mirrors));
    let shown = as_remembered(&lab, "b", &["status"]).done();
    assert!(shown.out.contains(&format!("repository  {gone}\nmirror      {site}\n")), "{shown:?}");
    as_remembered(&lab, "b", &["remember", "--repo", &site]).done();
    let status = as_remembered(&lab, "b", &["status", "--json"]).done().json();
    assert_eq!((&status["repo"], &status["mirrors"]), (&json!(site), &json!([])));
}

#[test]
fn an_install_remembers_all_its_repositories() {
    let mut lab = Lab::new();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    lab.disk();
    lab.install(&["--repo", "http://127.0.0.1:9/"]).done();
    let status = as_remembered(&lab, "a", &["status", "--json"]).done().json();
    assert_eq!(status["repo"], json!(lab.site_folder()));
    assert_eq!(status["mirrors"], json!(["http://127.0.0.1:9/"]));
}
