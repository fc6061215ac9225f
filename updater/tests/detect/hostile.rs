//! What firmware, disks and drivers should not say, and do.

use std::fs;
use std::os::unix::fs::symlink;

use crate::machine::Machine;

/// What the service takes of a report.
const VALUE: usize = 16 << 10;

#[test]
fn what_is_not_utf8_is_replaced_and_control_characters_are_not_passed_on() {
    let machine = Machine::new();
    machine
        .disk("sda", 2_000_000_000, &[])
        .file("sys/block/sda/device/model", b"\xff\xfeDISK\x1b[2J\n")
        .file("sys/class/dmi/id/product_serial", b"\x80\x81\n");
    let lines = machine.detected();
    assert!(lines.contains(&"disk sda model \u{fffd}\u{fffd}DISK [2J".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"system product serial \u{fffd}\u{fffd}".to_owned()), "{lines:#?}");
}

#[test]
fn huge_texts_are_cut_and_the_report_stays_one() {
    let machine = Machine::new();
    let huge = "x".repeat(6 << 20);
    machine
        .disk("sda", 2_000_000_000, &[("device/vendor", &huge)])
        .file("proc/cmdline", huge.as_bytes())
        .file("sys/firmware/dmi/tables/DMI", vec![0xff; 6 << 20])
        .file("etc/os-release", format!("ID={huge}"));
    let cpus: String = (0..60_000).map(|n| format!("processor: {n}\nbogomips: 1\n\n")).collect();
    machine.file("proc/cpuinfo", cpus);
    let lines = edeploy_ab::detect::hardware(machine.root());
    assert!(lines.iter().flatten().all(|text| text.len() <= VALUE));
    assert!(lines.len() <= 20_000, "{} lines", lines.len());
    let bytes = serde_json::to_string(&lines).unwrap().len();
    assert!(bytes < 4 << 20, "{bytes} bytes");
}

#[test]
fn numbers_that_are_none_or_too_large_are_left_out() {
    let machine = Machine::new();
    machine
        .disk("sda", 0, &[("size", "many")])
        .disk("sdb", 0, &[("size", "18446744073709551615")])
        .disk("sdc", 0, &[("size", "-1")])
        .disk("sdd", 0, &[])
        .card("eth0", ("pci", "0000:00:01.0"), "x", &[("carrier", "1"), ("speed", "4294967295")])
        .files("sys/devices/0000:00:01.0", &[("vendor", "é"), ("device", "")]);
    machine.file("proc/cpuinfo", "processor: 99999999999999999999\n\nprocessor: 1\nphysical id: -1\n\n");
    assert_eq!(machine.lines("disk"), ["disk logical count 0"]);
    assert!(!machine.detected().iter().any(|line| line.starts_with("network eth0 size")));
    assert_eq!(machine.lines("cpu logical number"), ["cpu logical number 1"]);
}

#[test]
fn folders_pipes_and_circles_in_place_of_files_are_left_out() {
    let machine = Machine::new();
    machine.disk("sda", 2_000_000_000, &[("device/vendor/inner", "a folder")]);
    let device = machine.root().join("sys/block/sda/device");
    symlink("model", device.join("model")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        device.join("rev"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    fs::create_dir_all(machine.root().join("proc/cpuinfo")).unwrap();
    let expected = ["disk logical count 1", "disk sda size 1024", "disk sda rotational 0"];
    assert_eq!(machine.lines("disk"), expected);
}
