//! The partition table: written once, at install; only read from then on.
//!
//! Four partitions in this order: `esp`, `slot-a`, `slot-b`, `state`, found by their names on one
//! disk, never by search over all disks. Slots and state have the type "Linux file system", not the
//! "root" types that systemd mounts by itself: what is mounted is decided by boot entries alone.
//! Crate gpt renumbers partitions and tears tables when it rewrites an existing one, so no function
//! here does.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use edeploy_format::slot::Slot;
use gpt::disk::LogicalBlockSize;
use gpt::header::read_header_from_arbitrary_device;
use gpt::partition_types::{EFI, LINUX_FS, Type};

const SECTOR: u64 = 512;
const ALIGNMENT: u64 = 1 << 20;
/// Bytes of an entry of the table, and the most entries there may be: every tool makes 128 of them.
const ENTRY: u32 = 128;
const ENTRIES: u32 = 1024;
/// What the table and its backup take at either end, rounded up to the alignment.
const MARGIN: u64 = ALIGNMENT;
/// The state partition takes the rest; less than this is refused.
const STATE_MIN: u64 = 64 << 20;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number in the table, from 1.
    pub number: u32,
    /// Its unique GUID in lower case: the PARTUUID of kernel arguments.
    pub uuid: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is, in bytes.
    pub size: u64,
}

/// The four partitions of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The GUID of the disk, in lower case.
    pub disk: String,
    /// The EFI system partition.
    pub esp: Partition,
    /// Slot a and slot b.
    pub slots: [Partition; 2],
    /// What is mounted at /var.
    pub state: Partition,
}

impl Layout {
    /// The partition of a slot.
    #[must_use]
    pub fn slot(&self, slot: Slot) -> &Partition {
        &self.slots[slot.index()]
    }
}

/// How large the partitions of a new machine shall be, in bytes; state takes the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The EFI system partition.
    pub esp: u64,
    /// Each of the two slots.
    pub slot: u64,
}

