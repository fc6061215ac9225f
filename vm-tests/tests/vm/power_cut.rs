//! The short forms of `just power-cut` and `just kill-test`: fewer samples, and of what is examined a part.

use std::sync::LazyLock;
use std::time::Duration;

use vm_tests::power::cut::Dice;
use vm_tests::power::examine::Versions;
use vm_tests::power::kill::Bench;
use vm_tests::power::plan::Extent;
use vm_tests::power::record::{Recording, record};
use vm_tests::power::survey::Samples;
use vm_tests::power::{Scope, cut_everywhere, without_flushes};

use crate::fixture::{ROLE, fixture, tell, wait_for};

const SAMPLES: Samples = Samples { esp: 10, other: 1 };
const EXTENT: Extent = Extent { others: 2, boots: 2, one_in: 8 };
const KILLS: u64 = 2;

static RECORDING: LazyLock<(Recording, Duration)> = LazyLock::new(|| {
    let before = &fixture().twins[0];
    wait_for("1.1");
    record(before, &fixture().folder.join("power"), "1.1", |what| tell("power", what))
});

fn versions() -> Versions {
    wait_for("1.2-sick");
    let builds = fixture().folder.join("builds");
    Versions::on(&fixture().published, &builds, ROLE, ["1.0", "1.1", "1.2-sick"])
}

/// The same in each run, so that a failure comes again; the commands roll their own.
const SEED: u64 = 1;

#[test]
fn wherever_an_upgrade_is_cut_one_of_both_versions_boots_whole_and_the_next_upgrade_comes_to_its_end() {
    let (recording, _) = &*RECORDING;
    let (folder, versions) = (fixture().folder.join("power"), versions());
    let scope = Scope { samples: SAMPLES, extent: EXTENT, seed: SEED };
    let table = cut_everywhere(recording, &versions, scope, &folder, &|what| tell("power", what));
    eprintln!("{table}");
    assert_eq!(table.failures(), []);
    assert_eq!(table.unseen(EXTENT.boots), None);
}

#[test]
fn the_same_upgrade_on_a_disk_that_ignores_flushes_is_seen_to_fail() {
    let (recording, _) = &*RECORDING;
    let (folder, versions) = (fixture().folder.join("careless"), versions());
    let failures = without_flushes(recording, &versions, SEED, &folder);
    tell(
        "power",
        &format!("without flushes {} of 10 cuts end badly: {:?}", failures.len(), failures.first()),
    );
    assert!(!failures.is_empty(), "the replay sees nothing");
}

#[test]
fn a_machine_that_is_killed_in_an_upgrade_comes_up_and_is_upgraded_to_the_end() {
    let whole = RECORDING.1;
    let folder = fixture().folder.join("kill");
    let bench = Bench { before: &fixture().twins[0], folder: &folder, old: "1.0", new: "1.1" };
    let mut dice = Dice::new(SEED, &[]);
    for n in 0..KILLS {
        let kill = bench.kill(&format!("killed-{n}"), dice.below(1000), whole);
        tell("kill", &format!("{kill:?}"));
    }
}
