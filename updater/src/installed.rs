//! An installed machine, opened for a command: the running one, or an image that stands in for it.
//!
//! The running slot is shown read-only and without what is mounted over it, so that what is read is
//! what the slot holds. All mounts lie in this process's own namespace and go with it.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use edeploy_format::boot::Options;
use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Reader};
use edeploy_format::slot::Slot;

use crate::boot::{Running, Trial, VOLATILE};
use crate::cli::Common;
use crate::commands::say;
use crate::disk::fs;
use crate::disk::mount::{Access, Mount};
use crate::disk::place::{Place, Volume};
use crate::disk::sectors::Sectors;
use crate::efi::Efi;
use crate::esp::Esp;
use crate::failure::{Failure, chain};
use crate::fetch::{Fetch, Meter, SystemClock, open_repos};
use crate::journal::{Deployment, Journal};
use crate::lock::Lock;
use crate::progress::Progress;
use crate::settings::{Settings, certificates};
use crate::slot::{Kept, Tree};
use crate::trust::{STATE_FOLDER, Store, Trusted};
use crate::wanted::MANIFEST;

/// Where everything is mounted, in this process's own namespace.
const MOUNTS: &str = "/run/edeploy-ab";

/// An installed machine.
pub struct Installed {
    /// Its disk.
    pub place: Place,
    /// The kernel command line of the running slot.
    pub options: Options,
    /// What the running slot's manifest says of itself.
    pub head: Head,
    /// The running slot.
    pub tree: Tree,
    /// How it was set up.
    pub settings: Settings,
    /// Whether what runs is counted.
    pub trial: Trial,
    /// The folder below which its state partition is `var`.
    root: PathBuf,
    live: bool,
    slot_mount: Mount,
    _state: Option<(Mount, Volume)>,
    _running: Option<Volume>,
    /// Last, so that it is given up last.
    _lock: Option<Lock>,
}

/// A folder for a mount.
#[must_use]
pub fn mount_point(name: &str) -> PathBuf {
    Path::new(MOUNTS).join(name)
}

impl Installed {
    /// Opens the machine that the command line names. For writing it takes the right to change it first, and
    /// keeps it.
    ///
    /// # Errors
    /// [`Exit::Unsuitable`] when there is none of ours, [`Exit::Refused`] while another command changes it.
    pub fn open(common: &Common, access: Access) -> Result<Self, Failure> {
        match &common.disk {
            None => Self::running(access),
            Some(disk) => Self::image(disk, common.booted, access),
        }
    }

    fn running(access: Access) -> Result<Self, Failure> {
        let lock = (access == Access::ReadWrite).then(Lock::running).transpose()?;
        let root = Path::new("/");
        let running = Running::of(root).map_err(unsuitable)?;
        let slot_mount = Mount::alone(root, &mount_point("running"))?;
        let tree = Tree::new(slot_mount.root()?);
        Ok(Self {
            place: Place::running(root).map_err(unsuitable)?,
            head: head(&tree)?,
            settings: settings(root, &tree)?,
            options: running.options,
            trial: running.trial,
            tree,
            root: root.to_owned(),
            live: true,
            slot_mount,
            _state: None,
            _running: None,
            _lock: lock,
        })
    }

    fn image(disk: &Path, booted: Option<Slot>, access: Access) -> Result<Self, Failure> {
        let place = Place::image(disk).map_err(unsuitable)?;
        let lock = (access == Access::ReadWrite).then(|| Lock::disk(disk)).transpose()?;
        // Another command may have ended since.
        let place = if lock.is_some() { place.read_again().map_err(unsuitable)? } else { place };
        let Some(booted) = booted else {
            return Err(Failure::new(Exit::Usage, "--disk needs --booted a or --booted b"));
        };
        let options = options_on_esp(&place, booted)?;
        let volume = place.volume(place.layout.slot(booted), Access::ReadOnly)?;
        let slot_mount = Mount::ext4(volume.path(), &mount_point("running"), Access::ReadOnly)?;
        let tree = Tree::new(slot_mount.root()?);
        let root = mount_point("machine");
        let state_volume = place.volume(&place.layout.state, access)?;
        if access == Access::ReadOnly && fs::ext(state_volume.path()).is_some_and(|ext| ext.unclean) {
            say("the state partition was not unmounted: what it says may be older than it should be");
        }
        let state_mount = Mount::ext4(state_volume.path(), &root.join("var"), access)?;
        Ok(Self {
            place,
            head: head(&tree)?,
            settings: settings(&root, &tree)?,
            options,
            trial: Trial::No,
            tree,
            root,
            live: false,
            slot_mount,
            _state: Some((state_mount, state_volume)),
            _running: Some(volume),
            _lock: lock,
        })
    }

    /// The running slot.
    #[must_use]
    pub fn slot(&self) -> Slot {
        self.options.slot
    }

    /// Whether it is the machine this process runs on.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Where the running slot is mounted.
    #[must_use]
    pub fn slot_root(&self) -> &Path {
        self.slot_mount.at()
    }

    /// The folder below which its state partition is `var`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its journal.
    #[must_use]
    pub fn journal(&self) -> Journal {
        Journal::of(&self.root)
    }

    /// The metadata it kept: on the state partition, and in the running slot.
    #[must_use]
    pub fn stores(&self) -> [Store; 2] {
        [Store::new(self.root.join(STATE_FOLDER)), self.slot_store()]
    }

    /// The newest of it; none where neither can be believed any more.
    #[must_use]
    pub fn metadata(&self) -> Option<Trusted> {
        let kept = self.stores().into_iter().filter_map(|store| Trusted::kept(&store, &self.head.role).ok());
        kept.max_by_key(Trusted::number)
    }

