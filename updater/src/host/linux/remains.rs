//! What a repair looks at: whether slots hold what was signed.

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Reader, SLOT_FOLDER};
use edeploy_format::slot::Slot;

use super::{Linux, Subject};
use crate::commands::must_be_signed;
use crate::disk::mount::{Access, Mount};
use crate::failure::Failure;
use crate::installed::{digest, mount_point, own_manifest};
use crate::journal::{Event, all_refused};
use crate::machine::{Held, Running, World};
use crate::remains::Remains;
use crate::slot::{Boot, Kept, Tree, Verifying, survey};
use crate::trust::{Store, Trusted};

/// A tree in a slot that is what was signed.
#[derive(Clone)]
pub(super) struct Version {
    pub(super) head: Head,
    pub(super) manifest: Digest,
    pub(super) boot: Boot,
}

impl Linux<'_> {
    /// Shows `slot` for reading.
    pub(super) fn shown(&mut self, slot: Slot) -> Result<Tree, Failure> {
        let Subject::Remains(remains) = self.subject else { return self.tree() };
        if remains.running.is_none() || remains.slot != Some(slot) {
            return self.mount(slot, Access::ReadOnly);
        }
        self.unmount()?;
        // The device is mounted already: what it is mounted on may lie over it.
        let mount = Mount::alone("/".as_ref(), &mount_point("inactive"))?;
        let tree = Tree::new(mount.root()?);
        self.alone = Some(mount);
        Ok(tree)
    }

    /// What is in `slot`, or why that is not what was signed.
    pub(super) fn look_into(&mut self, slot: Slot) -> Result<Version, Failure> {
        if let Some(known) = &self.known[slot.index()] {
            return known.clone().map_err(|e| Failure::new(Exit::Differs, e));
        }
        let found = self.read_whole(slot);
        let said = match &found {
            Ok(version) => {
                format!("slot {slot}: {} {}, as it was signed", version.head.role, version.head.version)
            }
            Err(e) => format!("slot {slot}: nothing to boot: {e}"),
        };
        self.progress.done();
        self.progress.note(&said);
        self.known[slot.index()] = Some(found.as_ref().map(Clone::clone).map_err(ToString::to_string));
        found
    }

    fn read_whole(&mut self, slot: Slot) -> Result<Version, Failure> {
        let tree = self.shown(slot)?;
        let mut file = own_manifest(&tree)?;
        let manifest = digest(&mut file)?;
        let head = Reader::new(std::io::BufReader::new(&file))?.head().clone();
        must_be_signed(&kept_in_slot(), &head, manifest)?;
        if matches!(self.subject, Subject::Remains(remains) if remains.is_unfinished(manifest)) {
            return Err(Failure::new(Exit::Differs, "the upgrade to it did not come to its end"));
        }
        let boot = survey(&file)?;
        let kept = Kept::load(&tree)?;
        kept.lint(&head)?;
        let mut first = None;
        let verifying = Verifying { slot: &tree, manifest: &file, kept: &kept, progress: self.progress };
        let sum = verifying.run(&mut |drift| {
            first.get_or_insert_with(|| drift.to_string());
        })?;
        match first {
            None => Ok(Version { head, manifest, boot }),
            Some(first) => {
                let text = format!("it differs from what was signed in {} places: {first}", sum.drifts);
                Err(Failure::new(Exit::Differs, text))
            }
        }
    }

    /// The tree that is in `slot`, or comes to it.
    pub(super) fn version(&mut self, slot: Slot) -> Result<Version, Failure> {
        let Some(coming) = self.coming else { return self.look_into(slot) };
        let wanted = coming.wanted;
        Ok(Version { head: wanted.head.clone(), manifest: wanted.digest(), boot: wanted.boot })
    }

    /// What is left, as the policy sees it.
    pub(super) fn world_of(&mut self, remains: &Remains) -> World {
        let booted = remains.running.as_ref().map(|running| running.options.manifest);
        let running = remains.slot.and_then(|slot| {
            let manifest =
                booted.or_else(|| digest(&mut own_manifest(&self.shown(slot).ok()?).ok()?).ok())?;
            Some(Running { slot, manifest })
        });
        let counted = remains.running.as_ref().and_then(|running| running.trial.entry());
        let refused = all_refused(&remains.lines);
        World { running, overridden: false, refused, volatile: false, counted, sound: false }
    }

    /// As the policy sees it.
    pub(super) fn judged(&mut self, slot: Slot) -> Option<Held> {
        let Subject::Remains(remains) = self.subject else { return None };
        let Version { head, manifest, boot } = self.look_into(slot).ok()?;
        let (good, ran_last) = (remains.was_good(slot, manifest), remains.ran_last() == Some(manifest));
        let boot = boot.objects.map(|(digest, _)| digest);
        Some(Held { manifest, serial: head.serial, boot, good, ran_last })
    }

    /// The newest metadata that a slot kept.
    pub(super) fn kept_by_slots(&mut self) -> Option<Trusted> {
        let kept = Slot::ALL.map(|slot| {
            let head = Reader::new(std::io::BufReader::new(own_manifest(&self.shown(slot).ok()?).ok()?));
            Trusted::kept(&kept_in_slot(), &head.ok()?.head().role).ok()
        });
        kept.into_iter().flatten().max_by_key(Trusted::number)
    }

    /// Puts on record what was repaired.
    ///
    /// # Errors
    /// If the state partition takes no record.
    pub fn record_repair(&mut self, found: Vec<String>) -> Result<(), Failure> {
        let Subject::Remains(remains) = self.subject else { return Ok(()) };
        // Without a mount of ours it is the /var of this machine.
        let looked_at = remains.mounted.borrow_mut().take();
        if let Some((mount, volume)) = looked_at {
            mount.unmount()?;
            self.state =
                Some((Mount::ext4(volume.path(), &remains.root.join("var"), Access::ReadWrite)?, volume));
        }
        Ok(self.journal().append(Event::Repaired { found })?)
    }
}

/// The metadata in the slot that is shown.
fn kept_in_slot() -> Store {
    Store::new(mount_point("inactive").join(SLOT_FOLDER).join("tuf"))
}
