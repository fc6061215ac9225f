//! The second pass over a recording: the states that were chosen are rebuilt once more and examined, two at a
//! time, each on a copy of the disk.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use super::esp::Decision;
use super::examine::{Outcome, Version, Versions};
use super::medium::{Medium, copy};
use super::plan::Job;
use super::replay::{Moment, Replay};
use super::survey::Samples;
use crate::disk::{ESP, SLOTS, STATE, check_raw};
use crate::machine::Machine;

/// How many are examined at a time: each boot keeps a processor busy.
const AT_ONCE: usize = 2;

/// What was done, and what came of it.
#[derive(Debug, Default)]
pub struct Trials {
    /// Slots that were verified.
    pub verified: AtomicUsize,
    /// Upgrades that came to their end.
    pub went_on: AtomicUsize,
    /// Machines that booted what they should.
    pub booted: AtomicUsize,
    /// What went wrong, and when.
    pub failures: Mutex<Vec<(Moment, String)>>,
}

/// Where trials work, and how they tell of it.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// For the copies.
    pub folder: &'a Path,
    /// The versions of the recording.
    pub versions: &'a Versions,
    /// Is told what is done.
    pub tell: &'a (dyn Fn(&str) + Sync),
}

/// Examines what is planned. `medium` holds the disk as it was before.
///
/// # Panics
/// If a copy cannot be made.
pub fn examine(
    replay: &Replay,
    medium: &mut Medium,
    samples: Samples,
    plan: &BTreeMap<Moment, Job>,
    bench: Bench<'_>,
) -> Trials {
    let trials = Trials::default();
    let (send, receive) = mpsc::sync_channel::<(&Job, PathBuf)>(0);
    let receive = Mutex::new(receive);
    let esp = medium.place(ESP);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = receive.lock().expect("nobody panics with it").recv();
                    let Ok((job, image)) = next else { break };
                    trials.run(job, &image, bench);
                    std::fs::remove_file(image).expect("a copy of ours");
                }
            });
        }
        replay.play(
            medium,
            |interval| samples.of(interval, esp),
            |moment, medium| {
                let Some(job) = plan.get(&moment) else { return };
                let sample = moment.sample.map(|n| format!("-{n}")).unwrap_or_default();
                let image = bench.folder.join(format!("cut-{}{sample}.img", moment.flush));
                medium.copy(&image);
                send.send((job, image)).expect("somebody examines");
            },
        );
        drop(send);
    });
    trials
}

impl Trials {
    /// All that is to be done with one state, whose disk is `image`.
    fn run(&self, job: &Job, image: &Path, bench: Bench<'_>) {
        let (versions, decision) = (bench.versions, &job.state.decision);
        let done = catch_unwind(AssertUnwindSafe(|| {
            if job.boot {
                let version = versions.of(job.state.outcome);
                let apart = image.with_extension("boot");
                copy(image, &apart);
                let booted = boot(&apart, bench, version, decision);
                std::fs::remove_file(apart).expect("a copy of ours");
                booted?;
                self.booted.fetch_add(1, Ordering::Relaxed);
            }
            if job.verify {
                versions.verify(image, decision.name.slot)?;
                self.verified.fetch_add(1, Ordering::Relaxed);
            }
            if job.go_on {
                versions.go_on(image, decision)?;
                self.went_on.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
        let failure = match done {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => "a panic; see above".to_owned(),
        };
        (bench.tell)(&format!("{:?}: FAILED: {failure}", job.state.moment));
        self.failures.lock().expect("nobody panics with it").push((job.state.moment, failure));
    }
}

/// Boots a disk, which must come up whole with `version`, and, if the entry was counted, bless it; switches it off
/// and checks its slot and the state partition.
fn boot(disk: &Path, bench: Bench<'_>, version: &Version, decision: &Decision) -> Result<(), String> {
    let name = disk.file_stem().and_then(|name| name.to_str()).expect("a name of ours");
    (bench.tell)(&format!("booting {name}, which must come up with {}", version.name));
    let mut machine = Machine::on(disk, bench.folder, name);
    machine.start();
    let mut shell = machine.shell("");
    let running = shell.must("edeploy-ab version");
    if running.trim() != version.name {
        return Err(format!("{} runs and not {}", running.trim(), version.name));
    }
    if decision.choice.counted {
        machine.wait_for(&format!("{} in slot b is good", version.name));
    }
    shell.must("systemctl is-system-running --wait");
    shell.type_in("systemctl --no-block poweroff").expect("the machine runs");
    machine.wait_for_power_off();
    // What was cut off in the other slot and on the ESP is for the next upgrade to make good.
    check_raw(disk, &[SLOTS[decision.name.slot.index()], STATE])
}

impl Versions {
    fn of(&self, outcome: Outcome) -> &Version {
        match outcome {
            Outcome::Old => &self.old,
            Outcome::New => &self.new,
        }
    }
}
