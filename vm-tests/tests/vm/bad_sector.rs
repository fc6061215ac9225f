//! A disk that has lost a sector of a file in the running slot, and fails once where the other slot is written.

use std::path::Path;

use vm_tests::disk::{SLOTS, place, sector_of};

use crate::fixture::{fixture, wait_for};
use crate::guest::Guest;

/// A file that a boot does not read, and that is the same in the next version: taken from the running slot, if it can
/// be.
const FILE: &str = "/usr/bin/zstd";

/// Sectors of slot b of which at least one is written when it gets a tree: ext4 puts /usr, the most of the tree, into one of
/// its block groups, by chance, from the group's beginning on. So: 16 MiB behind the beginning of each.
fn written_in_slot_b(image: &Path) -> impl Iterator<Item = u64> {
    const GROUP: usize = 32768 * 4096;
    let (start, length) = place(image, SLOTS[1]);
    (16 << 20..length).step_by(GROUP).map(move |at| (start + at) / 512)
}

#[test]
fn a_disk_that_cannot_read_a_file_of_the_running_slot_or_write_the_other_fails_upgrades_until_it_can() {
    let image = &fixture().twins[1];
    let sector = sector_of(image, SLOTS[0], FILE);
    let mut guest = Guest::start_by(image, "bad-sector", |machine| {
        machine.fail_reads_of(sector);
        written_in_slot_b(image).for_each(|sector| machine.fail_a_write_of(sector));
    });
    let said = guest.ends_with(1, &format!("cat {FILE} >/dev/null"));
    assert!(said.contains("Input/output error"), "{said}");
    wait_for("1.1");
    guest.has_booted();
    let said = guest.ends_with(1, "edeploy-ab upgrade 1.1 --no-reboot 2>&1");
    guest.tell(&said);
    let told = |line: &str| line.contains(FILE) && line.contains("cannot be read");
    assert!(said.lines().any(told), "{said}");
    assert!(said.contains("edeploy-ab: writing out / of the slot: I/O error"), "{said}");
    let status = guest.status();
    assert_eq!(status["next"], "edeploy-a-g1.conf", "{status}");
    // A sector that is written for the first time now fails once more.
    let left = written_in_slot_b(image).count();
    let said = guest.must(&format!(
        "code=1; left={left}; while [ $code = 1 ] && [ $left -gt 0 ]; do left=$((left - 1)); \
         edeploy-ab upgrade 1.1 --no-reboot 2>&1; code=$?; done; [ $code = 100 ]"
    ));
    guest.tell(&said);
    let status = guest.status();
    assert_eq!(status["next"], "edeploy-b-g2+3.conf", "{status}");
    let said = guest.ends_with(9, "edeploy-ab verify 2>&1");
    assert!(said.lines().any(told), "{said}");
}
