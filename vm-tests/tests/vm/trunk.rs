//! A machine behind a trunk, that boots the stick of `docs/installer.md`: the network is a VLAN, and the card goes away.

use std::sync::LazyLock;

use vm_tests::hardware::{Hardware, Wire};
use vm_tests::machine::Machine;
use vm_tests::rack::Place;
use vm_tests::stick;

use crate::fixture::{fixture, tell};
use crate::install::{INSTALLER, blank};
use crate::rack::{is_installed, is_its_role};

/// Another store, beside that of the rack.
const PLACE: Place =
    Place { name: "trunk", mac: "52:54:00:00:06:01", profile: Some("db"), own: ["db2", "10.0.2.202"] };

/// Boots the stick, which is told about its network by `arguments`, as far as the service that waits for a permission.
fn boots_the_stick(machine: &mut Machine, arguments: &str) {
    let fixture = fixture();
    let service = fixture.fleet.url_of_machines();
    let port = fixture.port;
    let all = format!(
        "console=ttyS0 quiet edeploy.server={service} edeploy.repo=http://10.0.2.2:{port} {arguments}"
    );
    machine.boot_stick_once(&stick::make(&fixture.folder, &INSTALLER, &all));
    tell(PLACE.name, &format!("boots the installer from a stick: {arguments}"));
    machine.start();
    is_refused(machine);
}

fn is_refused(machine: &mut Machine) {
    let mac = PLACE.mac;
    machine.wait_for(&format!(
        "waiting: the service answers 403: Forbidden: nobody permitted {mac} to be installed"
    ));
}

/// Its card goes away and comes back, is set up as `says`, and the service is reached again.
fn comes_back(machine: &mut Machine, says: &str) {
    machine.card(false);
    machine.wait_for("eth0 is gone");
    tell(PLACE.name, "has no card");
    machine.card(true);
    machine.wait_for(says);
    is_refused(machine);
}

#[test]
fn a_machine_in_a_vlan_is_installed_also_when_its_card_went_away_and_came_back() {
    LazyLock::force(&INSTALLER);
    let direct = Hardware { netboot: None, ..PLACE.hardware(String::new()) };
    let mut machine = Machine::over(&blank(PLACE.name), &fixture().folder, PLACE.name);
    machine.made_of(Hardware { wire: Wire::Trunk(7), ..direct.clone() });
    boots_the_stick(&mut machine, "IP=all:dhcp@7");
    comes_back(&mut machine, "eth0.7: asking for an address");
    machine.cut_power();
    let told = "IP=other:10.0.2.77/24@7 edeploy.gateway=10.0.2.2 edeploy.dns=10.0.2.3";
    boots_the_stick(&mut machine, told);
    comes_back(&mut machine, "eth0.7: 10.0.2.77/24");
    fixture().fleet.command(&["permit", PLACE.mac]);
    tell(PLACE.name, "is permitted");
    is_installed(&PLACE, &mut machine);
    machine.made_of(direct);
    is_its_role(&PLACE, machine);
}
