//! `test-upgrade`: what an upgrade would do and cost.

use edeploy_format::exit::Exit;
use edeploy_format::name::Version;
use edeploy_format::transition::Hook;
use serde_json::json;

use crate::cli::Common;
use crate::failure::Failure;
use crate::host::Host;
use crate::host::linux::Linux;
use crate::installed::Installed;
use crate::machine::{self, Goal, Observed, Outcome, Progress as Far, Step};
use crate::planned::{Planned, plan};
use crate::progress::{Progress, size};
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
    let verdict = judge(&installed, &wanted, &*progress)?;
    let mut paths = common.json.then(|| super::Stream::begin("paths")).transpose()?;
    let mut told = Ok(());
    let Planned { plan, room } = plan(&installed, &wanted, &*fetch, &mut |change, path| {
        if told.is_err() {
            return;
        }
        told = match &mut paths {
            Some(paths) => paths.item(&json!({ "change": change.word(), "path": path })),
            None => super::put(&format!("{:<8} {path}\n", change.word())),
        };
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
        "download": plan.download.bytes, "requests": plan.download.requests,
        "write": plan.written(), "copy": plan.copied, "already": plan.already,
        "esp_bytes": esp_bytes, "esp_room": esp.is_ok(), "slot_room": room.is_ok(), "hooks": hooks, "verdict": verdict.text,
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
        format!("slot {}: {}", installed.slot().other(), room_for(room.as_ref().err())),
        format!("ESP: kernel and initrd of {}: {}", size(esp_bytes), room_for(esp.as_ref().err())),
        format!("hooks: {}", if hooks.is_empty() { "none".to_owned() } else { hooks.join(", ") }),
        format!("upgrade: {}", verdict.text),
    ];
    match paths {
        Some(paths) => paths.end(&json)?,
        None => super::answer(common, &json, &lines)?,
    }
    Ok(if verdict.allowed && (esp.is_err() || room.is_err()) { Exit::Space } else { verdict.exit() })
}

/// What the policy says to an upgrade, before anything is changed.
struct Verdict {
    allowed: bool,
    text: String,
}

impl Verdict {
    fn exit(&self) -> Exit {
        if self.allowed { Exit::Done } else { Exit::Refused }
    }
}

fn judge(installed: &Installed, wanted: &Wanted, progress: &dyn Progress) -> Result<Verdict, Failure> {
    let mut world = Linux::installed(installed, None, progress).world()?;
    // An upgrade clears it first.
    world.overridden = false;
    let seen = Observed { world, entries: installed.esp()?.entries()?, progress: Far::Nothing };
    let goal = Goal::Upgrade { manifest: wanted.digest(), retry: false };
    let step = machine::next(&seen, &goal);
    let text = if let Step::Refuse(refusal) = &step {
        format!("refused: {refusal}")
    } else if let Step::Done(Outcome::Staged { name, .. }) = step {
        format!("nothing to do: it boots next, as {name}")
    } else if let Step::Done(_) = step {
        "nothing to do: it runs".to_owned()
    } else {
        "nothing is in its way".to_owned()
    };
    Ok(Verdict { allowed: !matches!(step, Step::Refuse(_)), text })
}

fn room_for(problem: Option<&impl std::fmt::Display>) -> String {
    problem.map_or_else(|| "there is room".to_owned(), ToString::to_string)
}
