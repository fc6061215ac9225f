//! A blank machine boots the installer, is told what to become, and becomes it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use edeploy_format::fleet::{File as Own, Hint, OnFailure, OnSuccess, Plan, Script, Stage};
use edeploy_format::tuf::{Common, Time};
use vm_tests::disk::{self, ESP, SLOTS, STATE};
use vm_tests::hardware::{Hardware, Plug, Wire};
use vm_tests::machine::Machine;
use vm_tests::site::Site;
use vm_tests::tool::run;

use crate::fixture::{DISK, ROLE, fixture, tell};
use crate::guest::Guest;
use crate::service::{Service, Told};

/// What a machine gets that calls itself `name`.
fn plan(name: &str, port: u16) -> Plan {
    let own = |path: &str, mode: &str, text: &str| Own {
        path: path.to_owned(),
        mode: mode.to_owned(),
        uid: 0,
        gid: 0,
        text: text.to_owned(),
    };
    let network = "[Match]\nName=en*\n[Network]\nDHCP=yes\nDomains=blank.test\n";
    Plan {
        common: Common::new::<Plan>(1, Time::new(2_000_000_000)),
        nonce: String::new(),
        machine: name.to_owned(),
        profile: "test".to_owned(),
        role: ROLE.parse().unwrap(),
        version: "1.0".parse().unwrap(),
        repos: vec![format!("http://10.0.2.2:{port}/")],
        disk: Hint { min_size: Some(1 << 30), ..Hint::default() },
        slot_size: None,
        files: vec![
            own("/etc/hostname", "0644", &format!("{name}\n")),
            own("/etc/systemd/network/10-own.network", "0644", network),
            own("/var/lib/own/secret", "0600", "for root alone\n"),
        ],
        scripts: vec![Script {
            name: "controller".to_owned(),
            text: "#!/bin/sh\necho \"controller $CONTROLLER of $EDEPLOY_PROFILE is set up\"\n".to_owned(),
            seconds: 60,
            env: [("CONTROLLER".to_owned(), "c0; reboot".to_owned())].into(),
        }],
        on_success: OnSuccess::Reboot,
        on_failure: OnFailure::Console,
    }
}

/// The installer, made once.
pub(crate) static INSTALLER: LazyLock<PathBuf> = LazyLock::new(|| Site::installer(&fixture().folder));

/// An empty disk.
pub(crate) fn blank(name: &str) -> PathBuf {
    let image = fixture().folder.join(format!("{name}.img"));
    File::create(&image).unwrap().set_len(DISK).unwrap();
    image
}

/// Has the next start boot the installer, which asks `service`, with `more` kernel arguments.
fn boot_installer_with(machine: &mut Machine, service: &Service, more: &str) {
    let arguments = format!(
        "console=ttyS0 quiet edeploy.server=http://10.0.2.2:{} edeploy.repo=http://10.0.2.2:{} edeploy.token=once {more}",
        service.port,
        fixture().port
    );
    machine.boot_once(&INSTALLER.join("vmlinuz"), &INSTALLER.join("initrd"), &arguments);
}

fn boot_installer(machine: &mut Machine, service: &Service) {
    boot_installer_with(machine, service, "");
}

#[test]
fn the_installer_is_small_and_lets_nobody_in() {
    let list = format!("zstd -dc {} | cpio --list --quiet", INSTALLER.join("initrd").display());
    let list = run("sh", &["-c", &list]);
    assert!(list.lines().any(|path| path.ends_with("bin/busybox")), "{list}");
    let doors = ["sshd", "dropbear", "telnetd", "etc/shadow"];
    assert!(!doors.iter().any(|door| list.lines().any(|path| path.ends_with(door))), "{list}");
    let bytes = |name: &str| INSTALLER.join(name).metadata().unwrap().len();
    assert!(bytes("vmlinuz") + bytes("initrd") <= 60_000_000);
}

#[test]
fn a_machine_without_uefi_is_refused_before_the_first_write() {
    let service = Service::with(plan("bios", fixture().port));
    let image = blank("bios");
    let mut machine = Machine::over(&image, &fixture().folder, "bios");
    machine.without_uefi();
    boot_installer_with(&mut machine, &service, "edeploy.on-failure=halt");
    tell("bios", "boots the installer");
    machine.start();
    machine.wait_for("FAILED at the stage detected: this machine was not started by UEFI");
    machine.wait_for("reboot: Power down");
    machine.wait_for_power_off();
    let told = service.told.lock().unwrap();
    assert!(!told.reports[0].uefi);
    let failure = told.progress.last().unwrap().failure.as_deref().unwrap_or_default();
    assert!(failure.starts_with("this machine was not started by UEFI"), "{failure}");
    is_as(machine, &image);
}

#[test]
fn what_is_wrong_before_an_install_begins_is_told_with_the_log() {
    let service = Service::with(plan("wrong", fixture().port));
    let image = blank("wrong");
    let mut machine = Machine::over(&image, &fixture().folder, "wrong");
    boot_installer_with(&mut machine, &service, "edeploy.lldp=never edeploy.on-failure=halt");
    tell("wrong", "boots the installer");
    machine.start();
    let reason = r#"the kernel argument edeploy.lldp="never": it is one of the seconds from 0 to 600"#;
    machine.wait_for(&format!("FAILED: {reason}"));
    machine.wait_for_power_off();
    let told = service.told.lock().unwrap();
    let last = told.progress.last().unwrap();
    assert_eq!((last.stage, last.failure.as_deref()), (Stage::Booted, Some(reason)));
    assert!(told.log.contains(": the installer") && told.log.contains(reason), "{}", told.log);
    assert!(told.reports.is_empty());
    is_as(machine, &image);
}

