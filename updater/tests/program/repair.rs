//! A machine whose ESP or state partition is lost: looked at, repaired, and whole again.

use std::process::Command;

use serde_json::json;

use crate::documented::documented;
use crate::lab::{Lab, rule, tree};

/// Version 1 in slot a, version 2 in slot b; both are good.
fn both() -> Lab {
    let lab = Lab::installed();
    lab.run(&["upgrade", "2"]).done();
    lab.run_as("b", &["bless"]).done();
    lab
}

/// What is broken, by `test-repair`, which changes nothing.
fn found(lab: &Lab) -> Vec<String> {
    let before = lab.fingerprint();
    let ran = lab.on_disk(&["test-repair", "--json"]);
    assert_eq!(lab.fingerprint(), before);
    let json = ran.json();
    let found: Vec<String> = serde_json::from_value(json["found"].clone()).unwrap();
    if json["refused"].is_null() {
        assert_eq!(ran.code, if found.is_empty() { 0 } else { 9 }, "{ran:?}");
    }
    found
}

/// A repair is refused with this exit code and message; `test-repair` says the same.
#[track_caller]
fn refused(lab: &Lab, words: &[&str], code: i32, message: &str) {
    let dry = lab.on_disk(&[&["test-repair"], words].concat());
    let ran = lab.on_disk(&[&["repair"], words].concat());
    documented(&ran, code, message);
    assert_eq!(dry.code, code, "{dry:?}");
    let said = ran.failed().1.to_owned();
    assert!(dry.out.ends_with(&format!("refused: {said}\n")), "{said:?}, {dry:?}");
    assert!(!dry.out.contains("would be repaired"), "{dry:?}");
}

/// Repairs; gives what it said. A second time there is nothing to do, and nothing is written.
fn repaired(lab: &Lab) -> String {
    let said = lab.on_disk(&["repair"]).done();
    let before = lab.fingerprint();
    assert_eq!(lab.on_disk(&["repair"]).done().out, "nothing to repair\n");
    assert_eq!(lab.fingerprint(), before);
    assert_eq!(found(lab), Vec::<String>::new());
    said.out + &said.err
}

