//! Machines with programs that know more.

use crate::machine::Machine;
use crate::server::server;

fn answer(name: &str) -> String {
    format!("cat '{}/tests/detect/answers/{name}'", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_management_controller_says_its_channel_its_address_and_its_sensors() {
    let machine = Machine::new();
    let script = format!(
        "case \"$*\" in\n'channel info 2') echo '  Volatile(active) Settings';;\n'lan print') {};;\n'-I open sdr') {};;\nesac",
        answer("ipmi_lan_info"),
        answer("parse_ipmi_sdr")
    );
    machine.file("dev/ipmi0", "").tool("ipmitool", &script);
    let lines = machine.detected();
    for line in [
        "system ipmi channel 2",
        "ipmi lan ip-address 10.151.68.13",
        "ipmi lan subnet-mask 255.255.255.0",
        "ipmi lan mac-address 00:30:48:f4:4d:83",
        "ipmi lan rmcp+-cipher-suites 1,2,3,6,7,8,11,12,0",
        "ipmi Power Supply 1 value 90",
        "ipmi Power Supply 1 unit Watts",
        "ipmi Temp 18 value disabled",
        "ipmi UID Light value 0x00",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} is not in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("AMI")), "the community string is a password");
}

#[test]
fn without_a_device_the_controller_is_not_asked() {
    let machine = Machine::new();
    machine.tool("ipmitool", "echo Volatile");
    assert!(!machine.detected().iter().any(|line| line.contains("ipmi")));
}

#[test]
fn disks_say_how_they_are() {
    let machine = server();
    let script = format!(
        "case \"$*\" in\n*/dev/sda) {};;\n*/dev/sdb) {};;\n*/dev/nvme0n1) {};;\nesac",
        answer("smartctl_scsi"),
        answer("smartctl_ata"),
        answer("smartctl_nvme")
    );
    machine.tool("smartctl", &script);
    let lines = machine.detected();
    for line in [
        "disk sda SMART/vendor SEAGATE",
        "disk sda SMART/product ST9300605SS",
        "disk sda SMART/serial_number 6XP2FK730000M233QACC",
        "disk sda SMART/health OK",
        "disk sda SMART/current_drive_temperature 36",
        "disk sda SMART/current_drive_temperature_unit C",
        "disk sda SMART/power_on_hours 14491.72",
        "disk sda SMART/read_total_corrected_errors 1521076288",
        "disk sda SMART/write_gigabytes_processed 1543.290",
        "disk sda SMART/write_total_uncorrected_errors 0",
        "disk sdb SMART/device_model FUJITSU MHZ2250BK G2",
        "disk sdb SMART/Reallocated_Sector_Ct(5)/raw 0 (2000 0)",
        "disk sdb SMART/Reallocated_Sector_Ct(5)/thresh 024",
        "disk sdb SMART/Power_On_Hours(9)/when_failed NEVER",
        "disk nvme0n1 SMART/device_model Samsung SSD 950 PRO 256GB",
        "disk nvme0n1 SMART/health PASSED",
        "disk nvme0n1 SMART/current_drive_temperature 40",
        "disk nvme0n1 SMART/power_on_hours 129",
    ] {
        assert!(lines.contains(&line.to_owned()), "{line} is not in {lines:#?}");
    }
}

#[test]
fn controllers_are_asked_by_the_first_of_their_tools() {
    let machine = Machine::new();
    machine
        .tool("hpacucli", "echo 'Smart Array P410 in Slot 3 (sn: OLD)'")
        .tool("ssacli", "case \"$*\" in\n'ctrl all show') echo 'Smart Array P420i in Slot 0 (Embedded) (sn: 1)';;\n*'pd all show') echo 'physicaldrive 1I:1:4 (port 1I:box 1:bay 4, Solid State SATA, 100 GB, OK)';;\n*) echo '   Size: 100 GB';;\nesac")
        .tool("storcli64", "echo '{\"Controllers\":[{\"Response Data\":{\"Basics\":{\"Model\":\"PERC\"}}}]}'");
    let expected = [
        "hpa slots count 1",
        "hpa slot_0 size 100 GB",
        "disk 1I:1:4 type Solid State SATA",
        "disk 1I:1:4 slot 0",
        "disk 1I:1:4 size 100",
        "disk hpa size 100.00",
        "disk hpa count 1",
        "megaraid Controller_0 ProductName PERC",
        "disk logical count 0",
    ];
    assert_eq!(machine.detected()[..expected.len()], expected);
}

#[test]
fn infiniband_has_the_names_of_ibstat() {
    let machine = Machine::new();
    machine
        .files(
            "sys/class/infiniband/mlx4_0",
            &[
                ("hca_type", "MT4099"),
                ("fw_ver", "2.11.500"),
                ("hw_rev", "0"),
                ("node_guid", "0002:c903:00ea:6840"),
                ("sys_image_guid", "0002:c903:00ea:6843"),
            ],
        )
        .files(
            "sys/class/infiniband/mlx4_0/ports/1",
            &[
                ("state", "4: ACTIVE"),
                ("phys_state", "5: LinkUp"),
                ("rate", "40 Gb/sec (4X QDR)"),
                ("lid", "0x1f"),
                ("lid_mask_count", "0"),
                ("sm_lid", "0x1"),
                ("gids/0", "fe80:0000:0000:0000:0002:c903:00ea:6841"),
            ],
        );
    let expected = "\
infiniband card0 card_type mlx4_0
infiniband card0 device_type MT4099
infiniband card0 fw_version 2.11.500
infiniband card0 hw_version 0
infiniband card0 nb_ports 1
infiniband card0 sys_guid 0x0002c90300ea6843
infiniband card0 node_guid 0x0002c90300ea6840
infiniband card0_port1 state Active
infiniband card0_port1 physical_state LinkUp
infiniband card0_port1 rate 40
infiniband card0_port1 base_lid 31
infiniband card0_port1 lmc 0
infiniband card0_port1 sm_lid 1
infiniband card0_port1 port_guid 0x0002c90300ea6841";
    assert_eq!(machine.lines("infiniband"), expected.lines().collect::<Vec<_>>());
}
