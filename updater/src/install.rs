//! A blank disk becomes a machine: the one way, for `install` and for the installer.
//!
//! Everything is fetched, checked and planned before the first write. The boot entry is made last, so a machine that
//! loses power on the way boots nothing from this disk, and the next run starts over.

use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use edeploy_format::boot::EntryName;
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::Head;
use edeploy_format::name::{Role, Version};
use edeploy_format::tuf::Expiry;

use crate::failure::Failure;
use crate::fetch::{Fetch, Limits, Meter, SystemClock, open_repos};
use crate::host::linux::{Blank, Coming, Linux};
use crate::host::run as run_host;
use crate::lock::Lock;
use crate::machine::{Goal, Outcome};
use crate::planned::{announce, plan_install};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::slot::Filled;
use crate::trust::{Scratch, Store, Trusted};
use crate::wanted::{Wanted, own_architecture};

/// The day of this program's sources, in seconds since 1970, where its build says: a first install knows no
/// better bound for the clock.
pub const SOURCES: u64 = match option_env!("EDEPLOY_SOURCES") {
    Some(text) => match u64::from_str_radix(text, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("EDEPLOY_SOURCES is no number"),
    },
    None => 0,
};

/// What is to be installed, and where.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The disk or image.
    pub disk: &'a Path,
    /// Install although the disk holds something.
    pub wipe: bool,
    /// Host name to start with, instead of the role's.
    pub hostname: Option<&'a str>,
    /// What.
    pub order: Order<'a>,
}

/// What is to be installed, on whichever disk.
#[derive(Clone, Copy)]
pub struct Order<'a> {
    /// The role.
    pub role: &'a Role,
    /// Its version.
    pub version: &'a Version,
    /// What to trust first.
    pub store: &'a Store,
    /// The time that counts for expiry.
    pub expiry: Expiry,
    /// Where it is fetched from, the preferred site first.
    pub repos: &'a [String],
    /// What fetching may take.
    pub limits: Limits,
    /// What the machine is to remember of its set-up.
    pub settings: &'a Settings,
    /// Bytes of each slot, if not those that the version asks for.
    pub slot_size: Option<u64>,
    /// What the machine has of its own beside that.
    pub own: Option<&'a dyn Belongings>,
}

/// Files that belong to the machine that is installed, and to no slot.
pub trait Belongings {
    /// Whether a machine of this version, whose manifest is `manifest`, keeps them; asked before anything is written.
    ///
    /// # Errors
    /// If one would be lost with the slot, or cannot lie where it is to lie.
    fn check(&self, head: &Head, manifest: &mut dyn BufRead) -> Result<(), Failure>;

    /// Lays them below `machine`, whose `var` is the state partition; `slot` holds the tree.
    ///
    /// # Errors
    /// If one cannot be written.
    fn lay(&self, slot: &Path, machine: &Path) -> Result<(), Failure>;
}

/// What was installed.
pub struct Installed {
    /// The version.
    pub head: Head,
    /// Its manifest.
    pub manifest: Digest,
    /// The entry that boots it.
    pub entry: EntryName,
    /// What filling the slot took.
    pub filled: Filled,
}

/// Installs; on the disk, and next to boot, when this returns.
///
/// # Errors
/// [`Failure`]; of those that are no fault of the disk, nothing was written yet.
pub fn install(request: &Request<'_>, progress: &dyn Progress) -> Result<Installed, Failure> {
    must_be_bootable(request.disk)?;
    let _lock = Lock::disk(request.disk)?;
    let Order { own, settings, .. } = request.order;
    let (wanted, fetch) = prepared(&request.order, progress)?;
    let blank = Blank { disk: request.disk, wipe: request.wipe, hostname: request.hostname, own, settings };
    let coming = Coming { wanted: &wanted, fetch: &*fetch };
    let mut host = Linux::blank(blank, coming, progress)?;
    let Outcome::Installed(entry) = run_host(&mut host, &Goal::Install)? else {
        return Err(Failure::new(Exit::Failed, "an install ended as something else"));
    };
    let filled = host.filled();
    drop(host);
    let manifest = wanted.digest();
    Ok(Installed { head: wanted.head, manifest, entry, filled })
}

/// Whether it could be installed, as far as that does not depend on the disk: fetches and checks all that describes it.
///
/// # Errors
/// [`Failure`], as [`install`] would.
#[cfg(feature = "installer")]
pub(crate) fn check(order: &Order<'_>, progress: &dyn Progress) -> Result<(), Failure> {
    prepared(order, progress).map(drop)
}

/// What comes, checked, and its sites.
fn prepared<'a>(
    order: &Order<'_>,
    progress: &'a dyn Progress,
) -> Result<(Wanted, Box<dyn Fetch + 'a>), Failure> {
    let ca = order.settings.ca.as_deref();
    // What the machine is to remember is wrong now or never.
    open_repos(&order.settings.repos(), ca, Meter::default())?;
    let fetch = open_repos(order.repos, ca, Meter::new(order.limits, &SystemClock, progress))?;
    let stores = std::slice::from_ref(order.store);
    let (role, version) = (order.role, order.version);
    let trusted = Trusted::current(&*fetch, stores, role, order.expiry, Some(version), progress)?;
    let scratch = std::env::temp_dir();
    let scratch = Scratch(&scratch);
    let mut wanted = Wanted::fetch(&*fetch, trusted, version, &own_architecture(), None, scratch, progress)?;
    if let Some(size) = order.slot_size {
        wanted.head.slot_size = size;
    }
    if let Some(own) = order.own {
        let rewound = wanted.manifest.rewind().map_err(|e| Failure::new(Exit::Failed, e));
        rewound.and_then(|()| own.check(&wanted.head, &mut BufReader::new(&wanted.manifest)))?;
    }
    wanted.fetch_own_delta(&*fetch, scratch, progress)?;
    announce(&plan_install(&wanted, &*fetch)?, &wanted, &*fetch, progress)?;
    Ok((wanted, fetch))
}

/// A machine that was not started by UEFI would not boot from the disk it installs on.
fn must_be_bootable(disk: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(disk)
        .map_err(|e| Failure::new(Exit::Unsuitable, format!("{}: {e}", disk.display())))?;
    let is_device = kind.file_type().is_block_device();
    if is_device && !Path::new("/sys/firmware/efi").exists() {
        return Err(no_uefi());
    }
    Ok(())
}

/// What is said of a machine that could not boot what is installed.
pub(crate) fn no_uefi() -> Failure {
    let text =
        "this machine was not started by UEFI, so it could not boot what is installed; nothing was written";
    Failure::new(Exit::Unsuitable, text)
}
