//! The way of a tree into a slot: install and upgrade share it from the closed slot on.

use edeploy_format::boot::{Entry, EntryName, TRIES};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::observed::{Observed, Running};
use super::retire;
use super::step::{Outcome, Progress, Refusal, Step};

/// The next step of an install.
pub(super) fn install(seen: &Observed) -> Step {
    go_on(seen, Slot::A, true, || Step::Partition)
}

/// The next step of an upgrade.
pub(super) fn next(seen: &Observed, running: &Running, manifest: Digest, retry: bool) -> Step {
    if running.manifest == manifest {
        return already_running(seen, running);
    }
    if seen.own(running).is_none() {
        // Nothing may be closed: the other slot is all that boots.
        return Step::Refuse(Refusal::EntryLost);
    }
    go_on(seen, running.slot.other(), false, || begin(seen, running, manifest, retry))
}

/// What runs is what is wanted; if the other slot is to boot next, it is so no longer, but stays bootable.
fn already_running(seen: &Observed, running: &Running) -> Step {
    if seen.on_trial(running) {
        // What is staged beside it is what an operator rolled back to.
        let staged = seen.staged(running).is_some();
        return if staged { Step::Refuse(Refusal::Trial) } else { Step::Done(Outcome::OnTrial) };
    }
    let Some((own, entry)) = seen.own(running) else { return Step::Refuse(Refusal::EntryLost) };
    if seen.staged(running).is_some() {
        let entry = Entry { generation: seen.next_generation(), ..entry.clone() };
        let name = EntryName::plain(running.slot, entry.generation);
        return Step::Rearm { name, entry, outcome: Outcome::UpToDate };
    }
    let older = seen.names(running.slot).filter(|name| name.generation < own.generation);
    retire(older, Outcome::UpToDate)
}

fn begin(seen: &Observed, running: &Running, manifest: Digest, retry: bool) -> Step {
    let spare = running.slot.other();
    if let Some((name, entry)) = seen.staged(running)
        && entry.options.manifest == manifest
    {
        return Step::Done(Outcome::Staged { name, reboot: false });
    }
    if seen.on_trial(running) && seen.bootable(spare) {
        return Step::Refuse(Refusal::Trial);
    }
    if seen.fell_back_from(manifest, spare) && !retry {
        return Step::Refuse(Refusal::FellBack(manifest));
    }
    // A journal on a volatile /var knows of it for no longer than this boot.
    if seen.world.volatile
        && let Some((_, failed)) = seen.failures(spare).next()
    {
        return Step::Refuse(Refusal::Forgetful(failed));
    }
    Step::Check(spare)
}

/// The step after what this process did last; `begin` is the first.
fn go_on(seen: &Observed, target: Slot, install: bool, begin: impl FnOnce() -> Step) -> Step {
    match seen.progress {
        Progress::Nothing => begin(),
        Progress::Partitioned => Step::MakeEsp,
        Progress::EspMade => Step::MakeState,
        Progress::StateMade | Progress::Remembered => Step::Close(target),
        Progress::Checked => match seen.forgotten_failures(target) {
            failures if failures.is_empty() => Step::Close(target),
            failures => Step::Remember(failures),
        },
        Progress::Closed(slot) if seen.world.sound => Step::Fill(slot),
        Progress::Closed(slot) => Step::MakeSlot(slot),
        Progress::Made(slot) => Step::Fill(slot),
        Progress::Filled(slot) => Step::Verify(slot),
        Progress::Verified(slot) if install => Step::PutLoader(slot),
        Progress::Verified(slot) | Progress::LoaderPut(slot) => Step::Stage(slot),
        Progress::Staged(slot) if install => {
            let name = EntryName::plain(slot.slot(), seen.next_generation());
            Step::Arm { slot, name, reboot: false }
        }
        Progress::Staged(slot) => Step::Pre(slot),
        Progress::PreRan(slot) => Step::Carry(slot),
        Progress::Carried(slot) => Step::Post(slot),
        Progress::PostRan { slot, reboot } => {
            let name = EntryName::trial(slot.slot(), seen.next_generation(), TRIES);
            Step::Arm { slot, name, reboot }
        }
        Progress::Armed { name, reboot } => Step::Done(Outcome::armed(name, reboot)),
    }
}
