//! Empty machines with nothing but a network card boot from it, and become what the real fleet service says.

use std::fs;
use std::sync::LazyLock;

use vm_tests::disk::{ESP, SLOTS, STATE};
use vm_tests::hardware::Hardware;
use vm_tests::machine::Machine;
use vm_tests::rack::{PLACES, Place};
use vm_tests::stick;
use vm_tests::tool::{repository, run};

use crate::fixture::{OTHER_ROLE, ROLE, fixture, tell};
use crate::guest::Guest;
use crate::install::{INSTALLER, blank, is_as};

/// What a machine says that boots from the network and was not asked for.
const NOT_ASKED: &str = "Nobody asked for an install: this machine boots from its disk";

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

/// A machine of the rack that boots the stick of the guide, with an address that it is told and asks nobody for, and that
/// nobody permitted before it asks.
fn switched_on_with_a_stick(place: &Place) -> Machine {
    LazyLock::force(&INSTALLER);
    let fixture = fixture();
    let mut machine = Machine::over(&blank(place.name), &fixture.folder, place.name);
    machine.made_of(from_its_disk(place));
    let service = fixture.fleet.url_of_machines();
    let arguments = format!(
        "console=ttyS0 quiet edeploy.server={service} edeploy.repo=http://10.0.2.2:{} \
         IP=other:10.0.2.77/24 edeploy.gateway=10.0.2.2 edeploy.dns=10.0.2.3",
        fixture.port
    );
    machine.boot_stick_once(&stick::make(&fixture.folder, &INSTALLER, &arguments));
    tell(place.name, "boots the installer from a stick");
    machine.start();
    machine.wait_for(&format!(
        "waiting: the service answers 403: Forbidden: nobody permitted {} to be installed",
        place.mac
    ));
    fixture.fleet.command(&["permit", place.mac]);
    tell(place.name, "is permitted");
    machine
}

/// What a machine is made of that boots from its disk.
fn from_its_disk(place: &Place) -> Hardware {
    Hardware { netboot: None, ..place.hardware(String::new()) }
}

#[test]
fn machines_that_boot_from_the_network_become_what_their_profiles_say() {
    // Two at a time.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            becomes(&PLACES[0], switched_on(&PLACES[0]), Some(NOT_ASKED));
            matches_nothing(&PLACES[3]);
        });
        scope.spawn(|| {
            becomes(&PLACES[1], switched_on_with_its_own_script(&PLACES[1]), Some(NOT_PERMITTED));
            becomes(&PLACES[2], switched_on_with_a_stick(&PLACES[2]), None);
        });
    });
}

/// The machine is installed, and is what its profile says; `again`: it boots from the network again after that, and says
/// this before it boots its disk.
fn becomes(place: &Place, mut machine: Machine, again: Option<&str>) {
    machine.wait_for(&format!(": profile {}, ", place.profile.unwrap()));
    tell(place.name, "has a plan that holds");
    machine.wait_for(" is installed");
    tell(place.name, "is installed");
    match again {
        Some(says) => machine.wait_for(says),
        None => machine.made_of(from_its_disk(place)),
    }
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
