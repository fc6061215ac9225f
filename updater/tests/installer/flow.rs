//! From a report to a machine, and all that can be wrong on the way.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use edeploy_format::fleet::{File, Hint, Plan, Script, Stage};
use edeploy_format::tuf::sign;
use serde_json::json;

use crate::lab::DISK;
use crate::lan::{FLEET, Lan, file, key, signed};
use crate::service::Service;

#[test]
fn a_blank_disk_becomes_what_the_plan_says() {
    let lan = Lan::new();
    let mut plan = lan.plan();
    plan.files = vec![
        file("/etc/hostname", "0644", "acme-7\n"),
        file("/etc/network/10-own", "0640", "own"),
        file("/var/lib/secret", "0600", "secret"),
    ];
    let text = "#!/bin/sh\necho \"$RAID of $EDEPLOY_PROFILE\"\n".to_owned();
    let env = [("RAID".to_owned(), "raid1; reboot".to_owned())].into();
    plan.scripts = vec![Script { name: "raid".to_owned(), text, seconds: 60, env }];
    let (ended, told, log) = lan.run(Service::new(0, signed(plan, FLEET)));
    let done = ended.unwrap_or_else(|failed| panic!("{}: {log}", failed.failure));
    assert_eq!(done.disk, lan.machine.root().join("dev/sda"));
    assert_eq!(done.installed.head.version.to_string(), "1");
    let last = told.progress.last().unwrap();
    assert_eq!((last.stage, &last.failure), (Stage::Installed, &None));
    assert!(told.progress.is_sorted_by_key(|progress| progress.stage), "{:?}", told.progress);
    assert!(told.tokens.iter().all(|token| token == "Bearer once"), "{:?}", told.tokens);
    assert!(told.logs[0].contains("raid1; reboot of web\n"), "{log}");
    assert!(told.logs[0].starts_with("detected "), "{log}");
    let status = lan.lab.command(&["status", "--json"]).output().unwrap();
    assert!(status.status.success(), "{status:?}");
    let state = |path: &str| lan.lab.state_text(path);
    assert_eq!(state("/lib/edeploy/persistent/etc/hostname"), "acme-7\n");
    assert_eq!(state("/lib/edeploy/persistent/etc/network/10-own"), "own");
    assert_eq!(state("/lib/edeploy/persistent/etc/network/80-dhcp"), "of the tree");
    assert_eq!(state("/lib/secret"), "secret");
}

#[test]
fn a_service_that_forges_plans_has_nothing_executed() {
    let lan = Lan::new();
    let mut plan = lan.plan();
    let mark = lan.lab.path("executed");
    let text = format!("#!/bin/sh\ntouch {}\n", mark.display());
    plan.scripts = vec![Script { name: "evil".to_owned(), text, seconds: 60, env: Default::default() }];
    // Another key; the key of a role; an older plan of the service; one for another type of document.
    let older = sign(&Plan { nonce: "0".repeat(64), ..plan.clone() }, &[&key(FLEET)]).unwrap();
    let services: [Service; 4] = [
        Service::new(0, signed(plan.clone(), 9)),
        Service::new(0, signed(plan.clone(), 5)),
        Service::new(0, move |_| (200, older.clone())),
        Service::new(0, |_| (200, b"{}".to_vec())),
    ];
    for service in services {
        let (ended, told, log) = lan.run(service);
        let Err(failed) = ended else { panic!("{log}") };
        assert_eq!((failed.stage, failed.on_failure), (Stage::Detected, None), "{log}");
        assert!(failed.failure.to_string().starts_with("reading the plan: "), "{}", failed.failure);
        assert!(told.progress.last().unwrap().failure.is_some());
        assert!(!mark.exists() && lan.is_blank());
    }
}

#[test]
fn a_machine_that_matches_nothing_says_which_profiles_were_tried_and_why() {
    let lan = Lan::new();
    let body = json!({ "title": "no profile fits", "tried": [
        { "profile": "web", "reason": "('disk', '$disk', 'size', 'gt(100)')" },
        { "profile": "db", "reason": "no place left" },
    ]});
    let (ended, told, log) = lan.run(Service::new(0, move |_| (409, body.to_string().into_bytes())));
    let Err(failed) = ended else { panic!("{log}") };
    assert_eq!(failed.failure.to_string(), "the service answers 409: no profile fits");
    assert_eq!((told.reports.len(), lan.pauses.get()), (1, 1), "its cards stay what they were");
    assert!(
        log.contains("profile web: ('disk', '$disk', 'size', 'gt(100)')\nprofile db: no place left\n"),
        "{log}"
    );
    assert_eq!(
        told.progress.last().unwrap().failure.as_deref(),
        Some("the service answers 409: no profile fits")
    );
}

