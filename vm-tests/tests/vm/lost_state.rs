//! A machine that has lost its state partition still boots, says so, and blesses nothing; one that has lost its ESP boots
//! once it is repaired.

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
fn without_its_esp_a_machine_boots_again_once_a_rescue_system_repaired_it() {
    let fixture = fixture();
    let disk = fixture.folder.join("lost-esp.img");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    run("cp", &["--sparse=always", &text(&fixture.twins[1]), &text(&disk)]);
    let (start, size) = place(&disk, ESP);
    let zeros = format!("write -z {start} {size}");
    run("qemu-io", &["-f", "raw", "-c", &zeros, &text(&disk)]);
    let said = run(edeploy_ab(), &["repair", "--disk", &text(&disk)]);
    assert!(said.contains(" repaired; edeploy-a-g"), "{said}");
    let mut machine = Machine::on(&disk, &fixture.folder, "lost-esp");
    tell("lost-esp", "switched on, repaired");
    machine.start();
    let mut guest = Guest::of(machine, "lost-esp");
    let status = guest.status();
    assert_eq!((&status["version"], &status["slot"]), (&"1.0".into(), &"a".into()), "{status}");
    guest.must("edeploy-ab verify");
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}
