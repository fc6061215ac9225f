//! A machine with one empty disk, a site, and the installer's flow between them.

use std::cell::Cell;
use std::fs;
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
use edeploy_format::fleet::{File, Hint, OnFailure, OnSuccess, Plan, Report, Stage};
use edeploy_format::path::TreePath;
use edeploy_format::tuf::{Common, Expiry, Time, sign};
use serde_json::json;

use crate::lab::{DISK, Lab, rule, tree};
use crate::machine::Machine;
use crate::service::{Answer, Service, Told};

/// The seed of the key that may sign plans.
pub const FLEET: u8 = 6;

/// A machine with one empty disk, a site with version 1, and what became of the flow.
pub struct Lan {
    pub lab: Lab,
    pub machine: Machine,
    pub uefi: bool,
    pub pauses: Cell<u32>,
    /// Of them those for what did not answer at all.
    pub away: Cell<u32>,
    /// What is away, until somebody waits for it.
    pub gone: Arc<AtomicBool>,
    /// A second disk shows itself while something is waited for.
    pub appears: Cell<bool>,
    /// It comes and goes each time.
    pub flaps: Cell<bool>,
    /// And the link of a card comes.
    pub links: Cell<bool>,
}

impl Lan {
    pub fn new() -> Self {
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
            flaps: Cell::new(false),
            links: Cell::new(false),
        }
    }

    pub fn site(&self) -> String {
        self.lab.site_folder().to_str().unwrap().to_owned()
    }

    /// The plan that the tests begin with.
    pub fn plan(&self) -> Plan {
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
    pub fn run(&self, service: Service) -> (Result<Done, Failed>, Told, String) {
        self.run_with("edeploy.token=once", service)
    }

    pub fn run_with(&self, token: &str, service: Service) -> (Result<Done, Failed>, Told, String) {
        private_namespace().unwrap();
        let text = format!("{token} edeploy.repo={} edeploy.server={}", self.site(), service.url);
        let arguments = Arguments::parse(&[&text]).unwrap();
        let client = Arc::new(Client::new(&service.url, arguments.token.clone(), None).unwrap());
        let store = Store::anchor(&self.lab.path("root.json")).unwrap();
        let console = Console::new(true);
        let scratch = tempfile::tempdir().unwrap();
        let pause = |_: Duration, why: For| {
            self.pauses.set(self.pauses.get() + 1);
            self.away.set(self.away.get() + u32::from(why == For::Away));
            self.gone.store(false, Ordering::SeqCst);
            if self.links.take() {
                self.machine.file("sys/class/net/eth0/carrier", "1\n");
            }
            let second = self.machine.root().join("sys/block/sdb");
            if self.flaps.get() && second.exists() {
                fs::remove_dir_all(&second).unwrap();
            } else if self.flaps.get() || self.appears.take() {
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
    pub fn refused(&self, plan: Plan) -> (Stage, String) {
        let (ended, told, log) = self.run(Service::new(0, signed(plan, FLEET)));
        let Err(failed) = ended else { panic!("it was installed: {log}") };
        let last = told.progress.last().unwrap();
        assert_eq!((last.stage, last.failure.clone()), (failed.stage, Some(failed.failure.to_string())));
        assert!(log.contains(&format!("{}", failed.failure)), "{log}");
        assert_eq!(told.logs.len(), 1, "the log is handed in");
        (failed.stage, failed.failure.to_string())
    }

    pub fn is_blank(&self) -> bool {
        let output = Command::new("cmp").arg(self.lab.path("disk")).arg("/dev/zero").output().unwrap();
        String::from_utf8_lossy(&output.stderr).contains("EOF on")
    }
}

/// Answers each report with `plan`, signed by the key of this seed.
pub fn signed(plan: Plan, seed: u8) -> impl FnMut(&Report) -> Answer + Send {
    move |report| {
        let plan = Plan { nonce: report.nonce.clone(), ..plan.clone() };
        (200, sign(&plan, &[&SigningKey::from_bytes(&[seed; 32])]).unwrap())
    }
}

pub fn file(path: &str, mode: &str, text: &str) -> File {
    File { path: path.to_owned(), mode: mode.to_owned(), uid: 0, gid: 0, text: text.to_owned() }
}

/// The key with this seed.
pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}
