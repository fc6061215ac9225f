//! `install`: an empty disk becomes a machine.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::{Common, Install};
use crate::failure::Failure;
use crate::fetch::{Meter, SystemClock, open_repos};
use crate::host::linux::{Blank, Coming, Linux};
use crate::host::run as run_host;
use crate::lock::Lock;
use crate::machine::{Goal, Outcome};
use crate::planned::{announce, plan_install};
use crate::progress::size;
use crate::settings::{Settings, certificates, lasting};
use crate::trust::{Scratch, Store, Trusted};
use crate::wanted::{Wanted, own_architecture};

/// The day of this program's sources, in seconds since 1970, where its build says: a first install knows no
/// better bound for the clock.
const SOURCES: u64 = match option_env!("EDEPLOY_SOURCES") {
    Some(text) => match u64::from_str_radix(text, 10) {
        Ok(seconds) => seconds,
        Err(_) => panic!("EDEPLOY_SOURCES is no number"),
    },
    None => 0,
};

pub(super) fn run(common: &Common, install: &Install) -> Result<Exit, Failure> {
    let Some(disk) = &common.disk else {
        return Err(Failure::new(Exit::Usage, "install needs --disk"));
    };
    must_be_bootable(disk)?;
    let _lock = Lock::disk(disk)?;
    let progress = super::progress(common);
    let ca = common.ca.as_deref().map(certificates).transpose()?;
    let repos = &common.repos;
    let (repo, mirrors) = lasting(if install.later.is_empty() { repos } else { &install.later })?;
    let settings = Settings { repo, mirrors, profile: install.profile.clone(), ca };
    let ca = settings.ca.as_deref();
    // What the machine is to remember is wrong now or never.
    open_repos(&settings.repos(), ca, Meter::default())?;
    let fetch = open_repos(repos, ca, Meter::new(common.limits, &SystemClock, &*progress))?;
    let first = Store::anchor(&install.root)?;
    let expiry = super::now(SOURCES, &*progress);
    let (stores, role, version) = (&[first], &install.role, Some(&install.version));
    let trusted = Trusted::current(&*fetch, stores, role, expiry, version, &*progress)?;
    let scratch = std::env::temp_dir();
    let mut wanted = Wanted::fetch(
        &*fetch,
        trusted,
        &install.version,
        &own_architecture(),
        Scratch(&scratch),
        &*progress,
    )?;
    wanted.fetch_own_delta(&*fetch, Scratch(&scratch), &*progress);
    announce(&plan_install(&wanted, &*fetch)?, &wanted, &*fetch, &*progress)?;
    let blank = Blank { disk, install, settings: &settings };
    let coming = Coming { wanted: &wanted, fetch: &*fetch };
    let mut host = Linux::blank(blank, coming, &*progress)?;
    let Outcome::Installed(name) = run_host(&mut host, &Goal::Install)? else {
        return Err(Failure::new(Exit::Failed, "an install ended as something else"));
    };
    let (head, filled) = (&wanted.head, host.filled());
    let written = filled.fetched + filled.patched;
    let json = json!({
        "role": head.role, "version": head.version, "manifest": wanted.digest().to_string(),
        "slot": name.slot.to_string(), "entry": name.to_string(),
        "downloaded": filled.downloaded, "written": written, "patched": filled.patched,
    });
    let line = format!(
        "{} {} is installed on {}: {} downloaded, {} written, {} of it patched",
        head.role,
        head.version,
        disk.display(),
        size(filled.downloaded),
        size(written),
        size(filled.patched)
    );
    super::answer_done(common, &json, &[line]);
    Ok(Exit::Done)
}

/// A machine that was not started by UEFI would not boot from the disk it installs on.
fn must_be_bootable(disk: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::FileTypeExt;
    let kind = std::fs::metadata(disk)
        .map_err(|e| Failure::new(Exit::Unsuitable, format!("{}: {e}", disk.display())))?;
    let is_device = kind.file_type().is_block_device();
    if is_device && !std::path::Path::new("/sys/firmware/efi").exists() {
        let text = "this machine was not started by UEFI, so it could not boot what is installed; nothing was written";
        return Err(Failure::new(Exit::Unsuitable, text));
    }
    Ok(())
}
