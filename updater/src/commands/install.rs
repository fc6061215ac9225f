//! `install`: an empty disk becomes a machine.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::{Common, Install};
use crate::failure::Failure;
use crate::install::{Order, Request, SOURCES, install};
use crate::progress::size;
use crate::settings::{Settings, certificates, lasting};
use crate::trust::Store;

pub(super) fn run(common: &Common, typed: &Install) -> Result<Exit, Failure> {
    let Some(disk) = &common.disk else {
        return Err(Failure::new(Exit::Usage, "install needs --disk"));
    };
    let progress = super::progress(common);
    let ca = common.ca.as_deref().map(certificates).transpose()?;
    let repos = &common.repos;
    let (repo, mirrors) = lasting(if typed.later.is_empty() { repos } else { &typed.later })?;
    let request = Request {
        disk,
        wipe: typed.wipe,
        hostname: typed.hostname.as_deref(),
        order: Order {
            role: &typed.role,
            version: &typed.version,
            store: &Store::anchor(&typed.root)?,
            expiry: super::now(SOURCES, &*progress),
            repos,
            limits: common.limits,
            settings: &Settings { repo, mirrors, profile: typed.profile.clone(), ca },
            slot_size: None,
            own: None,
        },
    };
    let installed = install(&request, &*progress)?;
    let (head, entry, filled) = (&installed.head, installed.entry, installed.filled);
    let written = filled.fetched + filled.patched;
    let json = json!({
        "role": head.role, "version": head.version, "manifest": installed.manifest.to_string(),
        "slot": entry.slot.to_string(), "entry": entry.to_string(),
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