fn entries(lab: &Lab, slot: &str) -> Vec<String> {
    let status = lab.run_as(slot, &["status", "--json"]).done().json();
    let entries = status["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["entry"].as_str().unwrap().to_owned()).collect()
}

fn esp_is_sound(lab: &Lab) {
    let esp = lab.path("esp");
    let disk = lab.path("disk");
    let copied = Command::new("dd")
        .args(["bs=1M", "skip=1", "count=512", "conv=sparse"])
        .args([format!("if={}", disk.display()), format!("of={}", esp.display())])
        .output()
        .unwrap();
    assert!(copied.status.success());
    let checked = Command::new("fsck.fat").arg("-n").arg(&esp).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn where_nothing_is_broken_nothing_is_done() {
    let lab = both();
    let before = lab.fingerprint();
    assert_eq!(lab.on_disk(&["test-repair"]).done().out, "nothing to repair\n");
    assert_eq!(lab.on_disk(&["repair"]).done().out, "nothing to repair\n");
    assert_eq!(lab.fingerprint(), before);
}

#[test]
fn a_lost_esp_is_made_anew_from_what_the_slots_hold() {
    let lab = both();
    lab.lose_esp();
    assert_eq!(found(&lab), ["the ESP holds no file system that can be read"]);
    let dry = lab.on_disk(&["test-repair"]);
    let would =
        "the entry edeploy-b-g2.conf would be written\nthe entry edeploy-a-g1.conf would be written\n";
    assert!(dry.out.contains(would), "{dry:?}");
    let said = repaired(&lab);
    assert!(said.contains("1 fault is repaired; edeploy-b-g2.conf boots next"), "{said}");
    assert!(said.contains("slot a: web 1, as it was signed\n"), "{said}");
    assert_eq!(entries(&lab, "b"), ["edeploy-b-g2.conf", "edeploy-a-g1.conf"]);
    assert_eq!(lab.journal().last().unwrap().0, "repaired");
    esp_is_sound(&lab);
    lab.run_as("b", &["verify"]).done();
    assert_eq!(lab.run_as("b", &["rollback"]).code, 100);
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g3.conf");
}

#[test]
fn what_an_operator_says_is_booted_boots_next() {
    let lab = both();
    lab.lose_esp();
    assert_eq!(lab.run(&["repair"]).done().code, 0);
    assert_eq!(entries(&lab, "a"), ["edeploy-a-g2.conf", "edeploy-b-g1.conf"]);
}

#[test]
fn a_version_that_nobody_found_good_is_on_trial() {
    let lab = Lab::installed();
    lab.run(&["upgrade", "2"]).done();
    lab.lose_esp();
    repaired(&lab);
    assert_eq!(entries(&lab, "a"), ["edeploy-b-g2+3.conf", "edeploy-a-g1.conf"]);
}

#[test]
fn a_lost_state_partition_is_made_anew_and_its_loss_is_told() {
    let lab = both();
    lab.lose(lab.state_at(), 80 << 20);
    assert_eq!(found(&lab), ["the state partition holds nothing of this machine"]);
    let said = repaired(&lab);
    assert!(said.contains("forgotten with the state partition: /var;"), "{said}");
    assert_eq!(lab.state("stat lib/edeploy/tuf/timestamp.json"), "");
    assert_eq!(
        lab.journal()[0],
        ("repaired".to_owned(), json!({ "found": ["the state partition holds nothing of this machine"] }))
    );
    lab.run_as("b", &["upgrade", "2"]).done();
}

#[test]
fn with_both_lost_the_newer_version_is_tried_and_then_the_older() {
    let lab = both();
    lab.lose_esp();
    lab.lose(lab.state_at(), 80 << 20);
    let said = repaired(&lab);
    assert!(said.contains("the machine id is nowhere: "), "{said}");
    assert_eq!(entries(&lab, "a"), ["edeploy-b-g2+3.conf", "edeploy-a-g1+3.conf"]);
}

#[test]
fn a_state_partition_that_only_lacks_what_is_ours_keeps_the_rest() {
    let lab = both();
    assert_eq!(lab.state("rm lib/edeploy/tuf/root.json"), "");
    assert_eq!(lab.state("mkdir mine"), "");
    assert_eq!(found(&lab), ["the state partition lacks the metadata of this machine"]);
    let said = repaired(&lab);
    assert!(!said.contains("forgotten"), "{said}");
    assert_eq!(lab.state("stat mine"), "");
    assert_eq!(lab.state("stat lib/edeploy/tuf/root.json"), "");
}

#[test]
fn a_damaged_state_partition_is_given_up_only_when_asked_for() {
    let lab = both();
    assert_eq!(lab.state("clri <2>"), "");
    assert_eq!(found(&lab), ["the file system of the state partition is damaged"]);
    let message = "the file system of the state partition is damaged: mend it with e2fsck, or give up what is in it \
                   with `edeploy-ab repair --wipe`";
    refused(&lab, &[], 3, message);
    lab.on_disk(&["repair", "--wipe"]).done();
    assert_eq!(repaired(&lab), "nothing to repair\n");
}

#[test]
fn a_state_partition_that_e2fsck_cannot_look_at_is_not_taken_for_a_lost_one() {
    let lab = both();
    // Its label goes, so its checksum is wrong; there is no copy: e2fsck ends with 8, as without a file system.
    lab.lose(lab.state_at() + 1024 + 0x78, 16);
    let before = lab.fingerprint();
    let message = "the file system of the state partition is damaged: mend it with e2fsck, or give up what is in it \
                   with `edeploy-ab repair --wipe`";
    refused(&lab, &[], 3, message);
    assert_eq!(lab.fingerprint(), before);
    lab.on_disk(&["repair", "--wipe"]).done();
    assert_eq!(repaired(&lab), "nothing to repair\n");
}

#[test]
fn what_is_wrong_on_an_esp_that_can_be_read_is_put_right() {
    let lab = both();
    let objects = |lab: &Lab| {
        let disk = format!("{}@@1M", lab.path("disk").display());
        let listed = Command::new("mdir").arg("-i").arg(disk).args(["-b", "::/edeploy"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let other = lab.path("other");
    std::fs::write(&other, "another kernel").unwrap();
    let first = &objects(&lab)[0];
    lab.esp("mcopy", &["-o", other.to_str().unwrap(), first]);
    let wrong = |name: &str| format!("{name} names a kernel or initrd that is not right");
    assert_eq!(found(&lab), [wrong("edeploy-b-g2.conf"), wrong("edeploy-a-g1.conf")]);
    repaired(&lab);
    lab.esp("mdel", &[&*objects(&lab)[1]]);
    assert_eq!(found(&lab), [wrong("edeploy-b-g2.conf"), wrong("edeploy-a-g1.conf")]);
    repaired(&lab);
    lab.esp("mdel", &["::/EFI/BOOT/BOOTX64.EFI"]);
    assert_eq!(found(&lab), ["the loader or its configuration is missing on the ESP"]);
    repaired(&lab);
    lab.esp("mcopy", &["-o", other.to_str().unwrap(), "::/loader/entries/edeploy-b-g2.conf"]);
    assert_eq!(found(&lab), ["edeploy-b-g2.conf is torn"]);
    let said = repaired(&lab);
    assert!(said.contains("edeploy-a-g1.conf boots next"), "{said}");
    lab.esp("mdel", &["::/loader/entries/edeploy-a-g1.conf"]);
    assert_eq!(found(&lab), ["there is no boot entry"]);
    repaired(&lab);
    assert_eq!(entries(&lab, "b"), ["edeploy-b-g2.conf", "edeploy-a-g1.conf"]);
    esp_is_sound(&lab);
}

#[test]
fn where_neither_slot_is_what_was_signed_nothing_is_written() {
    let lab = Lab::installed();
    lab.slot_a("rm etc/version");
    lab.lose_esp();
    let before = lab.fingerprint();
    let ran = lab.on_disk(&["repair"]);
    let message = "neither slot is what was signed, so nothing can be made bootable: install anew";
    refused(&lab, &[], 10, message);
    assert!(
        ran.err.contains("slot a: nothing to boot: it differs from what was signed in 1 places: "),
        "{ran:?}"
    );
    assert_eq!(lab.fingerprint(), before);
}

#[test]
fn a_slot_whose_upgrade_did_not_end_is_not_made_bootable() {
    let mut lab = Lab::installed();
    let sick = rule("3", &json!({ "post": "#!/bin/sh\nexit 1\n" }));
    lab.publish("3", 3, &tree("3"), &sick, |_| ());
    assert_eq!(lab.run(&["upgrade", "3"]).code, 8);
    assert_eq!(found(&lab), Vec::<String>::new());
    lab.lose_esp();
    repaired(&lab);
    assert_eq!(entries(&lab, "a"), ["edeploy-a-g2.conf"]);
}

#[test]
fn a_good_slot_is_made_bootable_also_where_the_journal_lost_that_it_was_armed() {
    let lab = both();
    // As where the journal could not be written once the entry was there.
    let text = lab.state_text("lib/edeploy/journal");
    let (lost, left): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("{\"armed\":"));
    assert_eq!(lost.len(), 1, "{text}");
    let journal = lab.path("journal");
    std::fs::write(&journal, left.join("\n") + "\n").unwrap();
    assert_eq!(lab.state("rm lib/edeploy/journal"), "");
    assert_eq!(lab.state(&format!("write {} lib/edeploy/journal", journal.display())), "");
    lab.lose_esp();
    repaired(&lab);
    assert_eq!(entries(&lab, "b"), ["edeploy-b-g2.conf", "edeploy-a-g1.conf"]);
}

#[test]
fn an_entry_with_one_wrong_digit_is_made_again() {
    let lab = both();
    let name = "edeploy-b-g2.conf";
    let (path, text) = (format!("::/loader/entries/{name}"), lab.path("entry"));
    lab.esp("mcopy", &[&path, text.to_str().unwrap()]);
    let entry = std::fs::read_to_string(&text).unwrap();
    let at = entry.find("\ninitrd ").unwrap();
    let at = at + entry[at + 1..].find('\n').unwrap();
    let digit = if &entry[at..=at] == "0" { "1" } else { "0" };
    std::fs::write(&text, format!("{}{digit}{}", &entry[..at], &entry[at + 1..])).unwrap();
    lab.esp("mcopy", &["-o", text.to_str().unwrap(), &path]);
    assert_eq!(found(&lab), [format!("{name} names a kernel or initrd that is not right")]);
    let said = lab.run_as("b", &["repair"]).done();
    assert!(said.out.contains("edeploy-b-g3.conf boots next"), "{said:?}");
    assert_eq!(entries(&lab, "b"), ["edeploy-b-g3.conf", "edeploy-a-g1.conf"]);
    assert_eq!(found(&lab), Vec::<String>::new());
    esp_is_sound(&lab);
}

#[test]
fn a_repair_that_leaves_the_running_slot_without_an_entry_is_refused() {
    let lab = both();
    lab.slot_a("rm etc/version");
    let other = lab.path("other");
    std::fs::write(&other, "torn").unwrap();
    lab.esp("mcopy", &["-o", other.to_str().unwrap(), "::/loader/entries/edeploy-a-g1.conf"]);
    let message = "slot … differs from what was signed or booted, so no boot entry is made for it; all else is repaired: \
                   boot the other slot, then upgrade";
    refused(&lab, &["--booted", "a"], 3, message);
    assert_eq!(entries(&lab, "b"), ["edeploy-b-g2.conf"]);
}

#[test]
fn a_torn_entry_is_taken_away_without_a_slot_that_is_what_was_signed() {
    let lab = Lab::installed();
    lab.slot_a("rm etc/version");
    let other = lab.path("other");
    std::fs::write(&other, "torn").unwrap();
    lab.esp("mcopy", &[other.to_str().unwrap(), "::/loader/entries/edeploy-b-g2.conf"]);
    repaired(&lab);
    assert_eq!(entries(&lab, "a"), ["edeploy-a-g1.conf"]);
}
