//! What each step does to a host: on the ESP here, beside it by the host's verbs. Every step that makes something
//! durable names its barrier.

use edeploy_format::boot::{Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;
use edeploy_format::transition::Hook;

use super::{Host, Record, Wish, esp};
use crate::esp::{Esp, SyncId};
use crate::machine::{self, Closed, Outcome, Progress, Step, Verified};

/// Does one step; says how far the process has come then.
pub(super) fn apply<H: Host>(
    host: &mut H,
    step: Step,
    far: Progress,
    reached: &mut Option<Outcome>,
) -> Result<Progress, H::Error> {
    Ok(match step {
        Step::Partition => partition(host)?,
        Step::MakeEsp => make_esp(host)?,
        Step::MakeState => make_state(host)?,
        Step::ClearOverride => host.clear_override().map(|()| far)?,
        Step::Check(slot) => check(host, slot)?,
        Step::Remember(failures) => remember(host, failures)?,
        Step::Close(slot) => close(host, slot)?,
        Step::MakeSlot(slot) => host.make_slot(&slot).map(|()| Progress::Made(slot))?,
        Step::Fill(slot) => fill(host, slot)?,
        Step::Verify(slot) => host.verify(&slot).map(|()| Progress::Verified(machine::verify(slot)))?,
        Step::PutLoader(slot) => put_loader(host, slot)?,
        Step::Stage(slot) => stage(host, slot)?,
        Step::Pre(slot) => host.hook(Hook::Pre, slot.slot()).map(|_| Progress::PreRan(slot))?,
        Step::Carry(slot) => carry(host, slot)?,
        Step::Post(slot) => post(host, slot)?,
        Step::Arm { slot, name, reboot } => {
            let entry = host.entry(&slot, name.generation)?;
            commit(host, name, &entry)?;
            *reached = Some(Outcome::armed(name, reboot));
            host.record(&Record::Armed(name))?;
            Progress::Armed { name, reboot }
        }
        Step::Rearm { name, entry, outcome } => {
            commit(host, name, &entry)?;
            *reached = Some(outcome);
            host.record(&Record::RolledBack(name))?;
            far
        }
        Step::Bless { plain, entry, counted } => {
            commit(host, plain, &entry)?;
            esp(host)?.delete_entries(&counted).map_err(|fault| fault.unsure(plain))?;
            *reached = Some(Outcome::Blessed(plain));
            host.record(&Record::Blessed(plain))?;
            far
        }
        Step::Retire { names, outcome } => {
            retire(host, &names, outcome, reached)?;
            far
        }
        Step::Restore { slot, name } => {
            let entry = host.entry(&slot, name.generation)?;
            commit(host, name, &entry).map(|()| far)?
        }
        Step::Discard(names) => {
            esp(host)?.delete_entries(&names)?;
            far
        }
        // `run` ends with these; nothing is to be done for them.
        Step::Done(_) | Step::Refuse(_) => far,
    })
}

fn partition<H: Host>(host: &mut H) -> Result<Progress, H::Error> {
    host.partition()?;
    host.sync(SyncId::Table)?;
    Ok(Progress::Partitioned)
}

fn make_esp<H: Host>(host: &mut H) -> Result<Progress, H::Error> {
    let volume_id = host.volume_id()?;
    Esp::format(host.esp()?, volume_id)?;
    Ok(Progress::EspMade)
}

fn make_state<H: Host>(host: &mut H) -> Result<Progress, H::Error> {
    host.make_state()?;
    host.sync(SyncId::State)?;
    Ok(Progress::StateMade)
}

fn check<H: Host>(host: &mut H, slot: Slot) -> Result<Progress, H::Error> {
    let objects = host.boot_objects(slot)?;
    esp(host)?.check_room(slot, &objects)?;
    host.hook(Hook::Check, slot)?;
    Ok(Progress::Checked)
}

fn remember<H: Host>(host: &mut H, failures: Vec<(EntryName, Digest)>) -> Result<Progress, H::Error> {
    for (name, manifest) in failures {
        host.record(&Record::FellBack(name, manifest))?;
    }
    Ok(Progress::Remembered)
}

fn close<H: Host>(host: &mut H, slot: Slot) -> Result<Progress, H::Error> {
    host.record(&Record::Started(slot))?;
    let mut esp = esp(host)?;
    let entries: Vec<EntryName> = esp.entries()?.into_iter().map(|listed| listed.name).collect();
    let closed: Vec<EntryName> = entries.iter().copied().filter(|name| name.slot == slot).collect();
    let staged = entries.first().copied().filter(|newest| newest.slot == slot && !newest.exhausted());
    esp.delete_entries(&closed).map_err(|fault| match staged {
        Some(name) => fault.unsure(name),
        None => fault,
    })?;
    Ok(Progress::Closed(machine::close(slot)))
}

fn fill<H: Host>(host: &mut H, slot: Closed) -> Result<Progress, H::Error> {
    host.fill(&slot)?;
    host.sync(SyncId::SlotFilled)?;
    Ok(Progress::Filled(machine::fill(slot)))
}

fn put_loader<H: Host>(host: &mut H, slot: Verified) -> Result<Progress, H::Error> {
    let loader = host.loader(&slot)?;
    let mut esp = esp(host)?;
    // For a repair this is the commit point.
    let first = esp.entries()?.first().map(|listed| listed.name);
    esp.install_loader(&loader).map_err(|fault| match first {
        Some(name) => fault.unsure(name),
        None => fault,
    })?;
    Ok(Progress::LoaderPut(slot))
}

/// Puts kernel and initrd onto the ESP, in the room of what no entry names any more.
fn stage<H: Host>(host: &mut H, slot: Verified) -> Result<Progress, H::Error> {
    let objects = host.boot_objects(slot.slot())?;
    esp(host)?.prune(&objects.map(|(digest, _)| digest))?;
    for (digest, length) in objects {
        let mut content = host.boot_object(&slot, digest)?;
        esp(host)?.put(digest, length, &mut content)?;
    }
    Ok(Progress::Staged(slot))
}

fn carry<H: Host>(host: &mut H, slot: Verified) -> Result<Progress, H::Error> {
    host.carry(&slot)?;
    host.sync(SyncId::SlotFilled)?;
    host.check_carried(&slot)?;
    Ok(Progress::Carried(slot))
}

fn post<H: Host>(host: &mut H, slot: Verified) -> Result<Progress, H::Error> {
    let wish = host.hook(Hook::Post, slot.slot())?;
    host.sync(SyncId::SlotSealed)?;
    Ok(Progress::PostRan { slot, reboot: wish == Wish::Reboot })
}

/// Deletes what another entry stands for. The loader takes a counted entry before the plain one of its
/// generation; all others that are retired are older than what stands for them.
fn retire<H: Host>(
    host: &mut H,
    names: &[EntryName],
    outcome: Outcome,
    reached: &mut Option<Outcome>,
) -> Result<(), H::Error> {
    if let Outcome::Blessed(plain) = outcome {
        esp(host)?.delete_entries(names).map_err(|fault| fault.unsure(plain))?;
        *reached = Some(outcome);
        return Ok(());
    }
    *reached = Some(outcome);
    Ok(esp(host)?.delete_entries(names)?)
}

/// The commit point: writes an entry. After a failure there is none of that name, or that is not known.
fn commit<H: Host>(host: &mut H, name: EntryName, entry: &Entry) -> Result<(), H::Error> {
    let Err(fault) = esp(host)?.write_entry(name, entry) else { return Ok(()) };
    Err(match esp(host).map(|mut esp| esp.delete_entries(&[name])) {
        Ok(Ok(())) => fault.into(),
        Ok(Err(_)) | Err(_) => fault.unsure(name).into(),
    })
}
