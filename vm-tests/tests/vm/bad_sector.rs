//! A disk that has lost a sector of a file in the running slot.

use vm_tests::disk::{SLOTS, sector_of};

use crate::fixture::{fixture, wait_for};
use crate::guest::Guest;

/// A file that a boot does not read, and that is the same in the next version: taken from the running slot, if it can
/// be.
const FILE: &str = "/usr/bin/zstd";

#[test]
fn a_file_of_the_running_slot_that_cannot_be_read_is_fetched_and_said_to_be() {
    let image = &fixture().twins[1];
    let sector = sector_of(image, SLOTS[0], FILE);
    let mut guest = Guest::start_by(image, "bad-sector", |machine| machine.fail_reads_of(sector));
    let said = guest.ends_with(1, &format!("cat {FILE} >/dev/null"));
    assert!(said.contains("Input/output error"), "{said}");
    wait_for("1.1");
    guest.has_booted();
    let said = guest.ends_with(100, "edeploy-ab upgrade 1.1 --no-reboot 2>&1");
    guest.tell(&said);
    let told = |line: &str| line.contains(FILE) && line.contains("cannot be read");
    assert!(said.lines().any(told), "{said}");
    let status = guest.status();
    assert_eq!(status["next"], "edeploy-b-g2+3.conf", "{status}");
    let said = guest.ends_with(9, "edeploy-ab verify 2>&1");
    assert!(said.lines().any(told), "{said}");
}
