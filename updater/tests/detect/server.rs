//! A server: two alike SAS disks, an NVMe disk, a USB stick, cards with and without link, two sockets, two arrays.

use crate::machine::{Machine, structure};

fn processor(handle: u16) -> Vec<u8> {
    let fields: [(usize, &[u8]); 4] =
        [(0x12, &[100, 0]), (0x16, &[0x98, 0x08]), (0x18, &[0x41]), (0x23, &[6, 6, 12])];
    structure(4, handle, 0x2a, &fields, &[])
}

fn bank(array: u16, mib: u16, slot: &str) -> Vec<u8> {
    let (array, mib) = (array.to_le_bytes(), mib.to_le_bytes());
    let fields: [(usize, &[u8]); 8] = [
        (4, &array),
        (0x0c, &mib),
        (0x0e, &[9]),
        (0x10, &[1]),
        (0x12, &[0x18]),
        (0x13, &[0x80, 0]),
        (0x15, &[0x40, 0x06]),
        (0x17, &[2]),
    ];
    structure(17, 0x1100, 0x1c, &fields, &[slot, "00CE00B300CE"])
}

fn sas(machine: &Machine, name: &str, address: &str, serial: &str, wide: &str) {
    machine.disk(
        name,
        585_937_500,
        &[
            ("device/vendor", "SEAGATE"),
            ("device/model", "ST9300605SS"),
            ("device/rev", "0002"),
            ("device/wwid", &format!("naa.{wide}")),
            (&format!("device/scsi_disk/{address}/cache_type"), "write through"),
            ("queue/rotational", "1"),
        ],
    );
    let page = [&[0, 0x80, 0, 20][..], format!("{serial:<20}").as_bytes()].concat();
    machine.file(&format!("sys/block/{name}/device/vpd_pg80"), page);
}

pub(crate) fn server() -> Machine {
    let machine = Machine::new();
    sas(&machine, "sda", "0:0:0:0", "6XP2FK73", "5000c5004bb62a0f");
    sas(&machine, "sdb", "0:0:1:0", "6XP2FK74", "5000c5004bb62b0f");
    machine
        .disk("sdc", 31_250_000, &[("removable", "1"), ("device/model", "Stick")])
        .disk(
            "nvme0n1",
            500_118_192,
            &[
                ("device/model", "Samsung SSD 950 PRO 256GB"),
                ("device/serial", "S2GLNX0H"),
                ("device/firmware_rev", "1B0QBXX7"),
                ("wwid", "eui.0025385b61b01234"),
            ],
        )
        .disk("nvme0c0n1", 500_118_192, &[("hidden", "1")])
        .file("sys/block/md127/size", "1000000\n")
        .file("sys/block/dm-0/size", "1000000\n")
        .link("dev/disk/by-id/scsi-35000c5004bb62a0f", "../../sda")
        .link("dev/disk/by-id/scsi-SSEAGATE_ST9300605SS_6XP2FK73", "../../sda")
        .link("dev/disk/by-id/scsi-35000c5004bb62a0f-part1", "../../sda1");
    cards(&machine);
    machine.files(
        "sys/class/dmi/id",
        &[
            ("sys_vendor", "Dell Inc."),
            ("product_name", "PowerEdge M520"),
            ("product_sku", "SKU=NotProvided;ModelName=PowerEdge M520"),
            ("product_serial", "0123456789"),
            ("board_serial", "..CN1374035A00B8."),
            ("product_uuid", "00000000-0000-0000-0000-000000000000"),
        ],
    );
    let array = |handle| structure(16, handle, 0x0f, &[(4, &[1, 3])], &[]);
    let table = [
        processor(0x400),
        processor(0x401),
        array(0x1000),
        array(0x1001),
        bank(0x1000, 16384, "DIMM_A1"),
        bank(0x1000, 0, "DIMM_A2"),
        bank(0x1001, 16384, "DIMM_B1"),
    ];
    machine.file("sys/firmware/dmi/tables/DMI", table.concat());
    let processors = (0..24).map(|n| {
        format!(
            "processor: {n}\nmodel name: Xeon E5-2420\nphysical id: {}\ncpu cores: 6\nsiblings: 12\n\n",
            n % 2
        )
    });
    machine.file("proc/cpuinfo", processors.collect::<String>());
    machine
}

fn cards(machine: &Machine) {
    let mut config = [0; 64];
    config[0x0d] = 32;
    machine
        .card(
            "eth0",
            ("pci", "0000:15:00.0"),
            "tg3",
            &[("address", "b8:2a:72:02:1b:01"), ("carrier", "1"), ("speed", "1000"), ("duplex", "full")],
        )
        .files("sys/devices/0000:15:00.0", &[("vendor", "0x14e4"), ("device", "0x1657")])
        .file("sys/devices/0000:15:00.0/config", config)
        .card("eth1", ("pci", "0000:15:00.1"), "tg3", &[("address", "b8:2a:72:02:1b:02"), ("carrier", "0")])
        .files("sys/devices/0000:15:00.1", &[("vendor", "0xabcd"), ("device", "0x0001")])
        .file("usr/share/misc/pci.ids", "14e4  Broadcom Corporation\n\t1657  NetXtreme BCM5719\n");
}

