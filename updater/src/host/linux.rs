//! The real machine, or an image that stands in for it: the one [`Host`](super::Host) that writes disks.
//!
//! Partitions are mounted one at a time, in this process's own mount namespace. The slot that is
//! written is mounted for writing only from [`Host::fill`](super::Host::fill), from the hook `pre` and from
//! `post` on, each until the barrier that follows; in between it is read back cold.

mod record;
mod remains;
mod verbs;

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::time::Instant;

use edeploy_format::boot::MachineId;
use edeploy_format::exit::Exit;
use edeploy_format::path::TreePath;
use edeploy_format::slot::Slot;

use crate::disk::fs::{self, Tool};
use crate::disk::gpt::Partition;
use crate::disk::mount::{Access, Mount};
use crate::disk::place::{Place, Volume};
use crate::failure::Failure;
use crate::fetch::Fetch;
use crate::install::Belongings;
use crate::installed::{Installed, digest, mount_point, own_manifest};
use crate::journal::Journal;
use crate::progress::Progress;
use crate::random;
use crate::remains::Remains;
use crate::settings::{self, Settings};
use crate::slot::{self, Kept, Tree};
use crate::wanted::{MANIFEST, Wanted};

/// Inodes that a slot has beyond the records of a manifest: our own folder, what is carried over.
const SPARE_INODES: u64 = 1000;
/// What is told before the disk of a first install is written for the first time.
pub const PARTITIONING: &str = "partitioning the disk";
/// The unit in which a file system fills its partition, in bytes.
const BLOCK: u64 = 4096;

/// A version on its way to a machine, and the site it comes from.
#[derive(Clone, Copy)]
pub struct Coming<'a> {
    /// The version.
    pub wanted: &'a Wanted,
    /// Its site.
    pub fetch: &'a dyn Fetch,
}

/// A disk that is to become a machine.
#[derive(Clone, Copy)]
pub struct Blank<'a> {
    /// The disk or image.
    pub disk: &'a Path,
    /// Install although it holds something.
    pub wipe: bool,
    /// Host name to start with, instead of the role's.
    pub hostname: Option<&'a str>,
    /// What the machine has of its own beside that.
    pub own: Option<&'a dyn Belongings>,
    /// How the machine is set up.
    pub settings: &'a Settings,
}

/// What a host works on.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Installed(&'a Installed),
    Blank(Blank<'a>),
    Remains(&'a Remains),
}

/// The real host.
pub struct Linux<'a> {
    subject: Subject<'a>,
    coming: Option<Coming<'a>>,
    machine: MachineId,
    progress: &'a dyn Progress,
    begun: Instant,
    /// A new disk has none before it is partitioned.
    new_place: Option<Place>,
    state: Option<(Mount, Volume)>,
    slot: Option<(Mount, Volume)>,
    /// The other slot lost its entries, so that it may be looked at closely.
    closed: bool,
    sound: Option<bool>,
    /// The running slot, without what is mounted over it.
    alone: Option<Mount>,
    /// What a repair found in the slots.
    known: [Option<Result<remains::Version, String>>; 2],
    filled: slot::Filled,
}

impl<'a> Linux<'a> {
    /// An installed machine; `coming` is what an upgrade brings.
    #[must_use]
    pub fn installed(
        installed: &'a Installed,
        coming: Option<Coming<'a>>,
        progress: &'a dyn Progress,
    ) -> Self {
        Self::new(Subject::Installed(installed), coming, installed.options.machine, progress)
    }

