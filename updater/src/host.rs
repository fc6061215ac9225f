//! The seam between the policy and a machine: what a host can do, and the loop that has it done.
//!
//! [`run`] looks, asks [`machine::next`], applies one step (`steps`), and looks again.
//! Everything on the ESP is done here, on the host's device, so that the real machine and the
//! simulated one share it; a [`Host`] brings what lies beside it. Steps that write a slot take the
//! proof that it may be written.

pub mod linux;
mod steps;

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
/// [`EspError::Unsure`] alone it may boot the entry that is named; after a repair, what that has put back.
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
            step => progress = steps::apply(host, step, progress, reached)?,
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
/// If the machine cannot be looked at. What holds no file system is lost; where the device fails that is not known.
pub fn survey<H: Host>(host: &mut H, far: Progress) -> Result<Observed, H::Error> {
    let (world, state, device) = (host.world()?, host.state()?, host.esp()?);
    let read = Esp::open(device).and_then(|mut esp| {
        let entries = esp.read_entries()?;
        Ok((entries, esp.has_loader()? && esp.has_configuration()?))
    });
    let (esp, (entries, loader)) = match read {
        Ok(found) => (true, found),
        Err(fault) if fault.is_of_the_device() => return Err(fault.into()),
        Err(_) => (false, Default::default()),
    };
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
