//! `just power-cut`: an upgrade is recorded, cut at every flush and in between, and gone on with.
//! `just kill-test`: machines are killed at random moments of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use vm_tests::power::cut::Dice;
use vm_tests::power::examine::Versions;
use vm_tests::power::kill::{self, Kill};
use vm_tests::power::plan::Extent;
use vm_tests::power::record::{Recording, record};
use vm_tests::power::survey::Samples;
use vm_tests::power::{Scope, cut_everywhere};
use vm_tests::site::{Site, kept_packages};
use vm_tests::tool::repository;

const ROLE: &str = "minimal";
const OLD: &str = "1.0";
const NEW: &str = "1.1";
const NEXT: &str = "1.2-sick";
const DISK: u64 = 3 << 29;
const SAMPLES: Samples = Samples { esp: 20, other: 4 };
const EXTENT: Extent = Extent { others: 50, boots: 10, one_in: 1 };
/// Machines that are killed at the same time, and how many one after the other.
const ROWS: u64 = 2;
const KILLS: u64 = 10;
const USAGE: &str = "Usage: power-cut [--seed N] [--work FOLDER] [--again] [replay] [kill]
  --seed N       the samples and moments of another run; else the time of day
  --work FOLDER  work there instead of in target/power-cut; what it holds is deleted
  --again        the site, the disk and the recording that the last run left there";

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Replay,
    Kill,
}

/// What was asked for.
struct Asked {
    parts: Vec<Part>,
    seed: u64,
    again: bool,
    folder: PathBuf,
}

/// Where a run works.
struct Run<'a> {
    folder: &'a Path,
    /// The disk with the old version.
    before: PathBuf,
    seed: u64,
    tell: &'a (dyn Fn(&str) + Sync),
}

fn main() {
    let asked = arguments().unwrap_or_else(|e| {
        eprintln!("power-cut: {e}\n{USAGE}");
        std::process::exit(2);
    });
    println!("seed {}", asked.seed);
    let begun = Instant::now();
    let tell = |what: &str| println!("[{:>4} s] {what}", begun.elapsed().as_secs());
    let before = asked.folder.join("before.img");
    let run = Run { folder: &asked.folder, before, seed: asked.seed, tell: &tell };
    if !asked.again {
        let _ = fs::remove_dir_all(&asked.folder);
    }
    fs::create_dir_all(&asked.folder).expect("a folder to work in");
    let site = run.site();
    let mut failures = 0;
    if asked.parts.contains(&Part::Replay) {
        failures += run.replay(&site, asked.again);
    }
    if asked.parts.contains(&Part::Kill) {
        run.kill();
    }
    tell("done");
    drop(site);
    std::process::exit(i32::from(failures > 0));
}

fn arguments() -> Result<Asked, String> {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    let folder = repository().join("target/power-cut");
    let mut asked = Asked { parts: Vec::new(), seed: now, again: false, folder };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "replay" => asked.parts.push(Part::Replay),
            "kill" => asked.parts.push(Part::Kill),
            "--again" => asked.again = true,
            "--work" => asked.folder = words.next().ok_or("--work needs a folder")?.into(),
            "--seed" => {
                let number = words.next().and_then(|text| text.parse().ok());
                asked.seed = number.ok_or("--seed needs a number")?;
            }
            other => return Err(format!("{other:?} is not known")),
        }
    }
    if asked.parts.is_empty() {
        asked.parts.push(Part::Replay);
    }
    // The machines that are killed look for the site at the port of the run that installed them.
    if asked.again && (asked.parts != [Part::Replay] || !asked.folder.join("before.img").exists()) {
        return Err("--again is for the replay of a recording that was made".to_owned());
    }
    Ok(asked)
}

impl Run<'_> {
    /// The site, served, and the disk installed from it; or both as an earlier run left them.
    fn site(&self) -> Site {
        let mut site = Site::new(self.folder, &repository().join("recipes"));
        if self.before.exists() {
            return site;
        }
        for version in [OLD, NEW, NEXT] {
            (self.tell)(&format!("building and publishing {version}"));
            site.build_on(&kept_packages(ROLE), ROLE, version);
            site.publish(ROLE, version);
        }
        let port = site.serve();
        (self.tell)(&format!("installing {OLD}"));
        site.install(port, ROLE, OLD, &self.before, DISK, &["--hostname", "cut", "--profile", "test"]);
        site
    }

    /// Records, replays and prints the table; how many failures there were.
    fn replay(&self, site: &Site, again: bool) -> usize {
        let versions = Versions::on(&site.published(), &self.folder.join("builds"), ROLE, [OLD, NEW, NEXT]);
        let recording = if again {
            Recording::kept(&self.before, self.folder)
        } else {
            record(&self.before, self.folder, NEW, self.tell).0
        };
        let scope = Scope { samples: SAMPLES, extent: EXTENT, seed: self.seed };
        let table = cut_everywhere(&recording, &versions, scope, self.folder, self.tell);
        (self.tell)("the table:");
        println!("{table}");
        let failures = table.failures();
        failures.iter().for_each(|(moment, failure)| println!("{moment:?}: {failure}"));
        let unseen = table.unseen(EXTENT.boots);
        unseen.iter().for_each(|unseen| println!("not seen: {unseen}"));
        failures.len() + usize::from(unseen.is_some())
    }

    /// Kills machines, some at a time, and tells of each.
    fn kill(&self) {
        let bench = kill::Bench { before: &self.before, folder: self.folder, old: OLD, new: NEW };
        let (seed, tell) = (self.seed, self.tell);
        std::thread::scope(|scope| {
            for row in 0..ROWS {
                scope.spawn(move || {
                    let mut dice = Dice::new(seed, &[row]);
                    let whole = bench.whole(&format!("whole-{row}"));
                    tell(&format!("an upgrade that nobody cuts short takes {} s", whole.as_secs()));
                    for n in 0..KILLS {
                        let name = format!("killed-{row}-{n}");
                        let Kill { at, entries, came_up } = bench.kill(&name, dice.below(1000), whole);
                        tell(&format!(
                            "{name}: at {at} of 1000, with {entries:?}; {came_up} came up, and went on"
                        ));
                    }
                });
            }
        });
        println!("{} machines killed, booted, and upgraded to the end", ROWS * KILLS);
    }
}
