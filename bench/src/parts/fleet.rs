//! Part `fleet`: 1, 50 and 500 machines that ask the fleet service for their boot script at once, then report at once;
//! for a version that their profile names, and for the newest one, which the service asks its own site for.
//!
//! Each machine is a thread with a connection of its own for each request; the service is the real program over an
//! empty store, on the disk of the work folder. Every report must get a plan, and no two the same entry, or the part
//! fails. Costs are those of the service alone; what the machines themselves cost is not other work.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::error::{Result, unexpected};
use crate::fleet::{self, Fleet, Request};
use crate::folder;
use crate::ours::{self, Role, Site};
use crate::run::{Sample, busy};

/// How many machines there are at once.
pub const MACHINES: [usize; 3] = [1, 50, 500];

/// The ways of this part, as they are shown.
pub const WAYS: [&str; 3] = ["ours-boot", "ours-report", "ours-newest"];

/// One profile for all, with 512 entries.
const STATE: &str = "[('web', '*')]";
const ENTRIES: &str = "generate({'address': '10.0.1-2.0-255'})";
const PROFILE: &str = r#"
role = "tiny"
version = "VERSION"
spec = [["disk", "$disk", "size", "gt(10)"], ["network", "$eth", "serial", "$mac"]]
[disk]
name = "{{disk}}"
[[file]]
path = "/etc/address"
text = "{{address}}"
"#;

/// Measures all numbers of machines that were asked for.
///
/// # Errors
/// When something fails, or two machines get the same.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.path("fleet");
    let program = bench.cli.fleet.clone();
    let site = published(bench)?;
    let (program, work, site) = (&program, &folder, &site);
    for machines in MACHINES {
        let case = machines.to_string();
        if bench.wants(&case) {
            let crowd = move |version| Crowd { program, work, site, machines, version };
            let boot = Way::new(WAYS[0], move || crowd("1.0").booted().map(|(outcome, _, _)| outcome));
            let report = Way::new(WAYS[1], move || crowd("1.0").reported());
            let newest = Way::new(WAYS[2], move || crowd("newest").reported());
            bench.interleave(Part::Fleet, &case, vec![boot, report, newest])?;
        }
    }
    folder::remove(&folder)
}

/// A site with one small version.
fn published(bench: &Bench) -> Result<Site> {
    let role = Role { name: "tiny", slot: "64MiB", bare: true };
    let (site, tree) = (Site::at(bench, bench.path("fleet-site")), bench.path("fleet-tree"));
    folder::fresh(&tree.join("etc"))?;
    site.init()?;
    site.build(role, "1.0", &tree)?;
    site.publish(role.name, "1.0")?;
    Ok(site)
}

/// Machines that come at once, for one version.
#[derive(Clone, Copy)]
struct Crowd<'a> {
    program: &'a Path,
    work: &'a Path,
    site: &'a Site,
    machines: usize,
    version: &'a str,
}

impl Crowd<'_> {
    /// They get their boot scripts; the tokens in them.
    fn booted(self) -> Result<(Outcome, Fleet, Vec<String>)> {
        let profile = PROFILE.replace("VERSION", self.version);
        let profiles = [("state", STATE.to_owned()), ("web.toml", profile), ("web.cmdb", ENTRIES.to_owned())];
        let (site, root) = (self.site.folder(), self.site.folder().join("metadata/1.root.json"));
        let more = [Path::new("--site"), site, Path::new("--root"), &root];
        let fleet = Fleet::start(self.program, self.work, &profiles, &more)?;
        fleet.command("permit", &format!("--new {}", self.machines))?;
        let path = |n| format!("/v1/boot?mac={}&uuid=&serial=&platform=efi&arch=x86_64", card(n));
        let request = |n| Request { line: format!("GET {}", path(n)), ..Request::default() };
        let requests: Vec<Request> = (0..self.machines).map(request).collect();
        let (outcome, answers) = at_once(&fleet, &requests)?;
        let tokens: Result<Vec<String>> = answers.iter().map(|script| token(script)).collect();
        Ok((outcome, fleet, tokens?))
    }

    /// They get their plans after that, which is what counts.
    fn reported(self) -> Result<Outcome> {
        let (_, fleet, tokens) = self.booted()?;
        let line = "POST /v1/machine/report".to_owned();
        let request = |(n, token)| Request { line: line.clone(), token, body: report(n).to_string() };
        let requests: Vec<Request> = tokens.into_iter().enumerate().map(request).collect();
        let (outcome, answers) = at_once(&fleet, &requests)?;
        let mut given = BTreeSet::new();
        for plan in &answers {
            let address = entry(plan)?;
            if !given.insert(address.clone()) {
                return Err(unexpected("the fleet service", format!("{address} was given twice")));
            }
        }
        Ok(outcome)
    }
}

