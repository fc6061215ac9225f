//! `test-upgrade`: what an upgrade would do and cost.

use std::collections::BTreeMap;

use edeploy_format::exit::Exit;
use edeploy_format::name::Version;
use edeploy_format::transition::Hook;
use serde_json::{Value, json};

use crate::cli::Common;
use crate::failure::Failure;
use crate::planned::{Planned, plan};
use crate::progress::size;
use crate::trust::{Scratch, Trusted};
use crate::wanted::Wanted;

pub(super) fn run(common: &Common, version: &Version) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = super::look(common)?;
    let fetch = installed.site(common)?;
    let expiry = super::now(installed.head.built, &*progress);
    let trusted = Trusted::refresh(&*fetch, &installed.stores(), &installed.head.role, expiry)?;
    let (scratch, architecture) = (std::env::temp_dir(), &installed.head.architecture);
    let wanted = Wanted::fetch(&*fetch, trusted, version, architecture, Scratch(&scratch), &*progress)?;
    let mut paths: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let mut told = Ok(());
    let Planned { plan, room } = plan(&installed, &wanted, &*fetch, &mut |change, path| {
        if common.json {
            paths.entry(change.word()).or_default().push(path.into());
        } else if told.is_ok() {
            told = super::put(&format!("{:<8} {path}\n", change.word()));
        }
    })?;
    told?;
    let objects = wanted.boot;
    let esp = installed.esp()?.check_room(installed.slot().other(), &objects);
    let rule = wanted.rule(&installed.head)?;
    let hooks: Vec<&str> = Hook::ALL.iter().filter(|h| rule.hook(**h).is_some()).map(|h| h.name()).collect();
    let esp_bytes: u64 = objects.iter().map(|(_, length)| length).sum();
    let json = json!({
        "from": installed.head.version, "to": version, "slot": installed.slot().other().to_string(),
        "added": plan.added, "changed": plan.changed, "removed": plan.removed, "kept": plan.kept,
        "paths": paths, "download": plan.download.bytes, "requests": plan.download.requests,
        "write": plan.written(), "copy": plan.copied, "already": plan.already,
        "esp_bytes": esp_bytes, "esp_room": esp.is_ok(), "slot_room": room.is_ok(), "hooks": hooks,
    });
    let lines = [
        format!("{} -> {version}, into slot {}", installed.head.version, installed.slot().other()),
        format!(
            "paths: {} added, {} changed, {} removed, {} kept",
            plan.added, plan.changed, plan.removed, plan.kept
        ),
        format!("download: {} in {} requests", size(plan.download.bytes), plan.download.requests),
        format!(
            "write: {} ({} of it copied from the running slot); {} are there already",
            size(plan.written()),
            size(plan.copied),
            size(plan.already)
        ),
        format!("slot {}: {}", installed.slot().other(), verdict(room.as_ref().err())),
        format!("ESP: kernel and initrd of {}: {}", size(esp_bytes), verdict(esp.as_ref().err())),
        format!("hooks: {}", if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") }),
    ];
    super::answer(common, &json, &lines)?;
    Ok(if esp.is_ok() && room.is_ok() { Exit::Done } else { Exit::Space })
}

fn verdict(problem: Option<&impl std::fmt::Display>) -> String {
    problem.map_or_else(|| "there is room".to_owned(), ToString::to_string)
}
