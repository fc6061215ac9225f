//! What a machine is now, and the questions the policy asks of it.

use edeploy_format::boot::{Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use super::repair::Rescue;
use super::step::Progress;
use crate::esp::Listed;

/// What the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// From which slot.
    pub slot: Slot,
    /// Which tree.
    pub manifest: Digest,
}

/// What a host sees of itself, beside its ESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// `None` on a disk that is being installed.
    pub running: Option<Running>,
    /// An EFI variable comes before the order and the counters of entries.
    pub overridden: bool,
    /// The versions fallen back from, by the journal.
    pub refused: Vec<Digest>,
    /// There is no state partition: /var is lost at the next boot.
    pub volatile: bool,
    /// The entry that the loader says it counted for this boot.
    pub counted: Option<EntryName>,
    /// The file system of the slot that is not running can be mounted and knows of no error. Asked for
    /// only once that slot is closed.
    pub sound: bool,
}

/// All that the next step depends on.
#[derive(Debug, PartialEq, Eq)]
pub struct Observed {
    /// What the host sees.
    pub world: World,
    /// The entries of ours on the ESP, the newest first.
    pub entries: Vec<Listed>,
    /// How far this process has come.
    pub progress: Progress,
    /// Looked at only for a repair.
    pub rescue: Rescue,
}

impl Observed {
    /// The names of a slot's entries, also of torn ones.
    pub(super) fn names(&self, slot: Slot) -> impl Iterator<Item = EntryName> {
        self.entries.iter().map(|listed| listed.name).filter(move |name| name.slot == slot)
    }

    /// The whole entries of a slot, the newest first.
    pub(super) fn whole(&self, slot: Slot) -> impl Iterator<Item = (EntryName, &Entry)> {
        let whole = self.entries.iter().filter_map(|listed| Some((listed.name, listed.whole()?)));
        whole.filter(move |(name, _)| name.slot == slot)
    }

    /// The newest entry of what runs.
    pub(super) fn own(&self, running: &Running) -> Option<(EntryName, &Entry)> {
        self.whole(running.slot).find(|(_, entry)| entry.options.manifest == running.manifest)
    }

    /// The entry of what runs that is to be blessed: of the very generation that the loader counted, where
    /// it counts.
    pub(super) fn booted(&self, running: &Running) -> Option<(EntryName, &Entry)> {
        let of_boot = |name: EntryName| self.world.counted.is_none_or(|c| c.blessed() == name.blessed());
        let mut own = self.whole(running.slot).filter(|(_, e)| e.options.manifest == running.manifest);
        own.find(|(name, _)| of_boot(*name))
    }

    /// What runs has not proved itself yet: its generation has no plain entry.
    pub(super) fn on_trial(&self, running: &Running) -> bool {
        self.own(running)
            .is_some_and(|(own, _)| self.whole(running.slot).all(|(name, _)| name != own.blessed()))
    }

    /// The loader would try it: an entry is whole and has tries left, or needs none.
    pub(super) fn bootable(&self, slot: Slot) -> bool {
        self.whole(slot).any(|(name, _)| !name.exhausted())
    }

    /// What the loader takes next is this slot, under an entry newer than any of what runs.
    pub(super) fn staged(&self, running: &Running) -> Option<(EntryName, &Entry)> {
        let own = self.whole(running.slot).map(|(name, _)| name.generation).max();
        let newer = self.whole(running.slot.other()).find(|(name, _)| !name.exhausted());
        newer.filter(|(name, _)| Some(name.generation) > own)
    }

    /// The versions in `slot` that used up their tries and were not blessed.
    pub(super) fn failures(&self, slot: Slot) -> impl Iterator<Item = (EntryName, Digest)> {
        let of_slot = Listed::failed(&self.entries).filter(move |listed| listed.name.slot == slot);
        of_slot.filter_map(|l| Some((l.name, l.entry.as_ref().ok()?.options.manifest)))
    }

    /// Those of them that the journal does not know of.
    pub(super) fn forgotten_failures(&self, slot: Slot) -> Vec<(EntryName, Digest)> {
        self.failures(slot).filter(|(_, manifest)| !self.world.refused.contains(manifest)).collect()
    }

    /// Was `manifest` tried and not found good?
    pub(super) fn fell_back_from(&self, manifest: Digest, spare: Slot) -> bool {
        let forgotten = self.forgotten_failures(spare);
        self.world.refused.contains(&manifest) || forgotten.iter().any(|(_, failed)| *failed == manifest)
    }

    /// Newer than every entry on the ESP.
    pub(super) fn next_generation(&self) -> u64 {
        self.entries.iter().map(|listed| listed.name.generation).max().map_or(1, |newest| newest + 1)
    }
}
