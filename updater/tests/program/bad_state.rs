//! The machine is in a state that forbids it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use edeploy_format::boot::OBJECTS;
use edeploy_format::digest::Digest;
use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::documented::documented;
use crate::lab::{Lab, Ran, rule, tree};

#[test]
fn a_second_command_is_told_who_was_first() {
    let lab = Lab::installed();
    let disk = File::open(lab.path("disk")).unwrap();
    flock(&disk, FlockOperation::LockExclusive).unwrap();
    let message = "`…` (process …) is changing this machine; wait for it to end";
    for words in
        [&["upgrade", "2"][..], &["rollback"], &["bless"], &["remember", "--profile", "x"], &["repair"]]
    {
        let ran = lab.run(words);
        documented(&ran, 3, message);
        assert!(ran.err.contains(&format!("(process {})", std::process::id())), "{ran:?}");
    }
    assert_eq!(lab.journal().len(), 1, "what another command does is its own to record");
    for words in [&["status"][..], &["list"], &["verify"], &["test-upgrade", "2"]] {
        lab.run(words).done();
    }
}

#[test]
fn where_both_slots_used_up_their_tries_what_runs_and_was_good_is_upgraded() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({})), |_| ());
    lab.run(&["upgrade", "2"]).done();
    lab.run_as("b", &["bless"]).done();
    // As if the loader had counted down a blessed entry, in both slots.
    for (good, used_up) in [("a-g1", "a-g1+0-3"), ("b-g2", "b-g2+0-3")] {
        let [from, to] = [good, used_up].map(|name| format!("::/loader/entries/edeploy-{name}.conf"));
        lab.esp("mren", &[&from, &to]);
    }
    lab.run_as("b", &["upgrade", "3"]).done();
    assert_eq!(lab.run_as("b", &["status", "--json"]).done().json()["next"], "edeploy-a-g3+3.conf");
    lab.run(&["verify"]).done();
}

#[test]
fn a_rotten_kernel_that_a_version_shares_with_what_boots_is_put_right_before_an_upgrade() {
    let lab = Lab::installed();
    let kernel = Digest::of(b"the boot/vmlinuz of all versions");
    let rotten = lab.path("rotten");
    std::fs::write(&rotten, b"the boot/vmlinuz of no version..").unwrap();
    lab.esp("mcopy", &["-o", rotten.to_str().unwrap(), &format!("::/{OBJECTS}/{kernel}")]);
    let dry = lab.run(&["test-upgrade", "2", "--json"]);
    assert_eq!((dry.code, &dry.json()["esp_room"]), (3, &json!(true)));
    assert!(dry.json()["verdict"].as_str().unwrap().starts_with("refused: "), "{dry:?}");
    let message = "… on the ESP is damaged, and what boots now needs it too: `edeploy-ab repair` puts it right, then upgrade";
    documented(&lab.run(&["upgrade", "2"]), 3, message);
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-a-g1.conf");
    lab.run(&["repair"]).done();
    lab.run(&["upgrade", "2"]).done();
}

#[test]
fn an_upgrade_waits_for_the_trial_and_a_version_fallen_back_from_for_retry() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({})), |_| ());
    lab.run(&["upgrade", "2"]).done();
    let trial = "the running version is still on trial; wait for its health checks, bless it or roll back";
    documented(&lab.run_as("b", &["upgrade", "3"]), 3, trial);
    let dry = lab.run_as("b", &["test-upgrade", "3"]);
    assert_eq!((dry.code, dry.out.lines().last()), (3, Some(&*format!("upgrade: refused: {trial}"))));
    lab.esp("mren", &["::/loader/entries/edeploy-b-g2+3.conf", "::/loader/entries/edeploy-b-g2+0-3.conf"]);
    let fell_back = "this machine fell back from the version with manifest …; --retry takes it again";
    documented(&lab.run(&["upgrade", "2"]), 3, fell_back);
    let dry = lab.run(&["test-upgrade", "2", "--json"]);
    let verdict = dry.json()["verdict"].as_str().unwrap().to_owned();
    assert!(dry.code == 3 && verdict.starts_with("refused: this machine fell back"), "{dry:?}");
    documented(&lab.run(&["rollback"]), 3, "the other slot holds no version that was found good");
    lab.run(&["upgrade", "2", "--retry"]).done();
}

#[test]
fn an_upgrade_to_what_runs_keeps_it_and_what_was_staged() {
    let mut lab = Lab::installed();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    lab.run(&["upgrade", "2"]).done();
    let dry = lab.run(&["test-upgrade", "2", "--json"]).done().json();
    assert_eq!(dry["verdict"], "nothing to do: it boots next, as edeploy-b-g2+3.conf");
    let said = lab.run(&["upgrade", "1"]).done().out;
    assert_eq!(said, "1 runs already, is good, and boots next\n");
    let status = lab.run(&["status", "--json"]).done().json();
    assert_eq!(status["next"], "edeploy-a-g3.conf");
    let entries: Vec<_> = status["entries"].as_array().unwrap().iter().map(|e| &e["entry"]).collect();
    assert_eq!(entries, ["edeploy-a-g3.conf", "edeploy-b-g2+3.conf"]);
    assert_eq!(lab.journal().last().unwrap().0, "stays");
    lab.run(&["upgrade", "2"]).done();
    assert_eq!(lab.run(&["status", "--json"]).done().json()["next"], "edeploy-b-g4+3.conf");
}

