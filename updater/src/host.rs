//! The seam between the policy and a machine: what a host can do, and the loop that has it done.
//!
//! [`run`] looks, asks [`machine::next`], applies one step, and looks again.
//! Everything on the ESP is done here, on the host's device, so that the real machine and the
//! simulated one share it; a [`Host`] brings what lies beside it. Steps that write a slot take the
//! proof that it may be written.

pub mod linux;

use std::io::Read;

use edeploy_format::boot::{Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;
use edeploy_format::transition::Hook;

use crate::esp::{BlockDevice, Esp, EspError, SyncId};
use crate::machine::{
    self, Closed, Filled, Goal, Held, Observed, Outcome, Progress, Refusal, Rescue, State, Step, Verified,
    World,
};

/// What a hook that succeeded wants.
pub use crate::hooks::Wish;

/// What is put on record. A host may fail to keep a record only by failing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The slot is about to lose its entries and to be written.
    Started(Slot),
    /// This entry used up its tries with this version.
    FellBack(EntryName, Digest),
    /// This entry boots next.
    Armed(EntryName),
    /// This entry is the running one, and good.
    Blessed(EntryName),
    /// This entry boots next, as it was asked for: the other slot's, or that of what runs.
    RolledBack(EntryName),
}

/// A machine, real or simulated. The goal's tree is known to it: where it comes from, and its manifest.
pub trait Host {
    /// Why something could not be done; the ESP's faults and the policy's refusals are among it.
    type Error: std::error::Error + From<EspError> + From<Refusal>;
    /// The device the ESP is on, held so that nobody else can mount it.
    type Device: BlockDevice;

    /// What the machine is now. `sound` may be false unless the other slot is closed.
    ///
    /// # Errors
    /// If the machine cannot be looked at.
    fn world(&mut self) -> Result<World, Self::Error>;

    /// The device of the ESP, for one step.
    ///
    /// # Errors
    /// If somebody else has it.
    fn esp(&mut self) -> Result<Self::Device, Self::Error>;

    /// Writes a new partition table, over whatever there is.
    ///
    /// # Errors
    /// If the disk may not or cannot be partitioned.
    fn partition(&mut self) -> Result<(), Self::Error>;

    /// The volume serial number of a new ESP.
    ///
    /// # Errors
    /// If there is no randomness.
    fn volume_id(&mut self) -> Result<u32, Self::Error>;

    /// Makes the file system of the state partition, and what must be there before the first boot.
    ///
    /// # Errors
    /// If it cannot be made.
    fn make_state(&mut self) -> Result<(), Self::Error>;

    /// Makes the slot's file system anew.
    ///
    /// # Errors
    /// If it cannot be made.
    fn make_slot(&mut self, slot: &Closed) -> Result<(), Self::Error>;

    /// Brings the tree into the slot, keeping what is right already. Need not sync.
    ///
    /// # Errors
    /// If any of it cannot be brought.
    fn fill(&mut self, slot: &Closed) -> Result<(), Self::Error>;

    /// Reads the slot back from the medium: is all of it what the manifest says?
    ///
    /// # Errors
    /// If anything differs.
    fn verify(&mut self, slot: &Filled) -> Result<(), Self::Error>;

    /// Digest and length of kernel and initrd of the tree for `slot`, by its manifest.
    ///
    /// # Errors
    /// If the manifest cannot be read.
    fn boot_objects(&mut self, slot: Slot) -> Result<[(Digest, u64); 2], Self::Error>;

    /// The content of the kernel or initrd `digest`, from the verified slot.
    ///
    /// # Errors
    /// If it cannot be opened.
    fn boot_object(&mut self, slot: &Verified, digest: Digest) -> Result<Box<dyn Read>, Self::Error>;

    /// The boot loader, from the verified slot.
    ///
    /// # Errors
    /// If it cannot be read.
    fn loader(&mut self, slot: &Verified) -> Result<Vec<u8>, Self::Error>;

    /// The entry that boots the tree from this slot.
    ///
    /// # Errors
    /// If something it must say is not known.
    fn entry(&mut self, slot: &Verified, generation: u64) -> Result<Entry, Self::Error>;

    /// How the state partition is, for a repair.
    ///
    /// # Errors
    /// If it cannot be looked at.
    fn state(&mut self) -> Result<State, Self::Error>;

    /// What `slot` holds, read whole; `None` if that is not what was signed. For a repair.
    ///
    /// # Errors
    /// If it cannot be looked at.
    fn held(&mut self, slot: Slot) -> Result<Option<Held>, Self::Error>;

    /// Runs a hook for the tree that comes to `slot`, if there is one. Everything but success is an
    /// error; only [`Hook::Post`] may wish for a reboot.
    ///
    /// # Errors
    /// If it failed, hung, or could not be started.
    fn hook(&mut self, hook: Hook, slot: Slot) -> Result<Wish, Self::Error>;

