//! A rack that was set up by what `docs/first-install.md` has an operator write and type.

use std::sync::LazyLock;

use vm_tests::disk::{ESP, SLOTS, STATE};
use vm_tests::guide::Server;
use vm_tests::hardware::{Hardware, Netboot};
use vm_tests::machine::Machine;

use crate::fixture::{fixture, service_of_the_guide, tell};
use crate::guest::Guest;
use crate::install::{INSTALLER, blank};
use crate::rack::NOT_ASKED;

#[test]
fn the_guides_rack_installs_a_machine_that_its_firmware_boots_from_the_network() {
    LazyLock::force(&INSTALLER);
    let fixture = fixture();
    let folder = fixture.folder.join("guide");
    let server = Server::new(&folder, &fixture.published, service_of_the_guide(&fixture.folder));
    server.fleet().command(&["permit", "--new", "1"]);
    let booted_by = |netboot| Hardware { netboot: Some(netboot), wire: server.wire(), ..Hardware::default() };
    let mut machine = Machine::over(&blank("guide"), &fixture.folder, "guide");
    machine.made_of(booted_by(Netboot::Pxe));
    tell("guide", "boots by PXE of its firmware");
    machine.start();
    for says in [
        "NBP filename is snponly.efi",
        "http://deploy.example/v1/boot.ipxe... ok",
        ": profile web, ",
        " is installed",
    ] {
        machine.wait_for(says);
        tell("guide", says);
    }
    // Nobody asks for another install, and this time it comes by HTTP alone.
    let by_tftp = || server.dnsmasq().matches("sent /srv/tftp/snponly.efi to ").count();
    let before = by_tftp();
    assert!(before > 0, "{}", server.dnsmasq());
    machine.made_of(booted_by(Netboot::Http));
    for says in
        ["http://deploy.example/ipxe/snponly.efi", "http://deploy.example/v1/boot.ipxe... ok", NOT_ASKED]
    {
        machine.wait_for(says);
        tell("guide", says);
    }
    let mut guest = Guest::of(machine, "guide");
    assert_eq!(guest.must("hostname").trim(), "web01");
    guest.must("until ip -4 -o addr | grep -F ' 10.0.0.11/24 '; do sleep 0.2; done");
    let known = server.fleet().host("52:54:00:12:34:56");
    assert_eq!((&known["stage"], &known["profile"]), (&"installed".into(), &"web".into()), "{known:#}");
    assert_eq!(by_tftp(), before, "{}", server.dnsmasq());
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}