    /// A disk that is to become a machine.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn blank(blank: Blank<'a>, coming: Coming<'a>, progress: &'a dyn Progress) -> Result<Self, Failure> {
        Ok(Self::new(Subject::Blank(blank), Some(coming), MachineId(random::uuid()?), progress))
    }

    /// What is left of a machine.
    #[must_use]
    pub fn remains(remains: &'a Remains, progress: &'a dyn Progress) -> Self {
        Self::new(Subject::Remains(remains), None, remains.machine, progress)
    }

    fn new(
        subject: Subject<'a>,
        coming: Option<Coming<'a>>,
        machine: MachineId,
        progress: &'a dyn Progress,
    ) -> Self {
        let filled = slot::Filled::default();
        let (new_place, state, slot, closed, sound) = (None, None, None, false, None);
        let (begun, alone, known) = (Instant::now(), None, [None, None]);
        Self {
            subject,
            coming,
            machine,
            progress,
            begun,
            new_place,
            state,
            slot,
            closed,
            sound,
            alone,
            known,
            filled,
        }
    }

    /// What filling the slot took.
    #[must_use]
    pub fn filled(&self) -> slot::Filled {
        self.filled
    }

    fn place(&self) -> Result<&Place, Failure> {
        match (&self.subject, &self.new_place) {
            (Subject::Installed(installed), _) => Ok(&installed.place),
            (Subject::Remains(remains), _) => Ok(&remains.place),
            (Subject::Blank(_), Some(place)) => Ok(place),
            (Subject::Blank(_), None) => Err(Failure::new(Exit::Failed, "the disk has no partitions yet")),
        }
    }

    fn coming(&self) -> Result<Coming<'a>, Failure> {
        self.coming.ok_or_else(|| Failure::new(Exit::Failed, "no version is on its way"))
    }

    fn settings(&self) -> Result<&'a Settings, Failure> {
        match self.subject {
            Subject::Installed(installed) => Ok(&installed.settings),
            Subject::Blank(blank) => Ok(blank.settings),
            Subject::Remains(_) => Err(never()),
        }
    }

    fn journal(&self) -> Journal {
        match self.subject {
            Subject::Installed(installed) => installed.journal(),
            Subject::Blank(_) => Journal::of(&mount_point("machine")),
            Subject::Remains(remains) => Journal::of(&remains.root),
        }
    }

    fn volume(&self, partition: &Partition, access: Access) -> Result<Volume, Failure> {
        Ok(self.place()?.volume(partition, access)?)
    }

    /// Mounts `slot`, in place of how it was mounted before.
    fn mount(&mut self, slot: Slot, access: Access) -> Result<Tree, Failure> {
        self.unmount()?;
        let partition = self.place()?.layout.slot(slot).clone();
        let volume = self.volume(&partition, access)?;
        let mount = Mount::ext4(volume.path(), &mount_point("inactive"), access)?;
        let tree = Tree::new(mount.root()?);
        self.slot = Some((mount, volume));
        Ok(tree)
    }

    fn unmount(&mut self) -> Result<(), Failure> {
        self.alone.take().map_or(Ok(()), Mount::unmount)?;
        if let Some((mount, _volume)) = self.slot.take() {
            mount.unmount()?;
        }
        Ok(())
    }

    /// The slot as it is mounted now.
    fn tree(&self) -> Result<Tree, Failure> {
        let none = || Failure::new(Exit::Failed, "the slot is not mounted");
        let (mount, _) = self.slot.as_ref().ok_or_else(none)?;
        Ok(Tree::new(mount.root()?))
    }

    /// Brings what was written in the mounted slot to the disk, and unmounts it.
    fn sync_slot(&mut self) -> Result<(), Failure> {
        let Some((mount, volume)) = self.slot.take() else { return Ok(()) };
        self.progress.stage("syncing the slot", 0);
        mount.sync()?;
        mount.unmount()?;
        volume.forget()?;
        self.progress.done();
        Ok(())
    }

    /// Is the other slot's file system whole, and large enough for the tree?
    fn is_sound(&self, slot: Slot) -> Result<bool, Failure> {
        let Subject::Installed(installed) = self.subject else { return Ok(false) };
        let volume = self.volume(installed.place.layout.slot(slot), Access::ReadWrite)?;
        let size = installed.place.layout.slot(slot).size;
        match fs::ext(volume.path()).map(|ext| ext.size) {
            Some(found) if found.abs_diff(size) < BLOCK => {}
            Some(found) => {
                let text = format!("slot {slot} gets a new file system: it has {found} of {size} bytes");
                self.progress.note(&text);
                return Ok(false);
            }
            None => {
                self.progress.note(&format!("slot {slot} was never written: it gets a file system"));
                return Ok(false);
            }
        }
        if let Err(e) = Tool::Repair.run(volume.path()) {
            self.progress.note(&format!("slot {slot} gets a new file system: {e}"));
            return Ok(false);
        }
        let mount = Mount::ext4(volume.path(), &mount_point("inactive"), Access::ReadOnly)?;
        let inodes = Tree::new(mount.root()?).room()?.f_files;
        mount.unmount()?;
        let needed = self.coming.map_or(0, |coming| coming.wanted.head.entries + SPARE_INODES);
        if needed > inodes {
            let text = format!(
                "slot {slot} gets a new file system: it has room for {inodes} files and folders, {needed} are needed"
            );
            self.progress.note(&text);
        }
        Ok(needed <= inodes)
    }

    /// The rules of the transition; nothing for a first install.
    fn kept(&self) -> Result<Kept, Failure> {
        let coming = self.coming()?;
        match self.subject {
            Subject::Installed(installed) => {
                let rule = coming.wanted.rule(&installed.head)?;
                Ok(Kept::new(&rule.exclude, &rule.add_only)?)
            }
            Subject::Blank(_) | Subject::Remains(_) => Ok(Kept::nothing()),
        }
    }

    /// What the updater itself leaves in a slot, beside the manifest: one list for writing and for checking.
    fn own_files(&self) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let trusted = self.coming()?.wanted.trusted.files();
        let mut files: Vec<_> =
            trusted.into_iter().map(|(name, bytes)| (format!("tuf/{name}"), bytes.to_vec())).collect();
        let kept = self.kept()?;
        files.extend(kept.texts().map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
        files.push((settings::NAME.to_owned(), self.settings()?.text()));
        Ok(files)
    }

    /// Writes the updater's own files.
    fn write_own(&self, tree: &Tree) -> Result<(), Failure> {
        let failed = |e| Failure::new(Exit::Failed, e);
        for (name, mut text) in self.coming()?.wanted.texts() {
            text.rewind().map_err(failed)?;
            tree.write_own(name, &mut text)?;
        }
        Ok(self.own_files()?.iter().try_for_each(|(name, bytes)| tree.write_own(name, &mut &bytes[..]))?)
    }

    /// Whether what [`Linux::write_own`] wrote reads back as it was.
    fn check_own(&self, tree: &Tree) -> Result<(), Failure> {
        let wrong = |name: &str| {
            Failure::new(Exit::Differs, format!("the slot's {name} does not read back as it was written"))
        };
        if digest(&mut own_manifest(tree)?)? != self.coming()?.wanted.digest() {
            return Err(wrong(MANIFEST));
        }
        for (name, bytes) in self.own_files()? {
            if !tree.has_own(&name, &bytes)? {
                return Err(wrong(&name));
            }
        }
        Ok(())
    }

    fn open_in_slot(&mut self, slot: Slot, path: &TreePath) -> Result<File, Failure> {
        Ok(self.shown(slot)?.open(path.as_str().as_bytes())?)
    }
}

/// A repair writes no slot and fetches nothing.
fn never() -> Failure {
    Failure::new(Exit::Failed, "a repair has no part in this")
}
