//! What the entries on the ESP say at boot: whether this boot is a fall-back, and whether there is
//! anything to fall back to.

use std::path::Path;

use edeploy_format::boot::EntryName;

use super::running::Running;
use super::trial::Trial;
use crate::disk::mount::Access;
use crate::disk::place::{Place, PlaceError};
use crate::disk::sectors::{Sectors, SectorsError};
use crate::esp::{Esp, EspError, Listed};
use crate::failure::chain;
use crate::journal::{self, Deployment, Event, Line};

/// Why the entries are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntriesError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Open(#[from] SectorsError),
    #[error("reading the boot entries")]
    Esp(#[from] EspError),
}

/// The entries of the running machine; nothing is written.
pub(super) fn of_running(root: &Path) -> Result<Vec<Listed>, EntriesError> {
    let place = Place::running(root)?;
    let volume = place.volume(&place.layout.esp, Access::ReadOnly)?;
    Ok(Esp::open(Sectors::open(volume, Access::ReadOnly)?)?.entries()?)
}

/// The fall-back that led to this boot, unless it is in the journal already: the newest entry of the
/// other slot used up its tries and was not blessed, and what runs is older.
pub(super) fn fall_back(listed: &[Listed], running: &Deployment, lines: &[Line]) -> Option<Event> {
    let generation = running.generation.or_else(|| own(listed, running).map(|name| name.generation))?;
    let newest = Listed::failed(listed).find(|l| l.name.slot != running.slot)?;
    let manifest = newest.entry.as_ref().ok()?.options.manifest;
    let from = Deployment {
        version: journal::version_of(lines, &manifest),
        manifest,
        slot: newest.name.slot,
        generation: Some(newest.name.generation),
    };
    if newest.name.generation < generation || journal::fall_back(lines, &from).is_some() {
        return None;
    }
    let reason = reason(lines, &from);
    Some(Event::FellBack { from, to: running.clone(), reason })
}

fn reason(lines: &[Line], from: &Deployment) -> String {
    match journal::last_report(lines, from) {
        (Some(reason), _) => reason.to_owned(),
        (None, 0) => "no report from the trial: kernel, early boot or power".to_owned(),
        (None, boots) => {
            format!("no report from the trial, which came as far as early userspace {boots} of its tries")
        }
    }
}

/// The newest whole entry of what runs.
fn own(listed: &[Listed], running: &Deployment) -> Option<EntryName> {
    let ours = |l: &&Listed| {
        l.name.slot == running.slot && l.whole().is_some_and(|e| e.options.manifest == running.manifest)
    };
    listed.iter().find(ours).map(|l| l.name)
}

/// What to say of a loader that says it counted this boot, when the ESP does not show it: then nothing
/// ends a trial that fails again and again.
pub(super) fn not_counted(listed: &[Listed], trial: Trial) -> Option<String> {
    let counted = trial.entry()?;
    if listed.iter().any(|l| l.name == counted) {
        return None;
    }
    let there = listed.iter().find(|l| l.name.blessed() == counted.blessed());
    let there = there.map_or_else(|| "nothing of it".to_owned(), |l| l.name.to_string());
    Some(format!("THE LOADER DOES NOT COUNT: it says it booted {counted}, the ESP holds {there}"))
}

/// Whether a reboot may help. Where the entries cannot be read it is taken for true: the count of tries
/// ends that. Where the loader does not count, nothing would: the machine stays up.
pub(super) fn leads_elsewhere(root: &Path, say: &mut dyn FnMut(&str)) -> bool {
    let running = Running::of(root).map_err(|e| chain(&e));
    let listed = of_running(root).map_err(|e| chain(&e));
    match running.and_then(|running| Ok((running, listed?))) {
        Ok((running, listed)) => worth_a_reboot(&listed, &running.deployment, running.trial),
        Err(e) => {
            say(&format!("not known what a reboot would lead to: {e}"));
            true
        }
    }
}

/// Whether a reboot of this trial can lead anywhere else: the other slot is bootable, the loader counts, and
/// this trial was not blessed meanwhile.
fn worth_a_reboot(listed: &[Listed], running: &Deployment, trial: Trial) -> bool {
    let bootable = |l: &Listed| l.name.slot != running.slot && !l.name.exhausted() && l.whole().is_some();
    let blessed = |l: &Listed| {
        let plain = l.name.slot == running.slot && l.name.tries.is_none() && l.whole().is_some();
        plain && running.generation == Some(l.name.generation)
    };
    listed.iter().any(bootable) && not_counted(listed, trial).is_none() && !listed.iter().any(blessed)
}

#[cfg(test)]
mod tests {
    use edeploy_format::boot::{Entry, EntryError, MachineId, Options, PartUuid};
    use edeploy_format::digest::Digest;
    use edeploy_format::slot::Slot;

    use super::*;

    fn manifest(slot: Slot, generation: u64) -> Digest {
        Digest::of(format!("{slot}{generation}").as_bytes())
    }

    fn listed(name: &str) -> Listed {
        let name: EntryName = format!("edeploy-{name}.conf").parse().unwrap();
        let options = Options {
            root: PartUuid([1; 16]),
            slot: name.slot,
            state: PartUuid([2; 16]),
            manifest: manifest(name.slot, name.generation),
            machine: MachineId([3; 16]),
            role: String::new(),
        };
        let entry = Entry {
            title: "web".to_owned(),
            generation: name.generation,
            kernel: Digest::of(b"kernel"),
            initrd: Digest::of(b"initrd"),
            options,
        };
        Listed { name, entry: Ok(entry), complete: true }
    }

