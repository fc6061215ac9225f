//! A machine, as far as the service can see.

use edeploy_format::fleet::{Plan, Progress, Report, Stage};
use edeploy_format::tuf::{Envelope, Key};

use crate::fleet::{Answer, Fleet};

pub(crate) struct Toy {
    pub(crate) mac: String,
    pub(crate) token: String,
    hardware: Vec<[String; 4]>,
    reports: u32,
}

impl Toy {
    /// Machine `n`, with one disk of so many GB.
    pub(crate) fn new(n: u32, disk: u32) -> Self {
        let mac = format!("52:54:00:00:{:02x}:{:02x}", n >> 8, n & 255);
        let hardware = format!(
            "system product name Toy\nsystem product serial T{n}\ncpu logical number 2\nmemory total size 4294967296\n\
             disk logical count 1\ndisk sda size {disk}\nnetwork eth0 serial {mac}"
        );
        let line = |line: &str| {
            let values: Vec<String> = line.splitn(4, ' ').map(str::to_owned).collect();
            values.try_into().unwrap()
        };
        Self { mac, token: String::new(), hardware: hardware.lines().map(line).collect(), reports: 0 }
    }

    /// What the service calls it.
    pub(crate) fn name(&self) -> String {
        self.mac.replace(':', "-")
    }

    /// Asks what to boot, and keeps the token that it is given, if any.
    pub(crate) fn boot(&mut self, fleet: &Fleet) -> String {
        let path = format!("/v1/boot?mac={}&uuid=u&serial=s%20s&platform=efi&arch=x86_64", self.mac);
        let answer = fleet.plainly("GET", &path, &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        if let Some((_, rest)) = answer.text.split_once("edeploy.token=") {
            self.token = rest.split_whitespace().next().unwrap().to_owned();
        }
        answer.text
    }

    /// The next report: never twice the same nonce.
    pub(crate) fn next(&mut self) -> Report {
        self.reports += 1;
        Report {
            nonce: format!("{:064x}", self.reports),
            program: "0.1.0".to_owned(),
            architecture: "amd64".parse().unwrap(),
            uefi: true,
            hardware: self.hardware.clone(),
        }
    }

    pub(crate) fn send(&self, fleet: &Fleet, report: &Report) -> Answer {
        fleet.post("/v1/machine/report", &self.token, serde_json::to_vec(report).unwrap())
    }

    pub(crate) fn report(&mut self, fleet: &Fleet) -> Answer {
        let report = self.next();
        self.send(fleet, &report)
    }

    /// The same; `None` where no answer comes.
    pub(crate) fn try_report(&mut self, fleet: &Fleet) -> Option<Answer> {
        let report = serde_json::to_vec(&self.next()).unwrap();
        fleet.try_post("/v1/machine/report", &self.token, &report)
    }

    /// Reports, and takes the plan if it is what a machine would take.
    pub(crate) fn plan(&mut self, fleet: &Fleet) -> Plan {
        let answer = self.report(fleet);
        assert_eq!(answer.status, 200, "{answer:?}");
        let envelope = Envelope::parse(answer.text.as_bytes()).unwrap();
        let key = fleet.key();
        assert!(envelope.is_signed_by(&Key::from(&key).id().unwrap(), &key));
        let plan: Plan = envelope.read().unwrap();
        assert_eq!(plan.nonce, format!("{:064x}", self.reports));
        plan
    }

    pub(crate) fn tell(&self, fleet: &Fleet, stage: Stage, done: u64, failure: Option<&str>) -> Answer {
        let progress = Progress { stage, done, total: 100, failure: failure.map(str::to_owned) };
        fleet.post("/v1/machine/progress", &self.token, serde_json::to_vec(&progress).unwrap())
    }

    /// Says that it is at a stage, which counts.
    pub(crate) fn at(&self, fleet: &Fleet, stage: Stage) {
        let answer = self.tell(fleet, stage, 50, None);
        assert_eq!((answer.status, &*answer.text), (204, ""));
    }
}
