//! Exactly one disk, or the reasons.

use edeploy_ab::detect::hint::{choose, parse};

use crate::machine::Machine;
use crate::server::server;

/// The node that is chosen, below the machine's root, or what is said.
fn chosen(machine: &Machine, hint: &str) -> Result<String, String> {
    let path = choose(machine.root(), &parse(hint).unwrap()).map_err(|e| e.to_string())?;
    Ok(path.strip_prefix(machine.root()).unwrap().display().to_string())
}

#[test]
fn one_of_two_alike_disks_is_chosen_by_what_tells_them_apart() {
    let machine = server();
    for hint in [
        "serial=6XP2FK74",
        "by-id=wwn-0x5000c5004bb62b0f",
        "by-id=/dev/disk/by-id/scsi-35000c5004bb62b0f",
        "name=sdb",
        "model=ST9300605SS,serial=6XP2FK74,min-size=300G,max-size=300G,rotational=yes",
    ] {
        assert_eq!(chosen(&machine, hint), Ok("dev/sdb".to_owned()), "{hint}");
    }
    assert_eq!(chosen(&machine, "rotational=no"), Ok("dev/nvme0n1".to_owned()));
    assert_eq!(chosen(&machine, "max-size=280G"), Ok("dev/nvme0n1".to_owned()));
}

#[test]
fn where_more_than_one_fits_all_are_named() {
    let said = "more than one disk fits: sda, sdb; say more of the one that is meant";
    assert_eq!(chosen(&server(), "model=ST9300605SS"), Err(said.to_owned()));
    let said = "more than one disk fits: nvme0n1, sda, sdb; say more of the one that is meant";
    assert_eq!(chosen(&server(), ""), Err(said.to_owned()));
}

#[test]
fn where_none_fits_each_says_why() {
    let machine = Machine::new();
    machine
        .disk("sda", 200_000_000, &[("serial", "S1")])
        .disk("sdb", 2_000, &[("removable", "1"), ("device/model", "Stick")])
        .disk("sdc", 300_000_000, &[("ro", "1"), ("queue/rotational", "1")]);
    let said = "no disk fits: \
        sda: its serial number is \"S1\", not \"S2\", it has 102400000000 bytes, less than 120000000000; \
        sdb: it is removable, its serial number is not known, not \"S2\", it has 1024000 bytes, less than 120000000000; \
        sdc: it is read-only, its serial number is not known, not \"S2\", it rotates";
    assert_eq!(chosen(&machine, "serial=S2,min-size=120G,rotational=no"), Err(said.to_owned()));
    let said = "no disk fits: \
        sda: it is not sdz, it is not wwn-1 in /dev/disk/by-id, its model is not known, not \"M\", it has 102400000000 bytes, more than 1000; \
        sdb: it is removable, it is not sdz, it is not wwn-1 in /dev/disk/by-id, its model is \"Stick\", not \"M\", it has 1024000 bytes, more than 1000; \
        sdc: it is read-only, it is not sdz, it is not wwn-1 in /dev/disk/by-id, its model is not known, not \"M\", it has 153600000000 bytes, more than 1000";
    assert_eq!(chosen(&machine, "name=sdz,by-id=wwn-1,model=M,max-size=1K"), Err(said.to_owned()));
}

#[test]
fn a_machine_without_disks_is_told_so() {
    let machine = Machine::new();
    machine
        .file("sys/block/loop0/size", "204800\n")
        .file("sys/block/ram0/size", "204800\n")
        .file("sys/block/zram0/size", "204800\n")
        .file("sys/block/dm-0/size", "204800\n")
        .file("sys/block/md0/size", "204800\n")
        .disk("sr0", 204_800, &[])
        .disk("fd0", 2_880, &[])
        .disk("mmcblk0boot0", 8_192, &[])
        .disk("sda", 0, &[]);
    assert_eq!(chosen(&machine, ""), Err("this machine has no disk".to_owned()));
}

#[test]
fn what_is_in_use_is_no_candidate() {
    let machine = Machine::new();
    for (name, number) in [("sda", "8:0"), ("sdb", "8:16"), ("sdc", "8:32"), ("sdd", "8:48"), ("sde", "8:64")]
    {
        machine.disk(name, 200_000_000, &[("dev", number)]);
    }
    machine
        .files("sys/block/sda/sda1", &[("partition", "1"), ("dev", "8:1")])
        .files("sys/block/sdc/sdc2", &[("partition", "2"), ("dev", "8:34")])
        .files("sys/block/sdd/sdd1", &[("partition", "1"), ("dev", "8:49"), ("holders/md0/x", "")])
        .file(
            "proc/self/mountinfo",
            "1 0 0:1 / / rw - rootfs rootfs rw\n22 1 8:1 / /run/medium ro shared:1 - iso9660 /dev/root ro\n23 1 0:40 /@ /data rw - btrfs /dev/sdb rw\nbroken\n",
        )
        .file("proc/swaps", "Filename Type Size Used Priority\n/dev/sdc2 partition 1 0 -2\n");
    assert_eq!(chosen(&machine, ""), Ok("dev/sde".to_owned()));
    let said = "no disk fits: \
        sda: it is in use: sda1 is mounted at /run/medium, it has 102400000000 bytes, less than 1000000000000; \
        sdb: it is in use: sdb is mounted at /data, it has 102400000000 bytes, less than 1000000000000; \
        sdc: it is in use: sdc2 is swap, it has 102400000000 bytes, less than 1000000000000; \
        sdd: it is in use: sdd1 is part of md0, it has 102400000000 bytes, less than 1000000000000; \
        sde: it has 102400000000 bytes, less than 1000000000000";
    assert_eq!(chosen(&machine, "min-size=1T"), Err(said.to_owned()));
}

#[test]
fn a_name_with_a_folder_leads_into_it() {
    let machine = Machine::new();
    machine.disk("cciss!c0d0", 200_000_000, &[]);
    assert_eq!(chosen(&machine, ""), Ok("dev/cciss/c0d0".to_owned()));
}