#[test]
fn a_machine_without_uefi_and_without_a_token_does_not_wait_to_be_permitted() {
    let mut lan = Lan::new();
    lan.uefi = false;
    let (ended, told, log) = lan.run_with("", Service::new(0, signed(lan.plan(), FLEET)).permits_after(9));
    let Err(failed) = ended else { panic!("it was installed: {log}") };
    assert_eq!(failed.stage, Stage::Booted);
    assert!(failed.failure.to_string().starts_with("this machine was not started by UEFI"), "{log}");
    assert_eq!((told.arrivals.len(), told.progress.len(), told.reports.len()), (1, 0, 0));
    assert!(lan.is_blank());
}

#[test]
fn a_machine_without_uefi_is_known_to_the_service_and_not_written() {
    let mut lan = Lan::new();
    lan.uefi = false;
    let (stage, text) = lan.refused(lan.plan());
    let expected =
        "this machine was not started by UEFI, so it could not boot what is installed; nothing was written";
    assert_eq!((stage, text.as_str()), (Stage::Detected, expected));
    assert!(lan.is_blank());
}

#[test]
fn what_is_wrong_in_a_plan_is_found_before_the_first_write() {
    let lan = Lan::new();
    let wrong = |bend: &dyn Fn(&mut Plan)| {
        let mut plan = lan.plan();
        bend(&mut plan);
        let refused = lan.refused(plan);
        assert!(lan.is_blank(), "{}", refused.1);
        refused
    };
    let lost = "the file /usr/bin/x of the plan lies neither below /var nor within a persistent path of web 1: it would be lost";
    let of = |files: Vec<File>| wrong(&move |plan| plan.files.clone_from(&files));
    assert_eq!(of(vec![file("/usr/bin/x", "0755", "")]), (Stage::Prepared, lost.to_owned()));
    assert_eq!(of(vec![file("etc/hostname", "0644", "")]).0, Stage::Planned);
    let folder = "the file /etc/network of the plan: web 1 has a folder there";
    assert_eq!(of(vec![file("/etc/network", "0644", "")]), (Stage::Prepared, folder.to_owned()));
    let under = |path: &str| format!("the file {path} of the plan: /etc/hostname is no folder");
    assert_eq!(of(vec![file("/etc/hostname/x", "0644", "")]), (Stage::Prepared, under("/etc/hostname/x")));
    let twice = ["/var/a", "/var/a/b"].map(|path| file(path, "0644", "")).to_vec();
    let expected = "the file /var/a/b of the plan: /var/a is no folder";
    assert_eq!(of(twice), (Stage::Planned, expected.to_owned()));
    let script = |text: &str| {
        let text = text.to_owned();
        let script = Script { name: "raid".to_owned(), text, seconds: 60, env: Default::default() };
        wrong(&move |plan| plan.scripts = vec![script.clone()])
    };
    let expected = (Stage::Planned, "the script raid: exit code 4: no controller".to_owned());
    assert_eq!(script("#!/bin/sh\necho no controller\nexit 4\n"), expected);
    let (stage, text) = wrong(&|plan| plan.disk.min_size = Some(DISK + 512));
    assert_eq!(stage, Stage::Planned);
    assert!(text.starts_with("no disk fits: sda: "), "{text}");
    assert_eq!(wrong(&|plan| plan.version = "2".parse().unwrap()).0, Stage::Prepared);
    assert_eq!(wrong(&|plan| plan.slot_size = Some(DISK)).0, Stage::Prepared);
    assert_eq!(wrong(&|plan| plan.repos.clear()).0, Stage::Planned);
}