    fn all(names: &[&str]) -> Vec<Listed> {
        let mut all: Vec<_> = names.iter().map(|name| listed(name)).collect();
        all.sort_by_key(|l| std::cmp::Reverse(l.name));
        all
    }

    fn running(slot: Slot, generation: u64) -> Deployment {
        Deployment {
            version: Some("1".parse().unwrap()),
            manifest: manifest(slot, generation),
            slot,
            generation: Some(generation),
        }
    }

    fn given_up() -> Deployment {
        Deployment { version: Some("2".parse().unwrap()), ..running(Slot::B, 2) }
    }

    fn lines(events: impl IntoIterator<Item = Event>) -> Vec<Line> {
        events.into_iter().map(|event| Line { time: 1, event }).collect()
    }

    fn told(reason: &str) -> Option<Event> {
        Some(Event::FellBack { from: given_up(), to: running(Slot::A, 1), reason: reason.to_owned() })
    }

    #[test]
    fn a_fall_back_is_told_once_with_the_reason_the_trial_left() {
        let entries = all(&["a-g1", "b-g2+0-3"]);
        let armed =
            Event::Armed { from: running(Slot::A, 1), to: given_up(), fetched: 0, written: 0, seconds: 0 };
        let booted = Event::Booted { running: given_up(), trial: true, volatile: None };
        let unhealthy = Event::Unhealthy { running: given_up(), reason: "nginx".to_owned(), reboot: true };
        let find = |events: &[Event]| fall_back(&entries, &running(Slot::A, 1), &lines(events.to_vec()));
        assert_eq!(
            find(std::slice::from_ref(&armed)),
            told("no report from the trial: kernel, early boot or power")
        );
        assert_eq!(
            find(&[armed.clone(), booted.clone(), booted.clone()]),
            told("no report from the trial, which came as far as early userspace 2 of its tries")
        );
        let found = find(&[armed.clone(), booted.clone(), unhealthy.clone()]);
        assert_eq!(found, told("nginx"));
        assert_eq!(find(&[armed, booted, unhealthy, found.unwrap()]), None);
    }

    #[test]
    fn what_is_still_tried_blessed_older_or_torn_is_no_fall_back() {
        for entries in [
            &["a-g3", "b-g2+0-3"][..],
            &["a-g1", "b-g2+1-2"],
            &["a-g1", "b-g2"],
            &["a-g1+0-3"],
            &["a-g1", "b-g2", "b-g2+0-3"],
        ] {
            let generation = all(entries).iter().find(|l| l.name.slot == Slot::A).unwrap().name.generation;
            assert_eq!(fall_back(&all(entries), &running(Slot::A, generation), &[]), None, "{entries:?}");
        }
        let mut torn = all(&["a-g1", "b-g2+0-3"]);
        torn[0].entry = Err(EntryError::Torn);
        assert_eq!(fall_back(&torn, &running(Slot::A, 1), &[]), None);
    }

    #[test]
    fn the_running_generation_is_found_by_its_manifest_where_the_loader_does_not_tell() {
        let entries = all(&["a-g1", "b-g2+0-3"]);
        let unknown = Deployment { generation: None, ..running(Slot::A, 1) };
        assert!(fall_back(&entries, &unknown, &[]).is_some());
        let strange = Deployment { manifest: Digest::of(b"strange"), ..unknown };
        assert_eq!(fall_back(&entries, &strange, &[]), None);
    }

    #[test]
    fn a_loader_that_does_not_count_is_noticed() {
        let trial = Trial::Counted("edeploy-b-g2+2-1.conf".parse().unwrap());
        let said = |names: &[&str], trial| not_counted(&all(names), trial);
        assert_eq!(said(&["a-g1", "b-g2+2-1"], trial), None);
        assert_eq!(said(&["a-g1", "b-g2+3"], Trial::No), None);
        let expected = "THE LOADER DOES NOT COUNT: it says it booted edeploy-b-g2+2-1.conf, the ESP holds ";
        assert_eq!(said(&["a-g1", "b-g2+3"], trial), Some(format!("{expected}edeploy-b-g2+3.conf")));
        assert_eq!(said(&["a-g1"], trial), Some(format!("{expected}nothing of it")));
    }

    #[test]
    fn a_reboot_is_worth_it_while_another_slot_can_be_booted_and_nothing_is_blessed() {
        let trial = Trial::Counted("edeploy-b-g2+2-1.conf".parse().unwrap());
        let worth = |names: &[&str]| worth_a_reboot(&all(names), &running(Slot::B, 2), trial);
        assert!(worth(&["a-g1", "b-g2+2-1"]));
        assert!(!worth(&["b-g2+2-1"]));
        assert!(!worth(&["a-g1+0-3", "b-g2+2-1"]));
        assert!(!worth(&["a-g1", "b-g2+2-1", "b-g2"]));
    }

    #[test]
    fn where_the_loader_does_not_count_no_failing_trial_reboots_without_end() {
        let trial = Trial::Counted("edeploy-b-g2+2-1.conf".parse().unwrap());
        assert!(!worth_a_reboot(&all(&["a-g1", "b-g2+3"]), &running(Slot::B, 2), trial));
        assert!(!worth_a_reboot(&all(&["a-g1"]), &running(Slot::B, 2), trial));
    }
}
