//! A machine in which a copy of its disk was left.

use std::path::PathBuf;

use vm_tests::disk::{ESP, SLOTS, STATE, is_as};

use crate::fixture::{fixture, wait_for};
use crate::guest::Guest;

#[test]
fn beside_a_copy_of_its_disk_one_of_them_is_upgraded_and_the_other_is_not_written() {
    let image = &fixture().twins[1];
    let mut copy = PathBuf::new();
    let mut disk = PathBuf::new();
    let mut guest = Guest::start_by(image, "copied", |machine| {
        copy = machine.with_a_copy_of(image);
        disk = machine.disk().to_owned();
    });
    wait_for("1.1");
    guest.has_booted();
    guest.ends_with(100, "edeploy-ab upgrade 1.1 --no-reboot");
    let status = guest.status();
    assert_eq!(status["next"], "edeploy-b-g2+3.conf", "{status}");
    let of_state = guest.must("findmnt -no SOURCE /var");
    guest.tell(&format!("keeps its state on {}", of_state.trim()));
    let [used, other] = match of_state.trim() {
        "/dev/vda4" => [&disk, &copy],
        "/dev/vdb4" => [&copy, &disk],
        other => panic!("{other}"),
    };
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
    assert!(!is_as(used, image), "the one that is used has the new version");
    assert!(is_as(other, image), "the other one is as it was");
}
