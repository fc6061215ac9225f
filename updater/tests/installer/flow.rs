//! From a report to a machine, and all that can be wrong on the way.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use edeploy_ab::disk::mount::private_namespace;
use edeploy_ab::installer::arguments::Arguments;
use edeploy_ab::installer::console::Console;
use edeploy_ab::installer::flow::{Done, Failed, For, Machine as Flow, run};
use edeploy_ab::installer::service::Service as Client;
use edeploy_ab::trust::Store;
use edeploy_format::fleet::{Arrival, File, Hint, OnFailure, OnSuccess, Plan, Report, Script, Stage};
use edeploy_format::path::TreePath;
use edeploy_format::tuf::{Common, Expiry, Time, sign};
use serde_json::json;

use crate::lab::{DISK, Lab, rule, tree};
use crate::machine::Machine;
use crate::repository;
use crate::service::{Answer, Service, Told};

/// The seed of the key that may sign plans.
const FLEET: u8 = 6;

/// A machine with one empty disk, a site with version 1, and what became of the flow.
struct Lan {
    lab: Lab,
    machine: Machine,
    uefi: bool,
    pauses: Cell<u32>,
    /// Of them those for what did not answer at all.
    away: Cell<u32>,
    /// What is away, until somebody waits for it.
    gone: Arc<AtomicBool>,
    /// A second disk shows itself while something is waited for.
    appears: Cell<bool>,
}

impl Lan {
    fn new() -> Self {
        let mut lab = Lab::new();
        lab.site.fleet = Some(FLEET);
        let mut tree = tree("1");
        for folder in ["etc/network", "var"] {
            tree.folder(folder);
        }
        tree.file("etc/network/80-dhcp", b"of the tree");
        tree.file("usr/lib/edeploy/persistent", b"etc/network\netc/hostname\n");
        tree.file("etc/hostname", b"web\n");
        lab.publish("1", 1, &tree, &rule("1", &json!({})), |head| {
            head.persistent = ["etc/hostname", "etc/network"].map(|path| TreePath::new(path).unwrap()).into();
        });
        lab.disk();
        let machine = Machine::new();
        machine.disk("sda", DISK / 512, &[]);
        fs::create_dir(machine.root().join("dev")).unwrap();
        fs::hard_link(lab.path("disk"), machine.root().join("dev/sda")).unwrap();
        Self {
            lab,
            machine,
            uefi: true,
            pauses: Cell::new(0),
            away: Cell::new(0),
            gone: Arc::default(),
            appears: Cell::new(false),
        }
    }

    fn site(&self) -> String {
        self.lab.site_folder().to_str().unwrap().to_owned()
    }

    /// The plan that the tests begin with.
    fn plan(&self) -> Plan {
        Plan {
            common: Common::new::<Plan>(1, Time::new(self.lab.site.now)),
            nonce: String::new(),
            machine: "acme-7".to_owned(),
            profile: "web".to_owned(),
            role: "web".parse().unwrap(),
            version: "1".parse().unwrap(),
            repos: vec![self.site()],
            disk: Hint::default(),
            slot_size: None,
            files: Vec::new(),
            scripts: Vec::new(),
            on_success: OnSuccess::Kexec,
            on_failure: OnFailure::Halt,
        }
    }

    /// Runs the flow against `service`, with a token from the boot script.
    fn run(&self, service: Service) -> (Result<Done, Failed>, Told, String) {
        self.run_with("edeploy.token=once", service)
    }

    fn run_with(&self, token: &str, service: Service) -> (Result<Done, Failed>, Told, String) {
        private_namespace().unwrap();
        let text = format!("edeploy.repo={} edeploy.server={} {token}", self.site(), service.url);
        let arguments = Arguments::parse(&[&text]).unwrap();
        let client = Arc::new(Client::new(&service.url, arguments.token.clone(), None).unwrap());
        let store = Store::anchor(&self.lab.path("root.json")).unwrap();
        let console = Console::new(true);
        let scratch = tempfile::tempdir().unwrap();
        let pause = |_: Duration, why: For| {
            self.pauses.set(self.pauses.get() + 1);
            self.away.set(self.away.get() + u32::from(why == For::Away));
            self.gone.store(false, Ordering::SeqCst);
            if self.appears.take() {
                self.machine.disk("sdb", DISK / 512, &[]);
            }
        };
        let flow = Flow {
            root: self.machine.root(),
            uefi: self.uefi,
            arguments: &arguments,
            store: &store,
            ca: None,
            expiry: &|| Expiry::At(Time::new(self.lab.site.now)),
            scratch: scratch.path(),
            pause: &pause,
        };
        let ended = run(&flow, &client, &console);
        (ended, service.told(), console.log())
    }

    /// Runs it with a plan, signed by the key of the service; the failure, with its stage.
    fn refused(&self, plan: Plan) -> (Stage, String) {
        let (ended, told, log) = self.run(Service::new(0, signed(plan, FLEET)));
        let Err(failed) = ended else { panic!("it was installed: {log}") };
        let last = told.progress.last().unwrap();
        assert_eq!((last.stage, last.failure.clone()), (failed.stage, Some(failed.failure.to_string())));
        assert!(log.contains(&format!("{}", failed.failure)), "{log}");
        assert_eq!(told.logs.len(), 1, "the log is handed in");
        (failed.stage, failed.failure.to_string())
    }

    fn is_blank(&self) -> bool {
        let output = Command::new("cmp").arg(self.lab.path("disk")).arg("/dev/zero").output().unwrap();
        String::from_utf8_lossy(&output.stderr).contains("EOF on")
    }
}

/// Answers each report with `plan`, signed by the key of this seed.
fn signed(plan: Plan, seed: u8) -> impl FnMut(&Report) -> Answer + Send {
    move |report| {
        let plan = Plan { nonce: report.nonce.clone(), ..plan.clone() };
        (200, sign(&plan, &[&SigningKey::from_bytes(&[seed; 32])]).unwrap())
    }
}

fn file(path: &str, mode: &str, text: &str) -> File {
    File { path: path.to_owned(), mode: mode.to_owned(), uid: 0, gid: 0, text: text.to_owned() }
}

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

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
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
    assert_eq!(lan.pauses.get(), 2);
    assert!(
        log.starts_with("waiting: the service answers 403: Forbidden: nobody permitted it\ndetected "),
        "{log}"
    );
    assert!(told.tokens.iter().all(|token| token == "Bearer asked-for"), "{:?}", told.tokens);
    assert_eq!(told.progress.last().unwrap().stage, Stage::Installed);
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
