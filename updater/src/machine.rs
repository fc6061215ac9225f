//! What to do next: the whole policy of install, upgrade, blessing, rollback and repair as one pure function.
//!
//! [`next`] is total: every state of a machine has one next step, also those that only a crash leaves.
//! It knows no device, clock or process; `host.rs` looks, does one step, and asks again. Nothing is
//! remembered but in boot entries and slots: [`Progress`] lives as long as the process.

mod observed;
mod repair;
mod step;
mod upgrade;

pub use observed::{Observed, Running, World};
pub use repair::{Held, Rescue, State};
pub use step::{Closed, Filled, Goal, Outcome, Progress, Refusal, Step, Verified};

pub(crate) use step::{close, fill, hold, verify};

use edeploy_format::boot::{Entry, EntryName};

/// The next step towards `goal`.
#[must_use]
pub fn next(seen: &Observed, goal: &Goal) -> Step {
    match (goal, &seen.world.running) {
        (Goal::Repair, _) => repair::next(seen),
        (Goal::Install, None) => upgrade::install(seen),
        (Goal::Install, Some(_)) => Step::Refuse(Refusal::Running),
        (Goal::Upgrade { .. } | Goal::Rollback | Goal::Bless, None) => Step::Refuse(Refusal::NotInstalled),
        (_, Some(_)) if seen.world.overridden => Step::ClearOverride,
        (Goal::Upgrade { manifest, retry }, Some(running)) => upgrade::next(seen, running, *manifest, *retry),
        (Goal::Rollback, Some(running)) => rollback(seen, running),
        (Goal::Bless, Some(running)) => bless(seen, running),
    }
}

/// A good entry of the other slot becomes the newest; then its older ones go.
fn rollback(seen: &Observed, running: &Running) -> Step {
    let other = running.slot.other();
    let good = seen.whole(other).find(|(name, _)| name.tries.is_none());
    let Some((name, entry)) = good else { return Step::Refuse(Refusal::NoWayBack) };
    let newest = seen.entries.iter().map(|listed| listed.name.generation).max();
    if newest != Some(name.generation) {
        let entry = Entry { generation: seen.next_generation(), ..entry.clone() };
        let name = EntryName::plain(other, entry.generation);
        return Step::Rearm { name, entry, outcome: Outcome::RolledBack(name) };
    }
    retire(seen.names(other).filter(|older| *older != name), Outcome::RolledBack(name))
}

/// The plain entry of the running generation is written; then the counted one goes.
fn bless(seen: &Observed, running: &Running) -> Step {
    if seen.world.volatile {
        return Step::Refuse(Refusal::Volatile);
    }
    let Some((name, entry)) = seen.booted(running) else { return Step::Refuse(Refusal::EntryLost) };
    let plain = name.blessed();
    let counted = seen.names(running.slot).filter(|other| *other != plain && other.blessed() == plain);
    let counted: Vec<EntryName> = counted.collect();
    if !seen.whole(running.slot).any(|(other, _)| other == plain) {
        return Step::Bless { plain, entry: entry.clone(), counted };
    }
    retire(counted.into_iter(), Outcome::Blessed(plain))
}

/// Deletes what another entry stands for; without any, that is the end.
fn retire(names: impl Iterator<Item = EntryName>, outcome: Outcome) -> Step {
    match names.collect::<Vec<_>>() {
        names if names.is_empty() => Step::Done(outcome),
        names => Step::Retire { names, outcome },
    }
}

#[cfg(test)]
mod tests;