    /// Carries excluded paths over from the running slot. Need not sync.
    ///
    /// # Errors
    /// If any cannot be carried over.
    fn carry(&mut self, slot: &Verified) -> Result<(), Self::Error>;

    /// Reads the carried paths back from the medium: are they what the running slot has?
    ///
    /// # Errors
    /// If any differs.
    fn check_carried(&mut self, slot: &Verified) -> Result<(), Self::Error>;

    /// Puts something on record, durably: it has passed [`SyncId::Journal`].
    ///
    /// # Errors
    /// If it cannot be kept.
    fn record(&mut self, record: &Record) -> Result<(), Self::Error>;

    /// Says what failed after the goal was reached.
    fn warn(&mut self, fault: &Self::Error);

    /// Clears the EFI variables that come before entries and counters, and says so.
    ///
    /// # Errors
    /// If they are still there.
    fn clear_override(&mut self) -> Result<(), Self::Error>;

    /// The barriers beside those of the ESP: makes durable what each stands for.
    ///
    /// # Errors
    /// If it is not known to be durable.
    fn sync(&mut self, id: SyncId) -> Result<(), Self::Error>;
}

/// Brings `host` to its `goal`. What fails once the entry is written that the goal asks for does not undo it:
/// it is a warning.
///
/// # Errors
/// A refusal, when nothing was changed; or a fault, after which the machine boots what it booted before,
/// or what runs where a staged version or an EFI variable was in its way; the next run starts over. With
/// [`EspError::Unsure`] alone it may boot the entry that is named.
pub fn run<H: Host>(host: &mut H, goal: &Goal) -> Result<Outcome, H::Error> {
    let mut reached = None;
    let ended = advance(host, goal, &mut reached);
    match (ended, reached) {
        (Err(fault), Some(outcome)) => {
            host.warn(&fault);
            Ok(outcome)
        }
        (ended, _) => ended,
    }
}

/// Step after step; `reached` is how it will have ended, from the commit point on.
fn advance<H: Host>(host: &mut H, goal: &Goal, reached: &mut Option<Outcome>) -> Result<Outcome, H::Error> {
    // An earlier run may have been killed between a write and its barrier.
    match goal {
        Goal::Install => {}
        // There may be none.
        Goal::Repair => Esp::open(host.esp()?).map_or(Ok(()), |mut esp| esp.settle())?,
        Goal::Upgrade { .. } | Goal::Rollback | Goal::Bless => esp(host)?.settle()?,
    }
    let mut progress = Progress::Nothing;
    loop {
        let seen = if *goal == Goal::Repair { survey(host, progress)? } else { observe(host, progress)? };
        match machine::next(&seen, goal) {
            Step::Done(outcome) => return Ok(outcome),
            Step::Refuse(refusal) => return Err(refusal.into()),
            step => progress = apply(host, step, progress, reached)?,
        }
    }
}

/// Looks at the machine, as a process that has come this `far` sees it.
///
/// # Errors
/// If it, or its ESP, cannot be looked at.
pub fn observe<H: Host>(host: &mut H, far: Progress) -> Result<Observed, H::Error> {
    let world = host.world()?;
    let entries = match (&world.running, far) {
        (None, Progress::Nothing | Progress::Partitioned) => Vec::new(),
        _ => esp(host)?.entries()?,
    };
    Ok(Observed { world, entries, progress: far, rescue: Rescue::default() })
}

/// The same for a repair: everything on the ESP is read, and the slots too where something is wrong there.
///
/// # Errors
/// If the machine cannot be looked at. An ESP that cannot be read is lost.
pub fn survey<H: Host>(host: &mut H, far: Progress) -> Result<Observed, H::Error> {
    let (world, state, device) = (host.world()?, host.state()?, host.esp()?);
    let read = Esp::open(device).and_then(|mut esp| Ok((esp.read_entries()?, esp.has_loader()?)));
    let esp = read.is_ok();
    let (entries, loader) = read.unwrap_or_default();
    let rescue = Rescue { esp, loader, state, ..Rescue::default() };
    let mut seen = Observed { world, entries, progress: far, rescue };
    if seen.esp_is_broken() {
        for slot in Slot::ALL {
            let held = host.held(slot)?;
            seen.rescue.held[slot.index()] = held.map(|held| (machine::hold(slot), held));
        }
    }
    Ok(seen)
}

fn esp<H: Host>(host: &mut H) -> Result<Esp<H::Device>, H::Error> {
    Ok(Esp::open(host.esp()?)?)
}

/// Does one step; says how far the process has come then.
fn apply<H: Host>(
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
        return Ok(esp(host)?.delete_entries(names).map_err(|fault| fault.unsure(plain))?);
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
