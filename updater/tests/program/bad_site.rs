//! What is published is missing, tampered with, or not for this machine.

use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::json;

use crate::documented::documented;
use crate::lab::{Lab, rule, tree};

/// The published file whose name ends like this.
pub(crate) fn file(lab: &Lab, folder: &str, end: &str) -> PathBuf {
    let files = fs::read_dir(lab.site_folder().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with(end)).collect();
    files.sort();
    files.pop().unwrap_or_else(|| panic!("no file ends with {end}"))
}

/// Flips a bit in the middle.
pub(crate) fn tamper(path: &PathBuf) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &PathBuf) {
    let length = fs::metadata(path).unwrap().len();
    File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
}

#[test]
fn what_is_not_published_is_not_found() {
    let mut lab = Lab::installed();
    let unknown = "there is no version … of role web; `edeploy-ab list` shows those there are";
    documented(&lab.run(&["upgrade", "7"]), 4, unknown);
    documented(&lab.run(&["test-upgrade", "7"]), 4, unknown);
    lab.publish(
        "3",
        3,
        &tree("3"),
        &json!({ "format": 1, "role": "web", "version": "3", "rules": [] }),
        |_| (),
    );
    documented(&lab.run(&["upgrade", "3"]), 4, "no transition leads from … to …");
    lab.publish("0", 0, &tree("0"), &rule("0", &json!({})), |_| ());
    let lower = "no transition leads from … to … (a lower version needs one whose names are exact)";
    documented(&lab.run(&["upgrade", "0"]), 4, lower);
    lab.disk();
    let ran = lab.install(&["--role", "db"]);
    documented(&ran, 4, "reading targets.json: …");
}

#[test]
fn what_is_for_another_machine_is_refused() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({})), |head| head.role = "db".parse().unwrap());
    documented(&lab.run(&["upgrade", "3"]), 5, "the manifest of … speaks of …");
    lab.publish("5", 5, &tree("5"), &rule("5", &json!({})), |head| head.updater = "9.0.0".to_owned());
    documented(&lab.run(&["upgrade", "5"]), 3, "… needs edeploy-ab …, this is …");
    lab.site.min_serial = 3;
    lab.sign();
    let withdrawn = "… has serial …; versions below serial … were withdrawn";
    documented(&lab.run(&["upgrade", "2"]), 5, withdrawn);
    lab.site.architecture = "arm64".to_owned();
    lab.publish("4", 4, &tree("4"), &rule("4", &json!({})), |head| {
        head.architecture = "arm64".parse().unwrap();
    });
    documented(&lab.run(&["upgrade", "4"]), 5, "… is for …, this machine is …");
}

#[test]
fn metadata_that_was_tampered_with_or_has_expired_is_refused() {
    for end in ["timestamp.json", "snapshot.json", ".targets.json", "role-web.json"] {
        let lab = Lab::installed();
        tamper(&file(&lab, "metadata", end));
        documented(&lab.run(&["upgrade", "2"]), 5, "reading ….json: …");
    }
    let mut lab = Lab::installed();
    lab.site.timestamp_days = 0;
    lab.sign();
    let expired = "reading timestamp.json: expired …, and it is …; run `rolebuild refresh` on the build side, or set the clock";
    documented(&lab.run(&["upgrade", "2"]), 5, expired);
}

/// The kept metadata of the machine, all of it.
fn kept(lab: &Lab) -> Vec<String> {
    let documents = ["root", "timestamp", "snapshot", "targets", "role-web"];
    documents.map(|name| lab.state_text(&format!("/lib/edeploy/tuf/{name}.json"))).into()
}

#[test]
fn nothing_is_kept_of_a_site_that_fails_a_check() {
    let mut lab = Lab::installed();
    let before = kept(&lab);
    lab.site.version += 1;
    lab.sign();
    // All documents but the last one are right, and newer than what is kept.
    let last = file(&lab, "metadata", "role-web.json");
    let right = fs::read(&last).unwrap();
    tamper(&last);
    documented(&lab.run(&["upgrade", "2"]), 5, "reading ….json: …");
    assert_eq!(kept(&lab), before);
    fs::write(&last, right).unwrap();
    lab.run(&["upgrade", "2"]).done();
    assert_ne!(kept(&lab), before);
}

#[test]
fn objects_that_were_tampered_with_are_refused_and_cut_ones_too() {
    for object in ["web@2@manifest", "web@2@pack-index", "web@2@transition"] {
        let lab = Lab::installed();
        tamper(&file(&lab, "targets", object));
        let ran = lab.run(&["upgrade", "2"]);
        assert!(ran.failed().1.starts_with(object), "{ran:?}");
        documented(&ran, 5, "… is not what was signed: its SHA-256 is another");
        let lab = Lab::installed();
        cut(&file(&lab, "targets", object));
        documented(&lab.run(&["upgrade", "2"]), 5, "… is not what was signed: it ends early");
    }
    let lab = Lab::installed();
    tamper(&file(&lab, "targets", "web@2@pack"));
    documented(
        &lab.run(&["upgrade", "2"]),
        5,
        "… is not what its index says: the frame at byte … has another digest",
    );
    let lab = Lab::installed();
    cut(&file(&lab, "targets", "web@2@pack"));
    documented(&lab.run(&["upgrade", "2"]), 6, "reading … at byte …: unexpected end of file");
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
}

#[test]
fn a_site_that_is_not_there_is_the_networks_fault() {
    let lab = Lab::installed();
    fs::remove_file(file(&lab, "metadata", "timestamp.json")).unwrap();
    documented(&lab.run(&["upgrade", "2"]), 6, "…/metadata/timestamp.json: not there");
    let mut command = crate::lab::program();
    command.args(["list", "--booted", "a", "--repo", "http://127.0.0.1:9/", "--disk"]).arg(lab.path("disk"));
    let ran = crate::lab::Ran::of(command.output().unwrap());
    documented(&ran, 6, "http://…: …");
}
