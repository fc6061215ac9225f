//! Power cuts: what a machine would find on its disk after each of them, and whether it goes on from there.
//!
//! A machine's writes are logged through a whole upgrade ([`record`]); the disk is rebuilt as a cut would
//! leave it, at every flush and in samples between two ([`replay`]); each time it is asked what would boot
//! ([`esp`], [`survey`]), and the distinct states are verified, upgraded and booted ([`plan`], [`examine`],
//! [`trials`]). [`kill`] ends whole machines instead. `docs/power.md` says what is shown by it and what is not.

use std::path::Path;

pub mod cut;
pub mod esp;
pub mod examine;
pub mod kill;
pub mod log;
pub mod medium;
pub mod own;
pub mod plan;
pub mod record;
pub mod replay;
pub mod survey;
pub mod table;
pub mod trials;

/// How much is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Scope {
    /// Between flushes.
    pub samples: survey::Samples,
    /// Of the distinct states.
    pub extent: plan::Extent,
    /// Chooses samples and states.
    pub seed: u64,
}

/// Replays a recording, with copies of the disk in `folder`; what was seen.
///
/// # Panics
/// If the log does not lead to the disk that QEMU left, byte for byte.
#[must_use]
pub fn cut_everywhere(
    recording: &record::Recording,
    versions: &examine::Versions,
    scope: Scope,
    folder: &Path,
    tell: &(dyn Fn(&str) + Sync),
) -> table::Table {
    let Scope { samples, extent, seed } = scope;
    let replay = replay::Replay::new(recording, seed);
    let scratch = folder.join("medium.img");
    assert!(replay.ends_as_recorded(recording, &scratch), "the log does not lead to the disk that QEMU left");
    tell("the log leads to the disk that QEMU left, byte for byte");
    let medium = || medium::Medium::copy_of(&recording.before, &scratch);
    let survey = survey::survey(&replay, &mut medium(), samples, versions);
    let plan = plan::plan(&survey, extent, seed);
    let counts = |f: fn(&plan::Job) -> bool| plan.values().filter(|job| f(job)).count();
    tell(&format!("what would boot:\n{survey}"));
    tell(&format!(
        "{} distinct states: {} to verify, {} to upgrade, {} to boot",
        survey.states.len(),
        counts(|job| job.verify),
        counts(|job| job.go_on),
        counts(|job| job.boot)
    ));
    let bench = trials::Bench { folder, versions, tell };
    let trials = trials::examine(&replay, &mut medium(), samples, &plan, bench);
    std::fs::remove_file(&scratch).expect("a copy of ours");
    table::Table { counts: replay.counts(), survey, trials }
}

/// What goes wrong in ten cuts of the same writes on a disk that ignores flushes: what the replay must be able to
/// see.
#[must_use]
pub fn without_flushes(
    recording: &record::Recording,
    versions: &examine::Versions,
    seed: u64,
    folder: &Path,
) -> Vec<(replay::Moment, String)> {
    let replay = replay::Replay::new(recording, seed).ignoring_flushes();
    std::fs::create_dir_all(folder).expect("a folder for the copies");
    let scratch = folder.join("medium.img");
    let medium = || medium::Medium::copy_of(&recording.before, &scratch);
    let samples = survey::Samples { esp: 10, other: 10 };
    let survey = survey::survey(&replay, &mut medium(), samples, versions);
    let plan = plan::plan(&survey, plan::Extent { others: 0, boots: 0, one_in: 1 }, seed);
    let bench = trials::Bench { folder, versions, tell: &|_| () };
    let trials = trials::examine(&replay, &mut medium(), samples, &plan, bench);
    std::fs::remove_file(&scratch).expect("a copy of ours");
    table::Table { counts: replay.counts(), survey, trials }.failures()
}
