//! `test-upgrade`: what an upgrade would do and cost.

use edeploy_format::exit::Exit;
use edeploy_format::name::Version;
use edeploy_format::transition::Hook;
use serde_json::json;

use crate::cli::Common;
use crate::esp::EspError;
use crate::failure::Failure;
use crate::host::Host;
use crate::host::linux::Linux;
use crate::installed::Installed;
use crate::machine::{self, Goal, Observed, Outcome, Progress as Far, Rescue, Step};
use crate::planned::{Planned, fetch_delta, plan};
use crate::progress::{Progress, size};
use crate::trust::{Scratch, Trusted};
use crate::wanted::Wanted;

pub(super) fn run(common: &Common, version: &Version) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = super::look(common)?;
    let fetch = installed.site(common, &*progress)?;
    let expiry = super::now(installed.head.built, &*progress);
    let (stores, role) = (installed.stores(), &installed.head.role);
    let trusted = Trusted::current(&*fetch, &stores, role, expiry, Some(version), &*progress)?;
    let (scratch, architecture) = (std::env::temp_dir(), &installed.head.architecture);
    let mut wanted = Wanted::fetch(
        &*fetch,
        trusted,
        version,
        architecture,
        Some((&installed.head.version, &installed.tree)),
        Scratch(&scratch),
        &*progress,
    )?;
    fetch_delta(&installed, &mut wanted, &*fetch, Scratch(&scratch), &*progress)?;
    let mut paths = common.json.then(|| super::Stream::begin("paths")).transpose()?;
    let mut told = Ok(());
    let Planned { plan, way, room } = plan(&installed, &wanted, &*fetch, &mut |change, path| {
        if told.is_err() {
            return;
        }
        told = match &mut paths {
            Some(paths) => paths.item(&json!({ "change": change.word(), "path": path })),
            None => super::put(&format!("{:<8} {path}\n", change.word())),
        };
    })?;
    told?;
    let verdict = judge(&installed, &wanted, &*progress)?;
    let objects = wanted.boot.objects;
    let esp = match installed.esp()?.check_room(installed.slot().other(), &objects) {
        Err(e) if !matches!(e, EspError::NoSpace { .. } | EspError::Rotten { .. }) => return Err(e.into()),
        found => found,
    };
    let esp_fits = !matches!(esp, Err(EspError::NoSpace { .. }));
    let rule = wanted.rule(&installed.head)?;
    let hooks: Vec<&str> = Hook::ALL.iter().filter(|h| rule.hook(**h).is_some()).map(|h| h.name()).collect();
    let refused = |exit, why: &dyn std::fmt::Display| Verdict { exit, text: format!("refused: {why}") };
    let verdict = match (&esp, fetch.allows(plan.download.bytes)) {
        _ if verdict.exit != Exit::Done => verdict,
        (Err(rotten @ EspError::Rotten { .. }), _) => refused(Exit::Refused, rotten),
        _ if !esp_fits || room.is_err() => refused(Exit::Space, &"there is no room"),
        (_, Err(e)) => refused(Exit::Refused, &e),
        (_, Ok(())) => verdict,
    };
    let esp_bytes: u64 = objects.iter().map(|(_, length)| length).sum();
    let json = json!({
        "from": installed.head.version, "to": version, "slot": installed.slot().other().to_string(),
        "added": plan.added, "changed": plan.changed, "removed": plan.removed, "kept": plan.kept,
        "way": way, "by_delta": plan.by_delta.bytes, "patch": plan.patched,
        "download": plan.download.bytes, "requests": plan.download.requests, "described": wanted.described,
        "write": plan.written(), "copy": plan.copied, "already": plan.already,
        "esp_bytes": esp_bytes, "esp_room": esp_fits, "slot_room": room.is_ok(), "hooks": hooks, "verdict": verdict.text,
    });
    let lines = [
        format!("{} -> {version}, into slot {}", installed.head.version, installed.slot().other()),
        format!(
            "paths: {} added, {} changed, {} removed, {} kept",
            plan.added, plan.changed, plan.removed, plan.kept
        ),
        format!(
            "download: {} in {} requests, {way}; and {} that describe the version",
            size(plan.download.bytes),
            plan.download.requests,
            size(wanted.described)
        ),
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
    Ok(verdict.exit)
}

/// What would come of an upgrade.
struct Verdict {
    exit: Exit,
    text: String,
}

fn judge(installed: &Installed, wanted: &Wanted, progress: &dyn Progress) -> Result<Verdict, Failure> {
    let mut world = Linux::installed(installed, None, progress).world()?;
    // An upgrade clears it first.
    world.overridden = false;
    let seen = Observed {
        world,
        entries: installed.esp()?.entries()?,
        progress: Far::Nothing,
        rescue: Rescue::default(),
    };
    let goal = Goal::Upgrade { manifest: wanted.digest(), retry: false };
    let text = match machine::next(&seen, &goal) {
        Step::Refuse(refusal) => {
            return Ok(Verdict { exit: Exit::Refused, text: format!("refused: {refusal}") });
        }
        Step::Done(Outcome::Staged { name, .. }) => format!("nothing to do: it boots next, as {name}"),
        Step::Done(_) => "nothing to do: it runs".to_owned(),
        Step::Rearm { .. } | Step::Retire { .. } => {
            "it runs, and would boot next; nothing would be written to a slot".to_owned()
        }
        Step::Partition
        | Step::MakeEsp
        | Step::MakeState
        | Step::ClearOverride
        | Step::Check(_)
        | Step::Remember(_)
        | Step::Close(_)
        | Step::MakeSlot(_)
        | Step::Fill(_)
        | Step::Verify(_)
        | Step::PutLoader(_)
        | Step::Stage(_)
        | Step::Pre(_)
        | Step::Carry(_)
        | Step::Post(_)
        | Step::Arm { .. }
        | Step::Bless { .. }
        | Step::Restore { .. }
        | Step::Discard(_) => "nothing is in its way".to_owned(),
    };
    Ok(Verdict { exit: Exit::Done, text })
}

fn room_for(problem: Option<&impl std::fmt::Display>) -> String {
    problem.map_or_else(|| "there is room".to_owned(), ToString::to_string)
}