    /// The metadata that signed the running slot.
    #[must_use]
    pub fn slot_store(&self) -> Store {
        Store::new(self.slot_root().join(edeploy_format::manifest::SLOT_FOLDER).join("tuf"))
    }

    /// A folder of the state partition that takes scratch files.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("var")
    }

    /// The sites it takes versions from; notes about them go to `progress`.
    ///
    /// # Errors
    /// If certificates cannot be read.
    pub fn site<'a>(
        &self,
        common: &Common,
        progress: &'a dyn Progress,
    ) -> Result<Box<dyn Fetch + 'a>, Failure> {
        let remembered = self.settings.repos();
        let repos = if common.repos.is_empty() { &remembered } else { &common.repos };
        let ca = common.ca.as_deref().map(certificates).transpose()?.or_else(|| self.settings.ca.clone());
        Ok(open_repos(repos, ca.as_deref(), Meter::new(common.limits, &SystemClock, progress))?)
    }

    /// The EFI variables, on the machine this process runs on.
    #[must_use]
    pub fn efi(&self) -> Option<Efi> {
        if self.live { Efi::of(&self.root) } else { None }
    }

    /// Why /var is volatile, if it is.
    #[must_use]
    pub fn volatile(&self) -> Option<String> {
        if self.live { std::fs::read_to_string(self.root.join(VOLATILE)).ok() } else { None }
    }

    /// The manifest of the running slot, checked against the digest it was booted with.
    ///
    /// # Errors
    /// [`Exit::Untrusted`] if it is another one.
    pub fn manifest(&self) -> Result<File, Failure> {
        let mut file = own_manifest(&self.tree)?;
        let found = digest(&mut file)?;
        if found == self.options.manifest {
            return Ok(file);
        }
        let expected = self.options.manifest.short();
        let text = format!("the running slot's manifest is {}, it was booted with {expected}", found.short());
        Err(Failure::new(Exit::Untrusted, text))
    }

    /// What the running slot was filled by.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn kept(&self) -> Result<Kept, Failure> {
        Ok(Kept::load(&self.tree)?)
    }

    /// Manifest and rules of the running slot, by which its files are a source for another one. `None` where they are not
    /// what they were, which the disk may have done to them: nothing depends on them, so an upgrade goes on without.
    pub fn source(&self, progress: &dyn Progress) -> Option<(File, Kept)> {
        let source = self.manifest().and_then(|manifest| Ok((manifest, self.kept()?)));
        source
            .inspect_err(|failure| {
                progress.note(&format!(
                    "nothing is copied from the running slot: {failure}; `edeploy-ab verify` says more"
                ));
            })
            .ok()
    }

    /// What runs, as the journal tells it.
    #[must_use]
    pub fn deployment(&self) -> Deployment {
        Deployment {
            version: Some(self.head.version.clone()),
            manifest: self.options.manifest,
            slot: self.slot(),
            generation: None,
        }
    }

    /// The ESP, for looking only.
    ///
    /// # Errors
    /// If somebody else has it.
    pub fn esp(&self) -> Result<Esp<Sectors>, Failure> {
        esp(&self.place)
    }
}

/// What was remembered last. A copy on the state partition that cannot be read must not be in the way of a
/// rollback.
fn settings(root: &Path, slot: &Tree) -> Result<Settings, Failure> {
    match Settings::remembered(root) {
        Ok(Some(settings)) => return Ok(settings),
        Ok(None) => {}
        Err(e) => say(&format!("the slot's set-up counts: {}", chain(&e))),
    }
    Ok(Settings::load(slot)?)
}

/// The ESP of a disk, for looking only.
fn esp(place: &Place) -> Result<Esp<Sectors>, Failure> {
    let volume = place.volume(&place.layout.esp, Access::ReadOnly)?;
    Ok(Esp::open(Sectors::open(volume, Access::ReadOnly)?)?)
}

/// The kernel command line under which the newest entry boots `slot`.
fn options_on_esp(place: &Place, slot: Slot) -> Result<Options, Failure> {
    let entries = esp(place)?.entries()?;
    let mut whole = entries.iter().filter_map(|listed| listed.whole());
    let found = whole.find(|entry| entry.options.slot == slot);
    let none =
        || Failure::new(Exit::Unsuitable, format!("no whole boot entry boots slot {slot} of this disk"));
    found.map(|entry| entry.options.clone()).ok_or_else(none)
}

/// For `map_err`: the machine or disk cannot be used.
pub(crate) fn unsuitable(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::new(Exit::Unsuitable, error)
}

/// The manifest that a slot holds.
///
/// # Errors
/// If there is none.
pub fn own_manifest(tree: &Tree) -> Result<File, Failure> {
    tree.own(MANIFEST)?.ok_or_else(|| Failure::new(Exit::Unsuitable, "the slot holds no manifest"))
}

fn head(tree: &Tree) -> Result<Head, Failure> {
    Ok(Reader::new(BufReader::new(own_manifest(tree)?))?.head().clone())
}

/// The digest of a slot's manifest, which then stands at its beginning again.
///
/// # Errors
/// If it cannot be read.
pub fn digest(file: &mut File) -> Result<Digest, Failure> {
    use std::io::Seek;
    let failed = |e| Failure::new(Exit::Failed, format!("reading the manifest of the slot: {e}"));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            n => hasher.update(&buffer[..n]),
        }
    }
    file.rewind().map_err(failed)?;
    Ok(hasher.finish())
}
