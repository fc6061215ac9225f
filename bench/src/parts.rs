//! What is measured: one file for each part.

mod any;
mod apply;
mod build;
mod delta;
mod fleet;
mod growth;
mod install;
mod load;
mod machine;
mod matching;
mod tree;
mod upgrade;
mod verify;

pub use fleet::{MACHINES, WAYS as FLEET_WAYS};
pub use growth::{CASES as GROWTH, WAYS as GROWTH_WAYS};
pub use load::{HOSTS, WAYS as LOAD_WAYS};
pub use matching::{DISKS, WAYS as MATCH_WAYS};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::{Cli, Part};
use crate::error::Result;
use crate::run::Call;
use crate::trees::{PAIRS, Pair, Trees};
use crate::{disk, folder, peers, report, trees};

/// What is done without a part being named, in this order.
const ALL: [Part; 13] = [
    Part::Delta,
    Part::Any,
    Part::Apply,
    Part::Upgrade,
    Part::Verify,
    Part::Install,
    Part::Build,
    Part::Growth,
    Part::Load,
    Part::Match,
    Part::Fleet,
    Part::Size,
    Part::Report,
];

/// Does what was typed.
///
/// # Errors
/// The first that a part ended with; what was measured before is kept.
pub fn run(cli: Cli) -> Result<()> {
    let wanted = if cli.parts.is_empty() { ALL.to_vec() } else { cli.parts.clone() };
    let mut bench = Bench::open(cli)?;
    if wanted == [Part::Report] {
        return report::write(&bench);
    }
    bench.results.machine = machine()?;
    if !wanted.iter().all(|part| part.is_of_fleet() || *part == Part::Report) {
        peers::ready()?;
        disk::let_go(&bench.cli.work)?;
        bench.results.peers = peers::versions()?;
    }
    wanted.into_iter().try_for_each(|part| one(&mut bench, part))
}

fn one(bench: &mut Bench, part: Part) -> Result<()> {
    match part {
        Part::Trees => trees::ready(bench).map(|_| ()),
        Part::Delta => delta::run(bench),
        Part::Any => any::run(bench),
        Part::Apply => each_pair(bench, apply::one),
        Part::Upgrade => each_pair(bench, upgrade::one),
        Part::Verify => verify::run(bench),
        Part::Install => each_pair(bench, install::one),
        Part::Build => build::run(bench),
        Part::Growth => growth::run(bench),
        Part::Load => load::run(bench),
        Part::Match => matching::run(bench),
        Part::Fleet => fleet::run(bench),
        Part::Size => size(bench),
        Part::Report => report::write(bench),
    }
}

/// The host binary as it is.
fn size(bench: &mut Bench) -> Result<()> {
    let bytes = folder::bytes(&bench.cli.updater)?;
    bench.interleave(Part::Size, "binary", vec![Way::seldom("ours", 1, || Ok(Outcome::counted(bytes)))])
}

/// Processor, memory and system of this machine.
fn machine() -> Result<String> {
    let script = "nproc; sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1; \
                  awk '/^MemTotal/ {printf \"%.0f GiB\\n\", $2 / 1048576}' /proc/meminfo; \
                  . /etc/os-release; echo \"$PRETTY_NAME\"";
    let told = Call::shell(script).run()?;
    Ok(told.trim().lines().collect::<Vec<_>>().join(", ").replacen(", ", " × ", 1))
}

/// Measures all pairs that were asked for.
fn each_pair(bench: &mut Bench, one: fn(&mut Bench, &Trees, Pair) -> Result<()>) -> Result<()> {
    let trees = trees::ready(bench)?;
    for pair in PAIRS {
        if bench.wants(&pair.name()) {
            one(bench, &trees, pair)?;
        }
    }
    Ok(())
}
