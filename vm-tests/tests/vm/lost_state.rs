//! A machine that has lost its state partition still boots, says so, and blesses nothing.

use vm_tests::disk::lose_state;

use crate::fixture::fixture;
use crate::guest::Guest;

#[test]
fn without_its_state_a_machine_boots_on_a_volatile_var_and_says_so() {
    let image = &fixture().twins[0];
    let mut guest = Guest::start_with(image, "lost", |disk| lose_state(disk, image));
    guest.wait_for("/var IS VOLATILE");
    let told = guest.must("edeploy-ab status");
    assert!(told.contains("WARNING     /var is volatile"), "{told}");
    assert_eq!(guest.must("findmnt --noheadings --output FSTYPE /var"), "tmpfs\n");
    guest.must("test -e /var/lib/dpkg/status");
    let said = guest.ends_with(3, "edeploy-ab bless");
    assert!(said.contains("/var is volatile: nothing is blessed"), "{said}");
}
