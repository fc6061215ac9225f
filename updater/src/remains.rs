//! What is left of a machine whose ESP or state partition may be lost: opened for a repair, from the machine
//! itself or from a rescue system.
//!
//! Needs no boot entry and no state partition; what they would have said is taken from where it is left, and what
//! is left nowhere is told. The state partition is only looked at here, and not even its journal is replayed,
//! unless it cannot be mounted otherwise.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use edeploy_format::boot::MachineId;
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::slot::Slot;

use crate::boot::{Running, Trial, VOLATILE};
use crate::cli::Common;
use crate::disk::fs::{self, Tool, ToolError};
use crate::disk::mount::{Access, Mount};
use crate::disk::place::{Place, Volume};
use crate::disk::sectors::Sectors;
use crate::esp::Esp;
use crate::failure::Failure;
use crate::installed::{mount_point, unsuitable};
use crate::journal::{Event, Journal, Line};
use crate::lock::Lock;
use crate::machine::State;
use crate::random;
use crate::trust::STATE_FOLDER;

/// What is left of a machine.
pub struct Remains {
    /// Its disk.
    pub place: Place,
    /// Whether it may be changed.
    pub access: Access,
    /// What this process runs on, if that is it.
    pub running: Option<Running>,
    /// Which slot counts as the running one.
    pub slot: Option<Slot>,
    /// The folder below which its state partition is `var`.
    pub root: PathBuf,
    /// How that is.
    pub state: State,
    /// Its file system, mounted for looking.
    pub mounted: RefCell<Option<(Mount, Volume)>>,
    /// What it remembers.
    pub lines: Vec<Line>,
    /// Its id; a new one, where the old one is found nowhere.
    pub machine: MachineId,
    /// It is a new one.
    pub is_new: bool,
    _lock: Option<Lock>,
}

impl Remains {
    /// Opens what the command line names; for writing it takes the right to change it. With `wipe`, what is on a
    /// damaged state partition is given up.
    ///
    /// # Errors
    /// `Unsuitable` when there are no partitions of ours, `Refused` while another command
    /// changes them.
    pub fn open(common: &Common, access: Access, wipe: bool) -> Result<Self, Failure> {
        let write = access == Access::ReadWrite;
        let live = Path::new("/");
        let (lock, place, running) = match &common.disk {
            None => {
                let lock = write.then(Lock::running).transpose()?;
                let running = Running::of(live).map_err(unsuitable)?;
                (lock, Place::running(live)?, Some(running))
            }
            Some(disk) => {
                let place = Place::image(disk)?;
                let lock = write.then(|| Lock::disk(disk)).transpose()?;
                (lock, place.read_again()?, None)
            }
        };
        let slot = running.as_ref().map_or(common.booted, |running| Some(running.options.slot));
        let has_var = running.is_some() && !live.join(VOLATILE).exists();
        let root = if has_var { live.to_owned() } else { mount_point("machine") };
        let (state, mounted) =
            if has_var { (State::Sound, None) } else { examine(&place, &root, access, wipe)? };
        let lines = Journal::of(&root).read()?;
        let told = running.as_ref().map(|running| running.options.machine);
        let told = told.or_else(|| id_on_esp(&place)).or_else(|| id_of_journald(&root));
        let (machine, is_new) = (told.map_or_else(|| random::uuid().map(MachineId), Ok)?, told.is_none());
        let (mounted, _lock) = (RefCell::new(mounted), lock);
        Ok(Self { place, access, running, slot, root, state, mounted, lines, machine, is_new, _lock })
    }

    /// Whether the tree `manifest` in `slot` was found good on this machine.
    #[must_use]
    pub fn was_good(&self, slot: Slot, manifest: Digest) -> bool {
        if let Some(running) = self.running.as_ref().filter(|running| running.options.slot == slot) {
            return running.trial == Trial::No;
        }
        self.lines.iter().fold(false, |good, line| match &line.event {
            Event::Blessed { running: of } | Event::Installed { to: of, .. } => {
                good || of.manifest == manifest
            }
            Event::FellBack { from, .. } => good && from.manifest != manifest,
            _ => good,
        })
    }

    /// The upgrade that brought the tree `manifest` did not come to its end: hooks may not have run. What was booted or
    /// blessed since had its entry, whether or not that came into the journal.
    #[must_use]
    pub fn is_unfinished(&self, manifest: Digest) -> bool {
        let end = self.lines.iter().rev().find_map(|line| match &line.event {
            Event::Started { to, .. } if to.manifest == manifest => Some(true),
            Event::Armed { to: ended, .. }
            | Event::Booted { running: ended, .. }
            | Event::Blessed { running: ended }
                if ended.manifest == manifest =>
            {
                Some(false)
            }
            _ => None,
        });
        end.unwrap_or(false)
    }

    /// Which tree this machine ran last.
    #[must_use]
    pub fn ran_last(&self) -> Option<Digest> {
        self.lines.iter().rev().find_map(|line| match &line.event {
            Event::Booted { running, .. } => Some(running.manifest),
            _ => None,
        })
    }
}

/// Looks at the state partition and mounts it for looking, if it can be mounted.
fn examine(
    place: &Place,
    root: &Path,
    access: Access,
    wipe: bool,
) -> Result<(State, Option<(Mount, Volume)>), Failure> {
    let volume = place.volume(&place.layout.state, access)?;
    let look = || {
        let sound = fs::ext(volume.path()).is_some_and(|ext| !ext.errors);
        sound.then(|| Mount::ext4(volume.path(), &root.join("var"), Access::ReadOnly).ok()).flatten()
    };
    let mut mount = look();
    if mount.is_none() {
        let tool = if access == Access::ReadWrite { Tool::Recover } else { Tool::Check };
        match tool.run(volume.path()) {
            Ok(()) => mount = look(),
            // Its exit code does not tell that there is nothing from a device that fails.
            Err(e @ ToolError::Failed { .. }) => match fs::has_superblock(volume.path()) {
                Ok(true) => {}
                Ok(false) => return Ok((State::Lost, None)),
                Err(source) => {
                    let text = format!("reading the state partition: {source} (after {e})");
                    return Err(Failure::new(Exit::Failed, text));
                }
            },
            Err(e @ ToolError::Start { .. }) => return Err(e.into()),
        }
    }
    let Some(mount) = mount else { return Ok((if wipe { State::Lost } else { State::Damaged }, None)) };
    let ours = root.join(STATE_FOLDER).join("root.json").exists();
    Ok((if ours { State::Sound } else { State::Stripped }, Some((mount, volume))))
}

fn id_on_esp(place: &Place) -> Option<MachineId> {
    let volume = place.volume(&place.layout.esp, Access::ReadOnly).ok()?;
    let entries = Esp::open(Sectors::open(volume, Access::ReadOnly).ok()?).ok()?.entries().ok()?;
    entries.into_iter().find_map(|listed| Some(listed.entry.ok()?.options.machine))
}

/// The one folder of journald's.
fn id_of_journald(root: &Path) -> Option<MachineId> {
    let folders = std::fs::read_dir(root.join("var/log/journal")).ok()?;
    let mut ids = folders.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.next().filter(|_| ids.next().is_none())
}
