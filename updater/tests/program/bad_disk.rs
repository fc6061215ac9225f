//! Disks that are not ours, and machines that would not boot them: nothing is written.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;

use edeploy_ab::disk::loopdev::{LoopDevice, Window};
use edeploy_ab::disk::mount::Access;
use serde_json::json;

use crate::documented::documented;
use crate::lab::{DISK, Lab, Ran, rule, tree};

fn blank() -> Lab {
    let mut lab = Lab::new();
    lab.publish("1", 1, &tree("1"), &rule("1", &json!({})), |_| ());
    lab.disk();
    lab
}

#[test]
fn a_disk_that_holds_something_is_refused_unless_wiped() {
    let lab = blank();
    let mut disk = File::options().write(true).open(lab.path("disk")).unwrap();
    disk.write_all(b"something of somebody's").unwrap();
    let before = lab.fingerprint();
    let message =
        "…/disk: the disk is not empty (…); --wipe installs on it nevertheless, and all of it is lost";
    documented(&lab.install(&[]), 10, message);
    assert_eq!(lab.fingerprint(), before);
    lab.install(&["--wipe"]).done();
}

#[test]
fn a_disk_that_is_too_small_is_refused_untouched() {
    let lab = blank();
    File::options().write(true).open(lab.path("disk")).unwrap().set_len(600 << 20).unwrap();
    let before = lab.fingerprint();
    documented(&lab.install(&[]), 10, "…/disk: the disk has … bytes, … are needed");
    assert_eq!(lab.fingerprint(), before);
}

#[test]
fn a_disk_that_is_not_ours_is_refused() {
    let lab = blank();
    documented(&lab.run(&["status"]), 10, "…/disk: there is no valid partition table on it: …");
    fs::remove_file(lab.path("disk")).unwrap();
    documented(&lab.run(&["status"]), 10, "…/disk: No such file or directory (os error 2)");
    documented(&lab.install(&[]), 10, "…/disk: No such file or directory (os error 2)");
}

/// A command on the block device `device`, with other firmware than this machine may have.
fn on_device(lab: &Lab, device: &LoopDevice, firmware: &str, args: &[&str]) -> Ran {
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs none /sys/firmware && {firmware} && exec \"$@\"");
    command.args(["-m", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_edeploy-ab")]).args(args);
    command.arg("--disk").arg(device.path());
    if args.contains(&"install") {
        command.args(["--role", "web", "--version", "1"]);
        command.arg("--repo").arg(lab.site_folder()).arg("--root").arg(lab.path("root.json"));
    }
    Ran::of(command.output().unwrap())
}

#[test]
fn a_device_is_installed_on_and_nothing_is_done_to_it_while_somebody_has_it() {
    let lab = blank();
    let disk = lab.path("disk");
    let device = LoopDevice::attach(&disk, Window { offset: 0, size: DISK }, Access::ReadWrite).unwrap();
    let efi = "mkdir /sys/firmware/efi";
    on_device(&lab, &device, efi, &["install"]).done();
    on_device(&lab, &device, efi, &["status", "--booted", "a"]).done();
    let alone = i32::try_from(rustix::fs::OFlags::EXCL.bits()).unwrap();
    let had = File::options().read(true).custom_flags(alone).open(device.path()).unwrap();
    for args in [&["status", "--booted", "a"][..], &["install", "--wipe"]] {
        documented(&on_device(&lab, &device, efi, args), 10, "…: Device or resource busy (os error 16)");
    }
    drop(had);
}

#[test]
fn a_machine_without_uefi_is_refused_before_the_first_write() {
    let lab = blank();
    let disk = lab.path("disk");
    let device = LoopDevice::attach(&disk, Window { offset: 0, size: DISK }, Access::ReadWrite).unwrap();
    let before = lab.fingerprint();
    let ran = on_device(&lab, &device, "true", &["install"]);
    let message =
        "this machine was not started by UEFI, so it could not boot what is installed; nothing was written";
    documented(&ran, 10, message);
    assert_eq!(lab.fingerprint(), before);
}