#[test]
fn a_disk_is_looked_at_as_a_power_cut_left_it() {
    let lab = Lab::installed();
    assert_eq!(lab.state("feature needs_recovery"), "");
    let before = lab.fingerprint();
    for words in [&["status"][..], &["list"], &["verify"], &["test-upgrade", "2"]] {
        let said = lab.run(words).done().err;
        assert!(said.contains("the state partition was not unmounted"), "{said}");
    }
    assert_eq!(lab.fingerprint(), before);
    lab.run(&["upgrade", "2"]).done();
}

#[test]
fn without_its_own_entry_nothing_is_touched() {
    let lab = Lab::installed();
    lab.run(&["upgrade", "2"]).done();
    lab.run_as("b", &["bless"]).done();
    // What boots a machine that lost its entry: `--booted b` reads the kernel's arguments from it.
    lab.esp("mdel", &["::/loader/entries/edeploy-a-g1.conf"]);
    let ran = lab.run(&["status"]);
    documented(&ran, 10, "no whole boot entry boots slot … of this disk");
}

/// The documents in slot a, each in place of the one there.
fn replace_trust(lab: &Lab, documents: &[(&str, PathBuf)]) {
    for (name, from) in documents {
        let kept = format!("usr/lib/edeploy/slot/tuf/{name}");
        lab.slot_a(&format!("rm {kept}"));
        lab.slot_a(&format!("write {} {kept}", from.display()));
    }
}

#[test]
fn a_slot_whose_metadata_does_not_sign_its_manifest_is_not_called_clean() {
    for name in ["root.json", "timestamp.json", "snapshot.json", "targets.json", "role-web.json"] {
        let lab = Lab::installed();
        let other = lab.path("other");
        std::fs::write(&other, "{}").unwrap();
        replace_trust(&lab, &[(name, other)]);
        let ran = lab.run(&["verify"]);
        documented(&ran, 5, "the metadata kept in the slot: …");
        assert!(ran.err.contains(name), "{ran:?}");
    }
    // Signed as it must be, but of another tree under the same name.
    let mut lab = Lab::installed();
    let mut other = tree("1");
    other.file("etc/other", b"other");
    lab.publish("1", 1, &other, &rule("1", &json!({})), |_| ());
    let newest = |name: &str| {
        let folder = std::fs::read_dir(lab.site_folder().join("metadata")).unwrap();
        let paths = folder.map(|entry| entry.unwrap().path());
        let of_name = paths.filter(|path| path.file_name().unwrap().to_str().unwrap().ends_with(name));
        of_name.max_by_key(|path| (path.to_str().unwrap().len(), path.clone())).unwrap()
    };
    let names = ["timestamp.json", "snapshot.json", "targets.json", "role-web.json"];
    replace_trust(&lab, &names.map(|name| (name, newest(name))));
    documented(&lab.run(&["verify"]), 5, "the slot's metadata signs manifest … as 1, it was booted with …");
}

#[test]
fn a_special_file_among_the_carried_paths_is_refused() {
    let mut lab = Lab::installed();
    lab.publish("3", 3, &tree("3"), &rule("3", &json!({ "exclude": "/pipe\n" })), |_| ());
    lab.slot_a("mknod pipe p");
    let message = "… is a device node, socket or FIFO, which no slot holds: exclude it by name or remove it";
    documented(&lab.run(&["upgrade", "3"]), 3, message);
}

#[test]
fn only_root_may_look() {
    let lab = Lab::installed();
    let program = lab.path("edeploy-ab");
    std::fs::copy(env!("CARGO_BIN_EXE_edeploy-ab"), &program).unwrap();
    let open = Command::new("chmod").args(["0755"]).arg(program.parent().unwrap()).status().unwrap();
    assert!(open.success());
    let ran = Ran::of(Command::new(program).arg("status").uid(65534).gid(65534).output().unwrap());
    documented(&ran, 10, "only root can look into slots and boot entries; try sudo");
}

#[test]
fn a_running_slot_whose_own_files_rotted_is_no_source_and_keeps_no_upgrade_away() {
    // A digit of a record; a line that is none in what the slot was filled by.
    for (name, rot) in [("manifest", 0), ("exclude", 1)] {
        let lab = Lab::installed();
        let file = lab.path("rotten");
        let at = format!("usr/lib/edeploy/slot/{name}");
        lab.slot_a(&format!("dump {at} {}", file.display()));
        let mut bytes = std::fs::read(&file).unwrap_or_default();
        match rot {
            0 => *bytes.iter_mut().rev().find(|byte| byte.is_ascii_digit()).unwrap() ^= 1,
            _ => bytes = b"[".to_vec(),
        }
        std::fs::write(&file, bytes).unwrap();
        lab.slot_a(&format!("rm {at}"));
        lab.slot_a(&format!("write {} {at}", file.display()));
        let told = "nothing is copied from the running slot: ";
        assert!(lab.run(&["test-upgrade", "2"]).done().out.contains("whole contents"), "{name}");
        let ran = lab.run(&["upgrade", "2"]).done();
        assert!(ran.err.contains(told), "{name}: {ran:?}");
        assert!(ran.out.contains("2 is in slot b, verified, and boots next"), "{name}: {ran:?}");
        assert!(
            ran.out.contains(" 0 bytes copied from the running slot")
                || ran.out.contains("0 bytes were there, 0 bytes"),
            "{name}: {ran:?}"
        );
        lab.run_as("b", &["verify"]).done();
    }
}
