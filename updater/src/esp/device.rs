//! The seam below the ESP: a device of 512-byte sectors with a write cache that may lose anything.

use std::io;

/// Bytes in a sector. Disks whose logical sectors are larger are refused at install.
pub const SECTOR: usize = 512;

/// The barriers of an install, upgrade, blessing or rollback, each by what is durable after it.
///
/// A test leaves out each in turn, cuts the power, and shows what breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncId {
    /// The partition table.
    Table,
    /// The empty file system of the state partition.
    State,
    /// What is on the ESP when a command begins or ends: a killed one may have left some of it in memory.
    EspSettled,
    /// Content and allocation of a file that no folder of the ESP names yet, or all of a new file system
    /// but its boot sector.
    EspContent,
    /// The name of that file, or the boot sector of that file system.
    EspName,
    /// The absence of a deleted name, or of an older file system, before anything of it is given up.
    EspGone,
    /// All bytes of a filled slot, before they are read back.
    SlotFilled,
    /// What hooks and carried-over paths changed in a slot, before it is armed.
    SlotSealed,
    /// A record of the journal.
    Journal,
}

impl SyncId {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Table,
        Self::State,
        Self::EspSettled,
        Self::EspContent,
        Self::EspName,
        Self::EspGone,
        Self::SlotFilled,
        Self::SlotSealed,
        Self::Journal,
    ];
}

/// A device of sectors.
///
/// Until [`sync`](Self::sync) returns, any subset of the sectors written since the last one may be on
/// the medium; a single sector is written whole or not at all.
pub trait BlockDevice {
    /// How many sectors it has.
    fn sectors(&self) -> u64;

    /// Fills `into`, a whole number of sectors, from sector `first` on.
    ///
    /// # Errors
    /// If the device does not answer or the range is outside of it.
    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()>;

    /// Writes `from`, a whole number of sectors, to sector `first` on.
    ///
    /// # Errors
    /// If the device does not answer or the range is outside of it.
    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()>;

    /// Makes all that was written durable. Later reads come from the medium, not from memory.
    ///
    /// # Errors
    /// If the device does not answer; nothing is known about what was written then.
    fn sync(&mut self, id: SyncId) -> io::Result<()>;
}

impl<D: BlockDevice + ?Sized> BlockDevice for &mut D {
    fn sectors(&self) -> u64 {
        (**self).sectors()
    }

    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
        (**self).read(first, into)
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        (**self).write(first, from)
    }

    fn sync(&mut self, id: SyncId) -> io::Result<()> {
        (**self).sync(id)
    }
}
