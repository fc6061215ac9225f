//! `repair` and `test-repair`: ESP and state partition, made again from what the slots hold.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::Common;
use crate::disk::mount::Access;
use crate::disk::sectors::Sectors;
use crate::esp::Esp;
use crate::failure::Failure;
use crate::host::linux::Linux;
use crate::host::{run as run_host, survey};
use crate::machine::{Goal, Progress, State};
use crate::remains::Remains;

/// What goes with a state partition.
const FORGOTTEN: &str = "forgotten with the state partition: /var; the persistent paths (host name, host keys, …), \
    which the next boot takes from the tree; versions fallen back from; what `remember` changed: put back what your \
    backup has";

pub(super) fn run(common: &Common, access: Access, wipe: bool) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let remains = Remains::open(common, access, wipe)?;
    let mut host = Linux::remains(&remains, &*progress);
    let seen = survey(&mut host, Progress::Nothing)?;
    let (found, state_lost) = (seen.broken(), seen.rescue.state == State::Lost);
    let mut lines = Vec::new();
    if state_lost {
        lines.push(FORGOTTEN.to_owned());
    }
    if remains.is_new && seen.esp_is_broken() {
        lines.push(format!("the machine id is nowhere: {} from now on", remains.machine));
    }
    let write = access == Access::ReadWrite;
    let refused = seen.refusal().filter(|_| !write);
    let entries: Vec<String> = seen.if_made_anew().missing().map(|name| name.to_string()).collect();
    if !write {
        lines.extend(entries.iter().map(|name| format!("the entry {name} would be written")));
    }
    found.iter().for_each(|what| progress.note(what));
    if write && !found.is_empty() {
        run_host(&mut host, &Goal::Repair)?;
        host.record_repair(found.clone()).unwrap_or_else(|e| super::warn(&e));
    }
    let next = next_boot(&remains);
    lines.push(match (found.len(), write, refused) {
        (_, _, Some(refusal)) => format!("refused: {refusal}"),
        (0, _, None) => "nothing to repair".to_owned(),
        (1, false, None) => "1 fault would be repaired".to_owned(),
        (n, false, None) => format!("{n} faults would be repaired"),
        (n, true, None) => {
            let faults = if n == 1 { "1 fault is".to_owned() } else { format!("{n} faults are") };
            format!("{faults} repaired; {} boots next", next.as_deref().unwrap_or("nothing"))
        }
    });
    let json = json!({
        "found": found, "entries": entries, "repaired": write && !found.is_empty(), "next": next,
        "state_lost": state_lost, "refused": refused.map(|refusal| refusal.to_string()),
    });
    super::answer_done(common, &json, &lines);
    Ok(match refused {
        Some(refusal) => Failure::from(refusal).exit,
        None if write || found.is_empty() => Exit::Done,
        None => Exit::Differs,
    })
}

fn next_boot(remains: &Remains) -> Option<String> {
    let volume = remains.place.volume(&remains.place.layout.esp, Access::ReadOnly).ok()?;
    let mut esp = Esp::open(Sectors::open(volume, Access::ReadOnly).ok()?).ok()?;
    Some(esp.next_boot(&Default::default()).ok()??.file)
}