/// Why a disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GptError {
    /// Reading or writing failed.
    #[error("{action} the partition table")]
    Io {
        /// Reading or writing.
        action: &'static str,
        /// How.
        #[source]
        source: io::Error,
    },
    /// No valid table.
    #[error("there is no valid partition table on it")]
    Table(#[source] gpt::GptError),
    /// A table without our partitions, or with others beside them.
    #[error("it is not a disk of ours: {0}")]
    Foreign(String),
    /// The disk holds something.
    #[error("the disk is not empty ({0}); --wipe installs on it nevertheless, and all of it is lost")]
    NotEmpty(&'static str),
    /// The disk is too small.
    #[error("the disk has {have} bytes, {need} are needed")]
    TooSmall {
        /// Its size.
        have: u64,
        /// What the layout takes.
        need: u64,
    },
}

/// Why a new table could not be written.
fn unwritten(error: gpt::GptError) -> GptError {
    match error {
        gpt::GptError::Io(source) => writing(source),
        other => writing(io::Error::other(other)),
    }
}

fn reading(source: io::Error) -> GptError {
    GptError::Io { action: "reading", source }
}

fn writing(source: io::Error) -> GptError {
    GptError::Io { action: "writing", source }
}

/// Reads the layout of an installed disk, from whichever copy of the table is whole.
///
/// # Errors
/// [`GptError::Foreign`] unless it is exactly ours and lies within the disk.
pub fn read(mut disk: impl Read + Write + Seek + std::fmt::Debug) -> Result<Layout, GptError> {
    let size = disk.seek(SeekFrom::End(0)).map_err(reading)?;
    check_entries(&mut disk, size)?;
    let table = gpt::GptConfig::new().writable(false).open_from_device(disk).map_err(GptError::Table)?;
    let used: Vec<_> = table.partitions().iter().filter(|(_, p)| p.is_used()).collect();
    let find = |name: &str| {
        let mut found = used.iter().filter(|(_, p)| p.name == name);
        let (number, p) = found.next().ok_or_else(|| GptError::Foreign(format!("no partition `{name}`")))?;
        if found.next().is_some() {
            return Err(GptError::Foreign(format!("two partitions `{name}`")));
        }
        let whole = p.first_lba <= p.last_lba && p.last_lba < size / SECTOR;
        if !whole {
            return Err(GptError::Foreign(format!("partition `{name}` lies outside the disk")));
        }
        Ok(Partition {
            number: **number,
            uuid: p.part_guid.to_string(),
            offset: p.first_lba * SECTOR,
            size: (p.last_lba - p.first_lba + 1) * SECTOR,
        })
    };
    Ok(Layout {
        disk: table.guid().to_string(),
        esp: find("esp")?,
        slots: [find(Slot::A.partition_name())?, find(Slot::B.partition_name())?],
        state: find("state")?,
    })
}

/// Refuses a disk that is not blank: its first and last MiB hold something.
///
/// Tables, and the superblocks of every common file system, volume manager and RAID, lie there.
///
/// # Errors
/// [`GptError::NotEmpty`] says what was recognised.
pub fn must_be_blank(disk: &mut (impl Read + Seek)) -> Result<(), GptError> {
    let size = disk.seek(SeekFrom::End(0)).map_err(reading)?;
    let mut buffer = vec![0; usize::try_from(MARGIN.min(size)).expect("at most 1 MiB")];
    for start in [0, size.saturating_sub(MARGIN)] {
        disk.seek(SeekFrom::Start(start)).map_err(reading)?;
        disk.read_exact(&mut buffer).map_err(reading)?;
        if buffer.iter().any(|byte| *byte != 0) {
            return Err(GptError::NotEmpty(recognise(&buffer)));
        }
    }
    Ok(())
}

fn recognise(start: &[u8]) -> &'static str {
    let has = |at: usize, magic: &[u8]| start.get(at..at + magic.len()) == Some(magic);
    match () {
        () if has(512, b"EFI PART") => "a GPT partition table",
        () if has(0x438, &[0x53, 0xef]) => "an ext file system",
        () if has(0, b"XFSB") => "an XFS file system",
        () if has(0x1_0040, b"_BHRfS_M") => "a btrfs file system",
        () if has(536, b"LVM2 001") => "an LVM volume",
        () if has(0, b"LUKS\xba\xbe") => "a LUKS volume",
        () if has(510, &[0x55, 0xaa]) => "a partition table or boot sector",
        () => "unknown data",
    }
}

/// Refuses a table whose entries crate gpt (4.1) would panic at, or take all memory for: others than 128 bytes each, and
/// more than there ever are. It takes the first header that is whole.
fn check_entries(disk: &mut (impl Read + Seek), size: u64) -> Result<(), GptError> {
    for at in [SECTOR, (size / SECTOR).saturating_sub(1) * SECTOR] {
        // Where the crate expects a header: in the second sector.
        let mut start = [0; 2 * SECTOR as usize];
        disk.seek(SeekFrom::Start(at)).map_err(reading)?;
        if disk.read_exact(&mut start[SECTOR as usize..]).is_err() {
            continue;
        }
        let header = read_header_from_arbitrary_device(&mut Cursor::new(start), LogicalBlockSize::Lb512);
        let Ok(header) = header else { continue };
        return match (header.part_size, header.num_parts) {
            (ENTRY, ..=ENTRIES) => Ok(()),
            (bytes, entries) => {
                Err(GptError::Foreign(format!("its table has {entries} entries of {bytes} bytes")))
            }
        };
    }
    Ok(())
}

