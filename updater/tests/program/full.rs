//! No room: known before anything is written, with the bytes that are needed and there. And a disk that fails.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use edeploy_format::digest::Digest;
use serde_json::json;

use crate::documented::documented;
use crate::lab::{DISK, Lab, Ran, program, rule, tree};

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

#[test]
fn a_slot_with_too_few_inodes_gets_a_new_file_system() {
    let mut lab = Lab::installed();
    lab.run(&["upgrade", "2"]).done();
    lab.run_as("b", &["bless"]).done();
    let mut many = tree("3");
    many.folder("etc/many");
    for n in 0..3000 {
        many.file(&format!("etc/many/{n}"), b"");
    }
    lab.publish("3", 3, &many, &rule("3", &json!({})), |_| ());
    let ran = lab.run_as("b", &["upgrade", "3"]).done();
    assert!(ran.err.contains("slot a gets a new file system: it has room for "), "{ran:?}");
    lab.run(&["verify"]).done();
}

/// A file system in memory, gone with this value.
struct Memory(std::path::PathBuf);

impl Memory {
    fn of(at: std::path::PathBuf, bytes: u64) -> Self {
        fs::create_dir(&at).unwrap();
        let memory = Self(at);
        memory.mount(&format!("size={bytes}"));
        memory
    }

    fn mount(&self, options: &str) {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(&self.0).status();
        assert!(mount.unwrap().success());
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_fails_while_a_slot_is_written_leaves_the_running_one_and_is_tried_again() {
    let mut lab = Lab::installed();
    let mut large = tree("3");
    large.file("usr/large", &(0..12_u32 << 18).flat_map(u32::to_le_bytes).collect::<Vec<u8>>());
    lab.publish("3", 3, &large, &rule("3", &json!({})), |_| ());
    // The image lies where its holes cannot be filled: the device over it fails to write.
    let used = fs::metadata(lab.path("disk")).unwrap().blocks() * 512;
    let memory = Memory::of(lab.path("memory"), used + (6 << 20));
    let disk = memory.0.join("disk");
    assert!(
        Command::new("cp")
            .arg("--sparse=always")
            .arg(lab.path("disk"))
            .arg(&disk)
            .status()
            .unwrap()
            .success()
    );
    let run = |words: &[&str]| {
        let mut command = program();
        command
            .args(words)
            .arg("--disk")
            .arg(&disk)
            .args(["--booted", "a"])
            .arg("--repo")
            .arg(lab.site_folder());
        Ran::of(command.output().unwrap())
    };
    let ran = run(&["upgrade", "3"]);
    let (code, said) = ran.failed();
    let failing = ["(os error 5)", "(os error 28)", "(os error 30)"];
    assert!([1, 7].contains(&code) && failing.iter().any(|error| said.contains(error)), "{ran:?}");
    assert_eq!(run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
    run(&["verify"]).done();
    memory.mount("remount,size=2G");
    run(&["upgrade", "3"]).done();
    assert_eq!(run(&["status", "--json"]).done().json()["next"], "edeploy-b-g2+3.conf");
}
