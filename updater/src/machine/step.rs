//! What may be wanted, what can be done for it, and how it ends.

use edeploy_format::boot::{Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// A machine on this disk.
    Install,
    /// This version in the slot that is not running, to be booted next.
    Upgrade {
        /// Which.
        manifest: Digest,
        /// Also if this machine fell back from it before.
        retry: bool,
    },
    /// The other slot again.
    Rollback,
    /// What runs is good.
    Bless,
    /// ESP and state partition as the slots have them.
    Repair,
}

/// A slot without any boot entry, durably: the only kind that is ever written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed(Slot);

/// A closed slot whose bytes are written and synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled(Slot);

/// A filled slot that was read back cold and is what the signed manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified(Slot);

macro_rules! slot_of {
    ($($state:ident)*) => {$(
        impl $state {
            /// Which slot.
            #[must_use]
            pub fn slot(&self) -> Slot {
                self.0
            }
        }
    )*};
}

slot_of!(Closed Filled Verified);

/// For `apply` alone: the entries of `slot` are gone, durably.
pub(crate) fn close(slot: Slot) -> Closed {
    Closed(slot)
}

/// For a repair alone: the slot was read whole, and is not written.
pub(crate) fn hold(slot: Slot) -> Verified {
    Verified(slot)
}

/// For `apply` alone: the slot was filled and synced.
pub(crate) fn fill(closed: Closed) -> Filled {
    Filled(closed.0)
}

/// For `apply` alone: the slot was read back.
pub(crate) fn verify(filled: Filled) -> Verified {
    Verified(filled.0)
}

/// How far this process has come. Gone with it: after a crash the next run starts over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was done.
    Nothing,
    /// Install: the disk has its partitions.
    Partitioned,
    /// Install: the ESP is made.
    EspMade,
    /// Install: the state partition is made.
    StateMade,
    /// There is room, and the hook `check` did not object.
    Checked,
    /// The journal knows of the failure whose entry goes now.
    Remembered,
    /// The slot can be written.
    Closed(Closed),
    /// The slot has a new, empty file system.
    Made(Closed),
    /// The tree is in the slot.
    Filled(Filled),
    /// It is the right one.
    Verified(Verified),
    /// Install: the loader is on the ESP.
    LoaderPut(Verified),
    /// Kernel and initrd are on the ESP.
    Staged(Verified),
    /// The hook `pre` ran.
    PreRan(Verified),
    /// What belongs to the machine was carried over.
    Carried(Verified),
    /// The hook `post` ran, and the slot is sealed.
    PostRan {
        /// What is to be armed.
        slot: Verified,
        /// `post` asked for a reboot.
        reboot: bool,
    },
    /// The entry is written.
    Armed {
        /// Which.
        name: EntryName,
        /// `post` asked for a reboot.
        reboot: bool,
    },
}