#[test]
fn before_a_script_runs_all_is_checked_that_does_not_depend_on_it() {
    let lan = Lan::new();
    let mark = lan.lab.path("ran");
    let script = |name: &str, text: String| {
        let name = name.to_owned();
        Script { name, text, seconds: 60, env: Default::default() }
    };
    let wrong = |bend: &dyn Fn(&mut Plan)| {
        let mut plan = lan.plan();
        plan.scripts = vec![script("raid", format!("#!/bin/sh\ntouch {}\n", mark.display()))];
        bend(&mut plan);
        let (stage, text) = lan.refused(plan);
        assert_eq!((stage, mark.exists(), lan.is_blank()), (Stage::Planned, false, true), "{text}");
        text
    };
    let none = "there is no version 2 of role web; `edeploy-ab list` shows those there are";
    assert_eq!(wrong(&|plan| plan.version = "2".parse().unwrap()), none);
    let lost = wrong(&|plan| plan.files = vec![file("/usr/bin/x", "0755", "")]);
    assert!(lost.starts_with("the file /usr/bin/x of the plan lies neither"), "{lost}");
    let room = wrong(&|plan| plan.slot_size = Some(1 << 20));
    assert!(room.contains("slot a"), "{room}");
    let form = wrong(&|plan| plan.scripts.push(script("bmc", "ipmitool".to_owned())));
    assert_eq!(form, "the script bmc does not begin with #!");
}

#[test]
fn behind_scripts_a_disk_must_be_the_one_for_some_seconds() {
    let lan = Lan::new();
    lan.appears.set(true);
    let mut plan = lan.plan();
    let text = "#!/bin/sh\necho made a volume\n".to_owned();
    plan.scripts = vec![Script { name: "raid".to_owned(), text, seconds: 60, env: Default::default() }];
    let (stage, text) = lan.refused(plan);
    assert_eq!(stage, Stage::Planned);
    assert!(text.starts_with("more than one disk fits: sda, sdb"), "{text}");
    assert!(lan.is_blank());
}

#[test]
fn a_disk_that_shows_itself_late_is_a_disk_too() {
    let lan = Lan::new();
    lan.appears.set(true);
    let (stage, text) = lan.refused(lan.plan());
    assert_eq!(stage, Stage::Planned);
    assert!(text.starts_with("more than one disk fits: sda, sdb"), "{text}");
    assert!(lan.is_blank());
}

#[test]
fn a_disk_that_is_the_one_at_some_looks_only_is_not_taken() {
    for is_there in [false, true] {
        let lan = Lan::new();
        lan.flaps.set(true);
        if is_there {
            lan.machine.disk("sdb", DISK / 512, &[]);
        }
        let (stage, text) = lan.refused(lan.plan());
        assert_eq!(stage, Stage::Planned);
        assert!(text.starts_with("more than one disk fits: sda, sdb"), "{text}");
        assert!(lan.is_blank());
    }
}

#[test]
fn a_machine_that_lost_power_starts_over() {
    let lan = Lan::new();
    // What an install that was cut off leaves: a table, file systems, no entry.
    let (ended, _, log) = lan.run(Service::new(0, signed(lan.plan(), FLEET)));
    assert!(ended.is_ok(), "{log}");
    lan.lab.esp("mdel", &["::/loader/entries/*"]);
    let (ended, told, log) = lan.run(Service::new(0, signed(lan.plan(), FLEET)));
    assert!(ended.is_ok(), "{log}");
    assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
}

#[test]
fn a_pack_that_fails_verification_is_told_with_its_stage() {
    let lan = Lan::new();
    let targets = lan.lab.site_folder().join("targets");
    let pack: PathBuf = fs::read_dir(&targets)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().ends_with("@pack"))
        .unwrap();
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, vec![0; bytes.len()]).unwrap();
    let (stage, text) = lan.refused(lan.plan());
    assert_eq!(stage, Stage::Writing, "{text}");
    let disk = format!("{}@@1M", lan.lab.path("disk").display());
    let listed = Command::new("mdir").args(["-b", "-i", &disk, "::/loader/entries"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stdout).contains(".conf"), "nothing of it boots: {listed:?}");
}

#[test]
fn a_log_that_is_to_stay_here_is_not_handed_in() {
    let lan = Lan::new();
    let plan = Plan { disk: Hint { min_size: Some(1 << 60), ..Hint::default() }, ..lan.plan() };
    let token = "edeploy.token=once edeploy.upload-log=no";
    let (ended, told, log) = lan.run_with(token, Service::new(0, signed(plan, FLEET)));
    assert!(ended.is_err(), "{log}");
    assert!(told.progress.last().unwrap().failure.is_some(), "{log}");
    assert_eq!(told.logs, [""; 0]);
}