/// Makes the table of a new machine. Before it, and durably by `sync`, both ends of the disk are zeroed, and where the
/// ESP will begin: an older one lies at the same place, and under a new table its loader would start again, with
/// entries for slots that are gone.
///
/// The table is not durable before the caller syncs.
///
/// # Errors
/// [`GptError::TooSmall`] before anything is written, or [`GptError::Io`].
pub fn create<D: Read + Write + Seek + std::fmt::Debug>(
    disk: &mut D,
    sizes: Sizes,
    sync: impl FnOnce(&mut D) -> io::Result<()>,
) -> Result<Layout, GptError> {
    let size = disk.seek(SeekFrom::End(0)).map_err(reading)?;
    let have = size / ALIGNMENT * ALIGNMENT;
    let need = 2 * MARGIN + sizes.esp + 2 * sizes.slot + STATE_MIN;
    if have < need {
        return Err(GptError::TooSmall { have, need });
    }
    let zeroes = vec![0; usize::try_from(MARGIN).expect("1 MiB")];
    for start in [0, MARGIN, size - MARGIN] {
        disk.seek(SeekFrom::Start(start)).map_err(writing)?;
        disk.write_all(&zeroes).map_err(writing)?;
    }
    sync(disk).map_err(writing)?;
    let state = have - 2 * MARGIN - sizes.esp - 2 * sizes.slot;
    let parts = [
        ("esp", sizes.esp, EFI),
        (Slot::A.partition_name(), sizes.slot, LINUX_FS),
        (Slot::B.partition_name(), sizes.slot, LINUX_FS),
        ("state", state, LINUX_FS),
    ];
    write_table(disk, &parts)?;
    read(disk)
}

