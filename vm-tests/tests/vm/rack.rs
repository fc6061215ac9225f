//! Empty machines with nothing but a network card boot from it, and become what the real fleet service says.

use std::fs;
use std::sync::LazyLock;

use vm_tests::disk::{ESP, SLOTS, STATE};
use vm_tests::machine::Machine;
use vm_tests::rack::{PLACES, Place};
use vm_tests::tool::{repository, run};

use crate::fixture::{OTHER_ROLE, ROLE, fixture, tell};
use crate::guest::Guest;
use crate::install::{INSTALLER, blank, is_as};

/// What a machine says that boots from the network and was not asked for.
pub(crate) const NOT_ASKED: &str = "Nobody asked for an install: this machine boots from its disk";

/// The same, by the operator's own script.
const NOT_PERMITTED: &str = "Nobody permitted this machine, or the service does not answer";

/// A machine of the rack that may be installed, switched on.
fn switched_on(place: &Place) -> Machine {
    LazyLock::force(&INSTALLER);
    let fixture = fixture();
    fixture.fleet.command(&["permit", place.mac]);
    let mut machine = Machine::over(&blank(place.name), &fixture.folder, place.name);
    machine.made_of(place.hardware(fixture.fleet.boot_script()));
    tell(place.name, "boots from its network card");
    machine.start();
    machine
}

/// A machine of the rack with an iPXE that holds the operator's own script: as `ipxe/verified.ipxe`, but for the commands
/// that Debian's iPXE lacks, and addresses.
fn switched_on_with_its_own_script(place: &Place) -> Machine {
    LazyLock::force(&INSTALLER);
    let fixture = fixture();
    let script = fs::read_to_string(repository().join("ipxe/verified.ipxe")).unwrap();
    let lacking = |line: &&str| ["imgtrust", "imgverify"].iter().any(|word| line.starts_with(word));
    assert_eq!(script.lines().filter(lacking).count(), 3, "imgtrust, and imgverify of kernel and initrd");
    let script: Vec<&str> = script.lines().filter(|line| !lacking(line)).collect();
    let script = script.join("\n").replace("http://install.example", &fixture.fleet.url_of_machines());
    let repo = format!("http://10.0.2.2:{} console=ttyS0", fixture.port);
    let script = script.replace("${service}/repo", &repo);
    fs::write(fixture.published.join("own.ipxe"), script).unwrap();
    fixture.fleet.command(&["permit", place.mac]);
    let mut machine = Machine::over(&blank(place.name), &fixture.folder, place.name);
    machine.made_of(place.hardware(format!("http://10.0.2.2:{}/own.ipxe", fixture.port)));
    tell(place.name, "boots from its network card, by the operator's script");
    machine.start();
    machine
}

#[test]
fn machines_that_boot_from_the_network_become_what_their_profiles_say() {
    // Two at a time.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            becomes(&PLACES[0], switched_on(&PLACES[0]), NOT_ASKED);
            matches_nothing(&PLACES[3]);
        });
        scope.spawn(|| {
            becomes(&PLACES[1], switched_on_with_its_own_script(&PLACES[1]), NOT_PERMITTED);
            becomes(&PLACES[2], switched_on(&PLACES[2]), NOT_ASKED);
        });
    });
}

/// The machine is installed, is left alone when it boots from the network again, and is what its profile says.
fn becomes(place: &Place, mut machine: Machine, left_alone: &str) {
    is_installed(place, &mut machine);
    machine.wait_for(left_alone);
    is_its_role(place, machine);
}

pub(crate) fn is_installed(place: &Place, machine: &mut Machine) {
    machine.wait_for(&format!(": profile {}, ", place.profile.unwrap()));
    tell(place.name, "has a plan that holds");
    machine.wait_for(" is installed");
    tell(place.name, "is installed");
}

/// It comes up as what its profile says, and the service knows it.
pub(crate) fn is_its_role(place: &Place, machine: Machine) {
    let mut guest = Guest::of(machine, place.name);
    let [host, address] = place.own;
    assert_eq!(guest.must("hostname").trim(), host);
    let until = format!("until ip -4 -o addr | grep -F ' {address}/24 '; do sleep 0.2; done");
    assert!(guest.must(&until).contains("en"), "{address}");
    assert_eq!(guest.must("edeploy-ab profile").trim(), place.profile.unwrap());
    let role = if place.profile == Some("web") { ROLE } else { OTHER_ROLE };
    assert_eq!(guest.must("edeploy-ab role").trim(), role);
    let known = fixture().fleet.host(place.mac);
    assert_eq!((&known["stage"], &known["failure"]), (&"installed".into(), &().into()), "{known:#}");
    assert_eq!((&known["profile"], &known["permission"]), (&place.profile.into(), &().into()), "{known:#}");
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}

/// The machine gets no profile, and its console and the service say why.
fn matches_nothing(place: &Place) {
    let mut machine = switched_on(place);
    let tried = [
        "profile web: does not match: line 1: system product name Web Server: ",
        "profile db: does not match: line 2: disk logical count ge(2): ",
    ];
    tried.iter().for_each(|line| machine.wait_for(line));
    machine.wait_for(
        "FAILED at the stage detected: the service answers 409: Conflict: no profile fits: web, db",
    );
    machine.wait_for("this machine stays as it is");
    let known = fixture().fleet.host(place.mac);
    assert_eq!(known["tried"].as_array().unwrap().len(), 2, "{known:#}");
    let vendor = serde_json::json!(["network", "eth0", "vendor", "Intel Corporation"]);
    assert!(known["hardware"].as_array().unwrap().contains(&vendor), "the name, not the number: {known:#}");
    is_as(machine, &fixture().folder.join(format!("{}.img", place.name)));
}

#[test]
fn a_machine_that_a_bios_boots_from_the_network_is_refused_by_the_service() {
    let place = Place { name: "rack-1", mac: "52:54:00:00:05:01", ..PLACES[0] };
    let fixture = fixture();
    fixture.fleet.command(&["permit", place.mac]);
    let image = blank("rack-bios");
    let mut machine = Machine::over(&image, &fixture.folder, "rack-bios");
    machine.made_of(place.hardware(fixture.fleet.boot_script()));
    machine.without_uefi();
    tell("rack-bios", "boots from its network card");
    machine.start();
    let reason = "it was started by a BIOS, and only UEFI boots what is installed";
    // The screen of a BIOS is 80 columns wide.
    machine.wait_for("This machine is not installed: it was started by a BIOS");
    machine.wait_for("No more network devices");
    let known = fixture.fleet.host(place.mac);
    assert_eq!(known["failure"], reason, "{known:#}");
    let page = run("curl", &["-s", &fixture.fleet.page()]);
    assert!(page.contains(reason), "{page}");
    is_as(machine, &image);
}
