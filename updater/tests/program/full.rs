//! No room: known before anything is written, with the bytes that are needed and there.

use std::fs::{self, File};

use edeploy_format::digest::Digest;
use serde_json::json;

use crate::documented::documented;
use crate::lab::{DISK, Lab, rule, tree};

/// Everything but the state partition, where failures are recorded.
fn rest(lab: &Lab) -> Digest {
    let state = lab.state_at();
    lab.fingerprint_until(state)
}

#[test]
fn a_slot_that_is_too_small_is_known_before_anything_is_written() {
    let mut lab = Lab::installed();
    let mut large = tree("3");
    large.file("etc/large", &vec![7; 30 << 20]);
    lab.publish("3", 3, &large, &rule("3", &json!({})), |_| ());
    let before = rest(&lab);
    let message = "slot … has room for … bytes, the version needs …; slots keep the size that the first version asked for";
    documented(&lab.run(&["upgrade", "3"]), 7, message);
    assert_eq!(lab.run(&["test-upgrade", "3"]).code, 7);
    assert_eq!(rest(&lab), before);
    lab.publish("1", 4, &large, &rule("1", &json!({})), |_| ());
    lab.disk();
    let before = lab.fingerprint();
    documented(&lab.install(&[]), 7, message);
    assert_eq!(lab.fingerprint(), before);
}

#[test]
fn an_esp_without_room_is_known_before_anything_is_written() {
    let mut lab = Lab::installed();
    let mut large = tree("3").without("boot/initrd.img");
    large.file("boot/initrd.img", &vec![7; 1 << 20]);
    lab.publish("3", 3, &large, &rule("3", &json!({})), |_| ());
    let foreign = lab.path("foreign");
    // 512 MiB less the tables, the reserve and what is there.
    File::create(&foreign).unwrap().set_len(510 << 20).unwrap();
    lab.esp("mcopy", &[foreign.to_str().unwrap(), "::/foreign"]);
    let before = rest(&lab);
    documented(&lab.run(&["upgrade", "3"]), 7, "the ESP has … bytes left for this, … are needed");
    assert_eq!(lab.run(&["test-upgrade", "3"]).code, 7);
    assert_eq!(rest(&lab), before);
}

#[test]
fn a_state_partition_without_room_is_known_before_anything_is_fetched() {
    let lab = Lab::installed();
    let free = lab.state_free();
    let ballast = lab.path("ballast");
    // ext4 keeps the fiftieth part of all blocks for itself; the trust metadata and a line of the journal
    // still find room.
    let left = (DISK - lab.state_at()) / 4096 / 50 + 30;
    fs::write(&ballast, vec![7; usize::try_from((free - left) * 4096).unwrap()]).unwrap();
    lab.state(&format!("write {} /ballast", ballast.display()));
    let before = rest(&lab);
    let message = "… has … bytes free; what describes … needs …";
    documented(&lab.run(&["upgrade", "2"]), 7, message);
    assert_eq!(rest(&lab), before);
}