fn write_table(
    disk: &mut (impl Read + Write + Seek + std::fmt::Debug),
    parts: &[(&str, u64, Type)],
) -> Result<(), GptError> {
    let sectors = disk.seek(SeekFrom::End(0)).map_err(reading)? / SECTOR;
    // The table never covers more than 32 bits of sectors in the protective record.
    let covered = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    let mbr = gpt::mbr::ProtectiveMBR::with_lb_size(covered);
    mbr.overwrite_lba0(disk).map_err(|e| writing(io::Error::other(e)))?;
    let config = gpt::GptConfig::new().writable(true).logical_block_size(LogicalBlockSize::Lb512);
    let mut table = config.create_from_device(&mut *disk, None).map_err(unwritten)?;
    let mut offset = MARGIN;
    for (number, (name, size, kind)) in (1..).zip(parts) {
        let (first, length) = (offset / SECTOR, size / SECTOR);
        table.add_partition_at(name, number, first, length, kind.clone(), 0).map_err(GptError::Table)?;
        offset += size.next_multiple_of(ALIGNMENT);
    }
    table.write().map_err(unwritten)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const SIZES: Sizes = Sizes { esp: 64 * MIB, slot: 100 * MIB };

    fn disk(size: u64) -> Cursor<Vec<u8>> {
        Cursor::new(vec![0; usize::try_from(size).unwrap()])
    }

    fn create(disk: &mut Cursor<Vec<u8>>, sizes: Sizes) -> Result<Layout, GptError> {
        super::create(disk, sizes, |_| Ok(()))
    }

    #[test]
    fn a_new_layout_is_read_back_and_fills_the_disk() {
        let mut disk = disk(400 * MIB + 12345);
        let layout = create(&mut disk, SIZES).unwrap();
        assert_eq!(read(&mut disk).unwrap(), layout);
        let offsets =
            [&layout.esp, layout.slot(Slot::A), layout.slot(Slot::B), &layout.state].map(|p| p.offset);
        assert_eq!(offsets, [MIB, 65 * MIB, 165 * MIB, 265 * MIB]);
        assert_eq!(layout.state.size, 134 * MIB);
        assert_eq!(layout.state.number, 4);
    }

    #[test]
    fn an_older_system_is_gone_durably_before_there_is_a_new_table() {
        // Of no whole number of MiB, as disks are: the backup of the older table lies in the rest.
        let mut used = disk(400 * MIB + 512 * 7);
        used.get_mut().fill(0x55);
        let mut cleared = None;
        let layout = super::create(&mut used, SIZES, |disk| {
            cleared = Some(disk.clone());
            Ok(())
        });
        let mut cleared = cleared.unwrap();
        must_be_blank(&mut cleared).unwrap();
        let esp = usize::try_from(layout.unwrap().esp.offset).unwrap();
        assert!(cleared.get_ref()[esp..].starts_with(&[0; 1 << 20]), "the loader of the older system");
        assert!(read(&mut cleared).is_err(), "no table yet");
        // What could not be made durable has no new table over it.
        let mut failing = disk(400 * MIB);
        let failed = super::create(&mut failing, SIZES, |_| Err(io::ErrorKind::Other.into()));
        assert!(matches!(failed, Err(GptError::Io { .. })));
        assert!(read(&mut failing).is_err());
    }

    #[test]
    fn the_backup_table_serves_when_the_first_is_torn() {
        let mut disk = disk(400 * MIB);
        let layout = create(&mut disk, SIZES).unwrap();
        disk.get_mut()[512..1024].fill(0);
        assert_eq!(read(&mut disk).unwrap(), layout);
    }

    #[test]
    fn only_a_blank_disk_is_blank() {
        let mut blank = disk(4 * MIB);
        assert!(must_be_blank(&mut blank).is_ok());
        for (at, magic, name) in [
            (512, &b"EFI PART"[..], "a GPT partition table"),
            (0x438, &[0x53, 0xef], "an ext file system"),
            (510, &[0x55, 0xaa], "a partition table or boot sector"),
            (700_000, b"x", "unknown data"),
            (4 * 1024 * 1024 - 1, b"x", "unknown data"),
        ] {
            let mut used = disk(4 * MIB);
            used.get_mut()[at..at + magic.len()].copy_from_slice(magic);
            assert!(matches!(must_be_blank(&mut used), Err(GptError::NotEmpty(n)) if n == name), "{name}");
        }
    }

    #[test]
    fn a_small_disk_is_refused_before_anything_is_written() {
        let mut small = disk(300 * MIB);
        assert!(matches!(create(&mut small, SIZES), Err(GptError::TooSmall { .. })));
        assert!(must_be_blank(&mut small).is_ok());
    }

    #[test]
    fn foreign_and_truncated_disks_are_refused() {
        let mut foreign = disk(100 * MIB);
        assert!(matches!(read(&mut foreign), Err(GptError::Table(_))));
        write_table(&mut foreign, &[("esp", 50 * MIB, EFI), ("home", 10 * MIB, LINUX_FS)]).unwrap();
        assert!(matches!(read(&mut foreign), Err(GptError::Foreign(_))));
        let mut cut = disk(400 * MIB);
        create(&mut cut, SIZES).unwrap();
        cut.get_mut().truncate(usize::try_from(200 * MIB).unwrap());
        assert!(matches!(read(&mut cut), Err(GptError::Foreign(_))));
    }

    /// Writes a field of both headers, with the check sum that then is right.
    fn set(disk: &mut Cursor<Vec<u8>>, at: usize, value: u32) {
        let last = disk.get_ref().len() / 512 * 512 - 512;
        for header in [512, last] {
            let header = &mut disk.get_mut()[header..header + 92];
            header[at..at + 4].copy_from_slice(&value.to_le_bytes());
            header[16..20].fill(0);
            let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            let crc =
                header.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)));
            header[16..20].copy_from_slice(&(!crc).to_le_bytes());
        }
    }

    #[test]
    fn entries_of_another_size_or_without_number_are_refused_and_nothing_panics() {
        let (count, size) = (80, 84);
        for (at, value, says) in [
            (size, 256, "its table has 128 entries of 256 bytes"),
            (size, u32::MAX, "its table has 128 entries of 4294967295 bytes"),
            (count, u32::MAX, "its table has 4294967295 entries of 128 bytes"),
        ] {
            let mut disk = disk(400 * MIB);
            create(&mut disk, SIZES).unwrap();
            set(&mut disk, at, value);
            assert!(matches!(read(&mut disk), Err(GptError::Foreign(text)) if text == says), "{says}");
        }
    }
}
