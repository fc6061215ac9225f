//! A machine that has lost its state partition still boots, says so, and blesses nothing; one that has lost its ESP boots
//! once it is repaired, also with a torn partition table.

use std::path::Path;

use vm_tests::disk::{ESP, SLOTS, STATE, lose_state, place};
use vm_tests::machine::Machine;
use vm_tests::tool::{edeploy_ab, run};

use crate::fixture::{fixture, tell};
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

#[test]
fn without_its_esp_and_with_a_torn_table_a_machine_boots_again_once_a_rescue_system_repaired_it() {
    let fixture = fixture();
    let disk = fixture.folder.join("lost-esp.img");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    run("cp", &["--sparse=always", &text(&fixture.twins[1]), &text(&disk)]);
    let (start, size) = place(&disk, ESP);
    // And the first of both partition tables is torn: the firmware makes it of the second.
    let zeros = [format!("write -z {start} {size}"), "write -z 512 512".to_owned()];
    run("qemu-io", &["-f", "raw", "-c", &zeros[0], "-c", &zeros[1], &text(&disk)]);
    let said = run(edeploy_ab(), &["repair", "--disk", &text(&disk)]);
    assert!(said.contains(" repaired; edeploy-a-g"), "{said}");
    let mut machine = Machine::on(&disk, &fixture.folder, "lost-esp");
    tell("lost-esp", "switched on, repaired");
    machine.start();
    let mut guest = Guest::of(machine, "lost-esp");
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.0".into(), &"a".into()), "{status}");
    guest.must("edeploy-ab verify");
    assert_eq!(guest.must("dd if=/dev/vda bs=1 skip=512 count=8 status=none"), "EFI PART");
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}