#[test]
fn disks_are_told_apart_by_serial_and_names_and_the_stick_is_none() {
    let machine = server();
    assert_eq!(machine.lines("disk logical"), ["disk logical count 3"]);
    let expected = "\
disk sda size 300
disk sda vendor SEAGATE
disk sda model ST9300605SS
disk sda rev 0002
disk sda rotational 1
disk sda Write Cache Enable 0
disk sda Read Cache Disable 0
disk sda serial 6XP2FK73
disk sda scsi-id scsi-35000c5004bb62a0f
disk sda scsi-id scsi-SSEAGATE_ST9300605SS_6XP2FK73
disk sda wwn-id wwn-0x5000c5004bb62a0f";
    assert_eq!(machine.lines("disk sda"), expected.lines().collect::<Vec<_>>());
    assert!(machine.detected().contains(&"disk sdb serial 6XP2FK74".to_owned()));
    assert_eq!(machine.lines("disk sdc"), [""; 0]);
    let expected = "\
disk nvme0n1 size 256
disk nvme0n1 model Samsung SSD 950 PRO 256GB
disk nvme0n1 rev 1B0QBXX7
disk nvme0n1 rotational 0
disk nvme0n1 serial S2GLNX0H
disk nvme0n1 id nvme-Samsung_SSD_950_PRO_256GB_S2GLNX0H
disk nvme0n1 id nvme-eui.0025385b61b01234";
    assert_eq!(machine.lines("disk nvme"), expected.lines().collect::<Vec<_>>());
}

#[test]
fn cards_have_the_names_of_the_pci_list_or_their_numbers() {
    let expected = "\
network eth0 serial b8:2a:72:02:1b:01
network eth0 vendor Broadcom Corporation
network eth0 product NetXtreme BCM5719
network eth0 businfo pci@0000:15:00.0
network eth0 size 1000000000
network eth0 link yes
network eth0 driver tg3
network eth0 duplex full
network eth0 speed 1Gbit/s
network eth0 latency 32
network eth1 serial b8:2a:72:02:1b:02
network eth1 vendor 0xabcd
network eth1 product 0x0001
network eth1 businfo pci@0000:15:00.1
network eth1 link no
network eth1 driver tg3";
    assert_eq!(server().lines("network"), expected.lines().collect::<Vec<_>>());
}

#[test]
fn the_order_number_is_behind_the_name_and_a_bad_serial_gives_way_to_the_boards() {
    let expected = "\
system product serial ..CN1374035A00B8.
system product name PowerEdge M520 (SKU=NotProvided;ModelName=PowerEdge M520)
system product vendor Dell Inc.
system motherboard serial ..CN1374035A00B8.";
    let found: Vec<String> =
        server().lines("system").into_iter().filter(|line| !line.starts_with("system kernel")).collect();
    assert_eq!(found, expected.lines().collect::<Vec<_>>());
}

#[test]
fn memory_and_processors_are_those_of_the_firmware() {
    let machine = server();
    let expected = "\
memory total size 34359738368
memory bank:0:0 size 17179869184
memory bank:0:0 clock 1600000000
memory bank:0:0 description DIMM DDR3 Synchronous 1600 MHz (0.6 ns)
memory bank:0:0 vendor 00CE00B300CE
memory bank:0:0 slot DIMM_A1
memory bank:0:1 description DIMM DDR3 Synchronous [empty]
memory bank:0:1 vendor 00CE00B300CE
memory bank:0:1 slot DIMM_A2
memory bank:1:0 size 17179869184
memory bank:1:0 clock 1600000000
memory bank:1:0 description DIMM DDR3 Synchronous 1600 MHz (0.6 ns)
memory bank:1:0 vendor 00CE00B300CE
memory bank:1:0 slot DIMM_B1
memory banks count 3";
    assert_eq!(machine.lines("memory"), expected.lines().collect::<Vec<_>>());
    let expected = "\
cpu physical_1 physid 401
cpu physical_1 product Xeon E5-2420
cpu physical_1 frequency 2200000000
cpu physical_1 clock 100000000
cpu physical_1 cores 6
cpu physical_1 enabled_cores 6
cpu physical_1 threads 12
cpu physical number 2
cpu logical number 24";
    assert_eq!(machine.lines("cpu")[7..], expected.lines().collect::<Vec<_>>()[..]);
}