/// Sends all requests at the same moment; what that cost the service until the last was answered, and the answers.
fn at_once(fleet: &Fleet, requests: &[Request]) -> Result<(Outcome, Vec<String>)> {
    let start = Barrier::new(requests.len() + 1);
    let count = requests.len() as u64;
    let cost = || Ok::<_, crate::error::Error>((busy()?, fleet.cpu()?, fleet::cpu("self")?));
    let (answers, wall, before) = thread::scope(|scope| {
        let ask = |request| {
            start.wait();
            fleet.ask(request)
        };
        let asking: Vec<_> = requests.iter().map(|request| scope.spawn(move || ask(request))).collect();
        let before = cost();
        start.wait();
        let begun = Instant::now();
        let answers: Result<Vec<String>> =
            asking.into_iter().map(|asked| asked.join().expect("asking does not panic")).collect();
        (answers, begun.elapsed().as_secs_f64(), before)
    });
    let (answers, before, after) = (answers?, before?, cost()?);
    let (cpu, own) = (after.1 - before.1, after.2 - before.2);
    let foreign = ((after.0 - before.0 - cpu - own) / wall.max(0.05)).max(0.0);
    let sample = Sample { wall, cpu, peak: fleet.peak()?, foreign };
    let bytes = answers.iter().map(|answer| answer.len() as u64).sum();
    Ok((Outcome { sample: Some(sample), bytes: Some(bytes), requests: Some(count) }, answers))
}

/// The address of machine `n`'s network card.
fn card(n: usize) -> String {
    format!("52:54:00:00:{:02x}:{:02x}", n >> 8, n & 255)
}

/// The token that a boot script has.
fn token(script: &str) -> Result<String> {
    let found = script.split_once("edeploy.token=").and_then(|(_, rest)| rest.split_whitespace().next());
    found.map(str::to_owned).ok_or_else(|| unexpected("a boot script", script))
}

/// The entry that a plan was made of.
fn entry(plan: &str) -> Result<String> {
    let found = ours::parse(plan)?;
    let address = found["signed"]["files"][0]["text"].as_str();
    address.map(str::to_owned).ok_or_else(|| unexpected("a plan", plan))
}

/// What machine `n` says of itself: as much as a server of two processors with sixteen disks.
fn report(n: usize) -> Value {
    let mut lines = vec![
        json!(["system", "product", "name", "Toy"]),
        json!(["system", "product", "serial", format!("T{n}")]),
        json!(["memory", "total", "size", "68719476736"]),
        json!(["network", "eth0", "serial", card(n)]),
    ];
    for disk in 0..16 {
        for (attribute, value) in
            [("size", "480"), ("vendor", "X"), ("model", "Toy disk"), ("rotational", "0")]
        {
            lines.push(json!(["disk", format!("sd{disk}"), attribute, value]));
        }
    }
    for cpu in 0..2 {
        for flag in 0..64 {
            lines.push(json!([
                "cpu",
                format!("physical_{cpu}"),
                format!("attribute{flag}"),
                "a value of some length"
            ]));
        }
    }
    json!({"nonce": format!("{n:064x}"), "program": "0.1.0", "architecture": "amd64", "uefi": true, "hardware": lines})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_has_a_card_and_a_nonce_of_its_own() {
        let cards: BTreeSet<String> = (0..500).map(card).collect();
        assert_eq!(cards.len(), 500);
        assert_eq!(card(499), "52:54:00:00:01:f3");
        assert_ne!(report(0)["nonce"], report(1)["nonce"]);
        assert_eq!(report(499)["hardware"].as_array().map(Vec::len), Some(196));
    }

    #[test]
    fn token_and_entry_are_found_or_told_to_be_missing() {
        assert_eq!(token("kernel u edeploy.token=ab12 x\ninitrd y").unwrap(), "ab12");
        assert!(token("echo nothing").unwrap_err().to_string().contains("echo nothing"));
        assert_eq!(
            entry(r#"{"signed": {"files": [{"path": "/a", "text": "10.0.1.7"}]}}"#).unwrap(),
            "10.0.1.7"
        );
        assert!(entry("{}").is_err());
    }
}
