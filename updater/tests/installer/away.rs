//! What is away, answers later, or is answered for by others: it is waited for.

use std::fs;
use std::sync::Arc;

use edeploy_format::fleet::{Arrival, Plan, Report, Stage};

use crate::lan::{FLEET, Lan, signed};
use crate::repository;
use crate::service::Service;

#[test]
fn what_is_away_is_waited_for_and_said() {
    let lan = Lan::new();
    let (mut count, mut plan) = (0, signed(lan.plan(), FLEET));
    let service = Service::new(2, move |report| {
        count += 1;
        if count < 3 { (503, br#"{"title":"starting"}"#.to_vec()) } else { plan(report) }
    });
    let (ended, told, log) = lan.run(service);
    assert!(ended.is_ok(), "{log}");
    assert!(log.contains("waiting: the service answers 503: starting\n"), "{log}");
    assert!(lan.pauses.get() >= 2);
    assert_eq!(lan.away.get(), 0, "it answers");
    let nonces: std::collections::BTreeSet<_> = told.reports.iter().map(|report| &report.nonce).collect();
    assert_eq!((told.reports.len(), nonces.len()), (3, 3), "each report has a nonce of its own");
    assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
}

#[test]
fn a_plan_that_a_site_which_lags_behind_does_not_know_is_held_against_the_next_and_never_against_an_older_one()
 {
    let mut lan = Lan::new();
    let (folder, site) = (lan.lab.path("other"), lan.lab.site.version);
    let tried = |lan: &mut Lan, version: u64| {
        (lan.lab.site.fleet, lan.lab.site.version) = (None, version);
        lan.lab.site.publish(&folder);
        let first = format!("edeploy.token=once edeploy.repo={}", folder.display());
        lan.run_with(&first, Service::new(0, signed(lan.plan(), FLEET)))
    };
    let (ended, _, log) = tried(&mut lan, site + 1);
    let Err(failed) = ended else { panic!("newer metadata took the key away: {log}") };
    let denied = "reading targets.json: delegates to no fleet service";
    assert!(failed.failure.to_string().starts_with(denied), "{}", failed.failure);
    assert!(lan.is_blank());
    let (ended, _, log) = tried(&mut lan, site - 1);
    assert!(ended.is_ok(), "{log}");
    assert!(log.contains(&format!("{}: {denied}", folder.display())), "{log}");
}

#[test]
fn a_machine_without_a_token_asks_for_one_and_waits_until_it_is_permitted() {
    let lan = Lan::new();
    let address = [("address", "52:54:00:00:00:01\n")];
    lan.machine.card("eth0", ("pci", "pci0000:00/0000:00:03.0"), "virtio_net", &address);
    lan.machine.file("sys/class/dmi/id/product_serial", "S-7\n");
    let (ended, told, log) = lan.run_with("", Service::new(0, signed(lan.plan(), FLEET)).permits_after(2));
    assert!(ended.is_ok(), "{log}");
    let expected = Arrival {
        macs: vec!["52:54:00:00:00:01".to_owned()],
        uuid: String::new(),
        serial: "S-7".to_owned(),
        uefi: true,
    };
    assert_eq!(told.arrivals, [expected.clone(), expected.clone(), expected]);
    // The last one is between two looks at the disks.
    assert_eq!(lan.pauses.get(), 2 + 1);
    assert!(
        log.starts_with("waiting: the service answers 403: Forbidden: nobody permitted it\ndetected "),
        "{log}"
    );
    assert!(told.tokens.iter().all(|token| token == "Bearer asked-for"), "{:?}", told.tokens);
    assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
}

#[test]
fn a_service_that_dies_at_any_request_and_comes_back_is_waited_for() {
    // A token, a report, stages of which the newest counts, the end, the log.
    for request in 1..=8 {
        let lan = Lan::new();
        let (ended, told, log) =
            lan.run_with("", Service::new(0, signed(lan.plan(), FLEET)).dies_at(request));
        assert!(ended.is_ok(), "at request {request}: {log}");
        assert_eq!(told.progress.last().unwrap().stage, Stage::Installed, "at request {request}");
        assert!(request > 1 || log.starts_with("waiting: the service at "), "at request {request}: {log}");
        assert!(request > 1 || lan.away.get() > 0, "another way is tried");
    }
}

#[test]
fn a_machine_that_no_profile_fits_reports_again_when_a_link_comes() {
    let lan = Lan::new();
    let address = [("address", "52:54:00:00:00:01\n")];
    lan.machine.card("eth0", ("pci", "pci0000:00/0000:00:03.0"), "virtio_net", &address);
    lan.links.set(true);
    let is_linked = |report: &Report| report.hardware.iter().any(|line| line[2..] == ["link", "yes"]);
    let mut plan = signed(lan.plan(), FLEET);
    let service = Service::new(0, move |report| {
        if is_linked(report) { plan(report) } else { (409, br#"{"title":"no profile fits"}"#.to_vec()) }
    });
    let (ended, told, log) = lan.run(service);
    assert!(ended.is_ok(), "{log}");
    assert_eq!(told.reports.iter().map(is_linked).collect::<Vec<_>>(), [false, true]);
    assert_ne!(told.reports[0].nonce, told.reports[1].nonce);
    assert!(told.progress.iter().all(|progress| progress.failure.is_none()), "{log}");
}

#[test]
fn a_page_in_place_of_the_service_is_waited_for_and_another_way_is_tried() {
    // A token, a report, what is told, the log: nothing of it counts as heard.
    for requests in [1, 3] {
        let lan = Lan::new();
        let service = Service::new(0, signed(lan.plan(), FLEET)).behind_a_portal(requests);
        let (ended, told, log) = lan.run_with("", service);
        assert!(ended.is_ok(), "{log}");
        let said = "waiting: the service answers 200: something else answers in its place, with text/html\n";
        assert!(log.starts_with(said), "{log}");
        assert_eq!(lan.away.get(), requests, "{log}");
        assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
        assert_eq!(told.logs.len(), 1);
    }
}

#[test]
fn a_page_in_place_of_the_report_s_answer_or_of_the_metadata_is_no_forged_plan() {
    let lan = Lan::new();
    let timestamp = lan.lab.site_folder().join("metadata/timestamp.json");
    let right = fs::read(&timestamp).unwrap();
    fs::write(&timestamp, "<html>").unwrap();
    let (mut count, mut plan) = (0, signed(lan.plan(), FLEET));
    let service = Service::new(0, move |report| {
        count += 1;
        match count {
            1 => (200, b"<html>".to_vec()),
            2 => plan(report),
            _ => {
                fs::write(&timestamp, &right).unwrap();
                plan(report)
            }
        }
    });
    let (ended, told, log) = lan.run(service);
    assert!(ended.is_ok(), "{log}");
    assert!(
        log.contains("waiting: the service answers 200: something else answers in its place, with no JSON\n")
    );
    assert!(log.contains("waiting: reading timestamp.json: not a signed JSON document"), "{log}");
    assert_eq!((told.reports.len(), lan.away.get()), (3, 2));
}

#[test]
fn a_repository_that_goes_away_while_the_slot_is_written_is_waited_for() {
    let lan = Lan::new();
    let base = repository::serve(lan.lab.site_folder(), Arc::clone(&lan.gone));
    let plan = Plan { repos: vec![base.clone()], ..lan.plan() };
    let (ended, told, log) = lan.run(Service::new(0, signed(plan, FLEET)));
    assert!(ended.is_ok(), "{log}");
    assert_eq!(log.matches("waiting: ").count(), 1, "{log}");
    assert!(log.contains(&format!("{base}/targets/")), "{log}");
    assert_eq!(log.matches("fetching the manifest\n").count(), 2, "it begins to write anew: {log}");
    assert!(lan.away.get() > 0, "another way to it is tried");
    assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
}