/// Nothing was written to the disk of a machine that began as `image`.
pub(crate) fn is_as(mut machine: Machine, image: &Path) {
    let disk = machine.disk().to_owned();
    machine.cut_power();
    assert!(disk::is_as(&disk, image), "{} differs from {}", disk.display(), image.display());
}

#[test]
fn of_a_service_that_forges_plans_nothing_is_executed() {
    let service = Service::forging(plan("forged", fixture().port));
    let image = blank("forged");
    let mut machine = Machine::over(&image, &fixture().folder, "forged");
    boot_installer(&mut machine, &service);
    tell("forged", "boots the installer");
    machine.start();
    machine.wait_for("FAILED at the stage detected: reading the plan: ");
    machine.wait_for("this machine stays as it is");
    let console = machine.console();
    assert!(!console.contains("controller"), "{console}");
    is_as(machine, &image);
}

/// There is no link, then nobody who answers, then the network.
fn comes_to_its_network(machine: &mut Machine) {
    machine.plug(Plug::Machine, false);
    machine.plug(Plug::Network, false);
    machine.wait_for("waiting for a link: no network card has a carrier");
    machine.plug(Plug::Machine, true);
    machine.wait_for("waiting for an address: no DHCP server has answered yet");
    machine.plug(Plug::Network, true);
    tell("blank", "has a network");
}

#[test]
fn a_blank_machine_becomes_what_a_signed_plan_says() {
    let service = Service::with(plan("blank-1", fixture().port));
    let mut machine = Machine::over(&blank("blank"), &fixture().folder, "blank");
    machine.made_of(Hardware { disk: "nvme,serial=BLANK", wire: Wire::Switch, ..Hardware::default() });
    boot_installer(&mut machine, &service);
    tell("blank", "boots the installer");
    machine.start();
    comes_to_its_network(&mut machine);
    let mut guest = Guest::of(machine, "blank");
    assert_eq!(guest.must("edeploy-ab profile").trim(), "test");
    assert_eq!(guest.must("hostname").trim(), "blank-1");
    assert_eq!(guest.must("ls /etc/systemd/network").trim(), "10-own.network");
    assert_eq!(guest.must("stat -c %a /var/lib/own/secret").trim(), "600");
    let told = service.told.lock().unwrap();
    assert!(told.reports[0].uefi);
    let mut stages: Vec<Stage> = told.progress.iter().map(|progress| progress.stage).collect();
    stages.dedup();
    for stage in [Stage::Writing, Stage::Installed] {
        assert!(stages.contains(&stage), "{stages:?}");
    }
    assert!(stages.is_sorted(), "{stages:?}");
    assert!(told.progress.iter().all(|progress| progress.failure.is_none()), "{:?}", told.progress);
    assert!(told.log.contains("controller c0; reboot of test is set up"), "{}", told.log);
    drop(told);
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}

/// A moment that the service hears of, not the console.
const WRITING: &str = "writing the slot";

#[test]
fn a_machine_that_loses_power_while_it_is_installed_starts_over() {
    let service = Service::with(Plan { on_success: OnSuccess::Kexec, ..plan("cut-1", fixture().port) });
    let mut machine = Machine::over(&blank("cut"), &fixture().folder, "cut");
    let is_writing =
        |told: &Told| told.progress.last().is_some_and(|told| told.stage == Stage::Writing && told.done > 0);
    // Reported, about to write, writing, all but synced, verifying, armed; each time with what the last one left on the disk.
    let moments = [
        " lines of hardware",
        "fetching the manifest",
        WRITING,
        "syncing the slot",
        "reading the slot back",
        " is installed",
    ];
    for moment in moments {
        boot_installer(&mut machine, &service);
        tell("cut", "boots the installer");
        service.told.lock().unwrap().progress.clear();
        machine.start();
        if moment == WRITING {
            machine.wait_until(WRITING, |_| is_writing(&service.told.lock().unwrap()).then_some(()));
        } else {
            machine.wait_for(moment);
        }
        tell("cut", &format!("loses power at: {moment}"));
        machine.cut_power();
        let told = service.told.lock().unwrap();
        assert!(told.progress.iter().all(|progress| progress.failure.is_none()), "{:?}", told.progress);
    }
    boot_installer(&mut machine, &service);
    machine.start();
    machine.wait_for(" is installed");
    let mut guest = Guest::of(machine, "cut");
    assert_eq!(guest.must("hostname").trim(), "cut-1");
    // Its kernel took over from that of the installer: no loader ran in between.
    guest.must("test -d /sys/firmware/efi/efivars && ! ls /sys/firmware/efi/efivars/LoaderEntrySelected-*");
    let told = service.told.lock().unwrap();
    // The first may have been sent or not.
    assert!((6..=7).contains(&told.reports.len()), "{}", told.reports.len());
    assert!(told.progress.iter().all(|progress| progress.failure.is_none()), "{:?}", told.progress);
    drop(told);
    guest.switch_off_and_check_parts(&[ESP, SLOTS[0], STATE]);
}
