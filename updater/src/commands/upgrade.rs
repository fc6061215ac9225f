//! `upgrade`: the inactive slot becomes another version, and boots next.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::{Common, Upgrade};
use crate::disk::mount::Access;
use crate::failure::{Failure, chain};
use crate::host::linux::{Coming, Linux};
use crate::host::run as run_host;
use crate::installed::Installed;
use crate::journal::{Deployment, Event};
use crate::machine::{Goal, Outcome};
use crate::planned::{announce, fetch_delta, plan};
use crate::progress::{Progress, size};
use crate::slot::Filled;
use crate::trust::{Scratch, Trusted};
use crate::wanted::Wanted;

/// An upgrade that came to its end.
struct Brought {
    wanted: Wanted,
    outcome: Outcome,
    filled: Filled,
}

pub(super) fn run(common: &Common, upgrade: &Upgrade) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = Installed::open(common, Access::ReadWrite)?;
    let mut to = None;
    let brought = bring(common, upgrade, &installed, &*progress, &mut to);
    let brought = brought.inspect_err(|failure| {
        let (version, reason) = (upgrade.version.clone(), failure.to_string());
        let recorded = installed.journal().append(Event::Failed { version, to, reason });
        // That this fails must not hide why the upgrade did.
        if let Err(e) = recorded {
            progress.note(&chain(&e));
        }
    })?;
    let Brought { wanted, outcome, filled } = brought;
    let (said, wants_reboot) = said(&outcome, &wanted);
    let mut lines = vec![said];
    if let Outcome::Staged { .. } = outcome {
        let [kept, copied, made, down] =
            [filled.kept, filled.copied, filled.patched, filled.downloaded].map(size);
        lines.push(format!(
            "{kept} were there, {copied} copied from the running slot, {made} patched, {down} downloaded"
        ));
    }
    let json = json!({
        "version": wanted.head.version, "manifest": wanted.digest().to_string(), "outcome": word(&outcome),
        "reboot": wants_reboot, "kept": filled.kept, "copied": filled.copied, "patched": filled.patched, "fetched": filled.fetched,
        "downloaded": filled.downloaded, "drifted": filled.drifted,
    });
    super::answer_done(common, &json, &lines);
    Ok(if wants_reboot { super::reboot(&installed, upgrade.no_reboot, &*progress) } else { Exit::Done })
}

/// Brings the version; `to` says which it is as soon as that is known.
fn bring(
    common: &Common,
    upgrade: &Upgrade,
    installed: &Installed,
    progress: &dyn Progress,
    to: &mut Option<Deployment>,
) -> Result<Brought, Failure> {
    let fetch = installed.site(common, progress)?;
    let expiry = super::now(installed.head.built, progress);
    let (stores, role) = (installed.stores(), &installed.head.role);
    let trusted = Trusted::current(&*fetch, &stores, role, expiry, Some(&upgrade.version), progress)?;
    stores[0].save(&trusted)?;
    let (scratch, architecture) = (installed.scratch(), &installed.head.architecture);
    let mut wanted = Wanted::fetch(
        &*fetch,
        trusted,
        &upgrade.version,
        architecture,
        Some((&installed.head.version, &installed.tree)),
        Scratch(&scratch),
        progress,
    )?;
    fetch_delta(installed, &mut wanted, &*fetch, Scratch(&scratch), progress)?;
    *to = Some(Deployment {
        version: Some(upgrade.version.clone()),
        manifest: wanted.digest(),
        slot: installed.slot().other(),
        generation: None,
    });
    announce(&plan(installed, &wanted, &*fetch, &mut |_, _| ())?, &wanted, &*fetch, progress)?;
    let goal = Goal::Upgrade { manifest: wanted.digest(), retry: upgrade.retry };
    let coming = Coming { wanted: &wanted, fetch: &*fetch };
    let mut host = Linux::installed(installed, Some(coming), progress);
    let outcome = run_host(&mut host, &goal)?;
    let filled = host.filled();
    drop(host);
    Ok(Brought { wanted, outcome, filled })
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::UpToDate => "up-to-date",
        Outcome::OnTrial => "on-trial",
        Outcome::Staged { .. } => "staged",
        Outcome::Installed(_) => "installed",
        Outcome::RolledBack(_) => "rolled-back",
        Outcome::Blessed(_) => "blessed",
        Outcome::Repaired => "repaired",
    }
}

/// What to tell of the outcome, and whether a reboot is asked for.
fn said(outcome: &Outcome, wanted: &Wanted) -> (String, bool) {
    let version = &wanted.head.version;
    match outcome {
        Outcome::UpToDate => (format!("{version} runs already, is good, and boots next"), false),
        Outcome::OnTrial => (format!("{version} runs already, on trial"), false),
        Outcome::Staged { name, reboot: true } => {
            (format!("{version} is in slot {}, verified, and wants a reboot for its trial", name.slot), true)
        }
        Outcome::Staged { name, reboot: false } => {
            (format!("{version} is in slot {}, verified, and boots next", name.slot), false)
        }
        Outcome::Repaired => (format!("{version} is as it was"), false),
        Outcome::Installed(name) | Outcome::RolledBack(name) | Outcome::Blessed(name) => {
            (format!("{version} is under the entry {name}"), false)
        }
    }
}
