//! A virtual machine: one virtio disk, one virtio card, the firmware that QEMU makes.

use crate::machine::{Machine, structure};

const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 94\nmodel name\t: QEMU Virtual CPU  version 2.5+\nstepping\t: 3\ncpu MHz\t\t: 2599.998\ncache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: 1\ncpu cores\t: 1\nflags\t\t: fpu de pse\nbogomips\t: 5199.99\n\nprocessor\t: 1\nphysical id\t: 1\nbogomips\t: 5200.01\nvendor_id\t: GenuineIntel\n\n";

fn vm() -> Machine {
    let machine = Machine::new();
    machine
        .disk(
            "vda",
            20_971_520,
            &[
                ("serial", "root-1"),
                ("device/vendor", "0x1af4"),
                ("queue/scheduler", "none [mq-deadline] kyber"),
                ("queue/nr_requests", "256"),
                ("queue/optimal_io_size", "0"),
                ("queue/physical_block_size", "512"),
                ("queue/write_cache", "write back"),
            ],
        )
        .file("sys/block/loop0/size", "204800\n")
        .file("sys/block/zram0/size", "204800\n")
        .disk("sr0", 4096, &[("removable", "1")])
        .card(
            "eth0",
            ("virtio", "virtio1"),
            "virtio_net",
            &[("address", "52:54:12:34:00:AB"), ("carrier", "1"), ("speed", "-1"), ("duplex", "unknown")],
        )
        .file("sys/class/net/lo/address", "00:00:00:00:00:00\n")
        .files(
            "sys/class/dmi/id",
            &[
                ("sys_vendor", "QEMU"),
                ("product_name", "Standard PC (Q35 + ICH9, 2009)"),
                ("product_version", "pc-q35-7.2"),
                ("product_uuid", "3f8a2b60-0000-4000-8000-000000000001"),
                ("bios_vendor", "EFI Development Kit II / OVMF"),
                ("bios_version", "0.0.0"),
                ("bios_date", "02/06/2015"),
            ],
        )
        .file("sys/firmware/dmi/tables/DMI", memory())
        .file("proc/cpuinfo", CPUINFO)
        .file("proc/cmdline", "console=ttyS0 edeploy.token=secret FAKEIPMI=1\n")
        .files("proc/sys/kernel", &[("osrelease", "6.1.0-1-amd64"), ("arch", "x86_64")])
        .file("etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n")
        .files("sys/devices/system/node/node0", &[("cpulist", "0-1"), ("cpumap", "00000003")]);
    machine
}

fn memory() -> Vec<u8> {
    let array = structure(16, 0x1000, 0x17, &[(4, &[1, 3, 6])], &[]);
    let bank = structure(
        17,
        0x1100,
        0x28,
        &[(4, &[0, 0x10]), (0x0c, &[0, 4]), (0x0e, &[9]), (0x10, &[1, 0, 7]), (0x17, &[2])],
        &["DIMM 0", "QEMU"],
    );
    [array, bank].concat()
}

#[test]
fn a_virtual_machine_is_described_line_by_line() {
    let expected = "\
disk logical count 1
disk vda size 10
disk vda vendor 0x1af4
disk vda optimal_io_size 0
disk vda physical_block_size 512
disk vda rotational 0
disk vda nr_requests 256
disk vda scheduler mq-deadline
disk vda Write Cache Enable 1
disk vda serial root-1
disk vda id virtio-root-1
system product name Standard PC (Q35 + ICH9, 2009)
system product vendor QEMU
system product version pc-q35-7.2
system product uuid 3f8a2b60-0000-4000-8000-000000000001
firmware bios version 0.0.0
firmware bios date 02/06/2015
firmware bios vendor EFI Development Kit II / OVMF
system os vendor Debian
system os version Debian GNU/Linux 12 (bookworm)
system kernel version 6.1.0-1-amd64
system kernel arch x86_64
system kernel cmdline console=ttyS0 edeploy.token=… FAKEIPMI=1
memory total size 1073741824
memory bank:0 size 1073741824
memory bank:0 description DIMM RAM
memory bank:0 vendor QEMU
memory bank:0 slot DIMM 0
memory banks count 1
network eth0 serial 52:54:12:34:00:ab
network eth0 businfo virtio@1
network eth0 link yes
network eth0 driver virtio_net
cpu physical_0 physid 0
cpu physical_0 product QEMU Virtual CPU version 2.5+
cpu physical_0 vendor Intel Corp.
cpu physical_0 frequency 2599998000
cpu physical_0 cores 1
cpu physical_0 enabled_cores 1
cpu physical_0 threads 1
cpu physical_0 family 6
cpu physical_0 model 94
cpu physical_0 stepping 3
cpu physical_0 flags fpu de pse
cpu physical_1 physid 1
cpu physical_1 vendor Intel Corp.
cpu physical_1 threads 1
cpu physical number 2
cpu logical number 2
cpu logical_0 bogomips 5199.99
cpu logical_0 cache_size 16384KB
cpu logical_1 bogomips 5200.01
numa nodes count 1
numa node_0 cpu_count 2
numa node_0 cpu_mask 0x3
system ipmi-fake channel 0";
    assert_eq!(vm().detected(), expected.lines().collect::<Vec<_>>());
}

#[test]
fn a_machine_without_a_card_has_no_network() {
    let machine = vm();
    std::fs::remove_dir_all(machine.root().join("sys/class/net")).unwrap();
    assert_eq!(machine.lines("network"), [""; 0]);
    assert_eq!(machine.lines("disk logical"), ["disk logical count 1"]);
}

#[test]
fn a_card_without_link_has_neither_speed_nor_duplex() {
    let machine = Machine::new();
    machine.card(
        "eth1",
        ("virtio", "virtio2"),
        "virtio_net",
        &[("carrier", "0"), ("speed", "1000"), ("duplex", "full")],
    );
    assert_eq!(
        machine.lines("network"),
        ["network eth1 businfo virtio@2", "network eth1 link no", "network eth1 driver virtio_net"]
    );
}

#[test]
fn memory_is_counted_in_blocks_or_as_the_kernel_has_it_where_the_firmware_is_silent() {
    let machine = Machine::new();
    machine.file("proc/meminfo", "MemTotal:         497440 kB\nMemFree: 1 kB\n");
    assert_eq!(machine.lines("memory"), ["memory total size 509378560"]);
    machine.file("sys/devices/system/memory/block_size_bytes", "8000000\n");
    for block in ["memory0", "memory1", "memory2", "memory3"] {
        machine.file(&format!("sys/devices/system/memory/{block}/online"), "1\n");
    }
    assert_eq!(machine.lines("memory"), ["memory total size 536870912"]);
}

#[test]
fn nothing_at_all_is_a_machine_without_disks() {
    let expected = [
        "disk logical count 0".to_owned(),
        format!("system kernel arch {}", std::env::consts::ARCH),
        "cpu physical number 0".to_owned(),
        "cpu logical number 0".to_owned(),
    ];
    assert_eq!(Machine::new().detected(), expected);
}