/// One thing to do. Each may be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Install: write the partition table.
    Partition,
    /// Install: make the ESP.
    MakeEsp,
    /// Install: make the state partition.
    MakeState,
    /// Clear the EFI variables that come before entries and their counters.
    ClearOverride,
    /// Is there room on the ESP, and does the hook `check` agree?
    Check(Slot),
    /// Put versions that used up their tries into the journal, before their entries go.
    Remember(Vec<(EntryName, Digest)>),
    /// Delete the slot's entries.
    Close(Slot),
    /// Make the slot's file system anew.
    MakeSlot(Closed),
    /// Bring the tree into the slot, and sync.
    Fill(Closed),
    /// Read all of it back, cold.
    Verify(Filled),
    /// Install: put the loader of the tree onto the ESP.
    PutLoader(Verified),
    /// Put kernel and initrd of the tree onto the ESP.
    Stage(Verified),
    /// Run the hook `pre`.
    Pre(Verified),
    /// Carry over what belongs to the machine.
    Carry(Verified),
    /// Run the hook `post`, and seal the slot.
    Post(Verified),
    /// Write the entry: the one commit point.
    Arm {
        /// Its slot.
        slot: Verified,
        /// Its name.
        name: EntryName,
        /// Kept for the end.
        reboot: bool,
    },
    /// Write this entry, newer than all others, for a slot that has a good one already: it boots next.
    Rearm {
        /// Its name.
        name: EntryName,
        /// Its text.
        entry: Entry,
        /// How that ends.
        outcome: Outcome,
    },
    /// Write this plain entry, then delete the counted one, which the loader would go on to take.
    Bless {
        /// Its name.
        plain: EntryName,
        /// Its text.
        entry: Entry,
        /// What it stands for from then on.
        counted: Vec<EntryName>,
    },
    /// Delete these entries: another one stands for them.
    Retire {
        /// Their names.
        names: Vec<EntryName>,
        /// How that ends.
        outcome: Outcome,
    },
    /// Repair: write this entry, of a slot that holds what was signed.
    Restore {
        /// Its slot.
        slot: Verified,
        /// Its name.
        name: EntryName,
    },
    /// Repair: delete these entries, which boot nothing.
    Discard(Vec<EntryName>),
    /// Nothing: this is how it ended.
    Done(Outcome),
    /// Nothing: this is why not.
    Refuse(Refusal),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The disk boots.
    Installed(EntryName),
    /// The version runs, is good, and boots next.
    UpToDate,
    /// The version runs, and is on trial.
    OnTrial,
    /// The version boots next.
    Staged {
        /// Under which entry.
        name: EntryName,
        /// `post` asked for a reboot, just now.
        reboot: bool,
    },
    /// The other slot boots next.
    RolledBack(EntryName),
    /// What runs is good.
    Blessed(EntryName),
    /// All that was broken is as it must be.
    Repaired,
}

impl Outcome {
    /// What it is to have written the entry `name`: one that is not counted comes from an install.
    #[must_use]
    pub fn armed(name: EntryName, reboot: bool) -> Self {
        match name.tries {
            None => Self::Installed(name),
            Some(_) => Self::Staged { name, reboot },
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no machine on this disk.
    #[error("nothing is installed here")]
    NotInstalled,
    /// Install was asked to overwrite what runs.
    #[error("this machine runs from the disk it should be installed on")]
    Running,
    /// An upgrade would overwrite the only slot that is known to be good.
    #[error("the running version is still on trial; wait for its health checks, bless it or roll back")]
    Trial,
    /// A version that was fallen back from.
    #[error("this machine fell back from the version with manifest {}; --retry takes it again", .0.short())]
    FellBack(Digest),
    /// The running slot would not boot again.
    #[error(
        "the running slot has no whole boot entry of this boot, so it would not boot again and the other slot \
         must stay as it is; `edeploy-ab rollback` boots the other slot if it was found good, else install anew"
    )]
    EntryLost,
    /// There is nothing to go back to.
    #[error("the other slot holds no version that was found good")]
    NoWayBack,
    /// Without its state a machine is not good.
    #[error("/var is volatile: nothing is blessed without the state partition")]
    Volatile,
    /// Without its state a machine forgets which versions failed once their entries are gone.
    #[error(
        "/var is volatile, and nothing that lasts but the boot entry that would be deleted shows that the version \
         with manifest {} failed here; mend the state partition with `edeploy-ab repair` and reboot first", .0.short()
    )]
    Forgetful(Digest),
    /// There is nothing that an ESP could be made from.
    #[error("neither slot is what was signed, so nothing can be made bootable: install anew")]
    NothingHeld,
    /// An entry for what runs cannot be made; the other slot has one.
    #[error(
        "slot {0} differs from what was signed or booted, so no boot entry is made for it; all else is repaired: \
         boot the other slot, then upgrade"
    )]
    Drifted(Slot),
    /// What was put onto the ESP is not there any more.
    #[error("what was just written to the ESP is not there: its disk does not keep what is written")]
    EspForgets,
    /// What is on the state partition may still be saved.
    #[error(
        "the file system of the state partition is damaged: mend it with e2fsck, or give up what is in it with \
         `edeploy-ab repair --wipe`"
    )]
    StateDamaged,
}
