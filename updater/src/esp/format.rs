//! Makes the file system of an ESP, with the folders it will ever have.
//!
//! FAT32 always: firmware must read it, and clusters of 4 KiB where the volume is large enough for
//! them (a FAT32 volume has at least 65525 clusters). The folders are written here, slot by slot, as
//! those that fatfs 0.3.6 makes have wrong `.` and `..`; they are long enough never to grow.

use fatfs::{FatType, FormatVolumeOptions};

use super::EspError;
use super::cache::Cache;
use super::device::{BlockDevice, SECTOR, SyncId};
use super::folder::SLOT;
use super::geometry::{END_OF_CHAIN, Geometry, PER_SECTOR};

/// Each folder and its parent: the index of one before it, or none for the root.
const FOLDERS: [(&[u8; 11], u8, Option<usize>); 5] = [
    (b"EFI        ", UPPER, None),
    (b"BOOT       ", UPPER, Some(0)),
    (b"LOADER     ", LOWER, None),
    (b"ENTRIES    ", LOWER, Some(2)),
    (b"EDEPLOY    ", LOWER, None),
];
const UPPER: u8 = 0;
/// The boot sector, which says that there is a file system.
const BOOT: u64 = 0;
/// The short name is meant in lower case.
const LOWER: u8 = 0x08;
/// Bytes of each folder: 256 slots, of which an entry takes three or four and an object six.
const FOLDER_BYTES: u64 = 8192;
/// The first day of FAT's calendar: times on the ESP say nothing, so that equal content is equal.
const DATE: [u8; 2] = [0x21, 0];

/// Makes an empty file system. An older one is gone durably before any of it is overwritten, and the new
/// one is there only as a whole: without its boot sector, the last to be written, there is none.
pub(super) fn format<D: BlockDevice>(cache: &mut Cache<D>, volume_id: u32) -> Result<Geometry, EspError> {
    let writing = EspError::writing("a new file system");
    let sectors = cache.sectors();
    let per_cluster = per_cluster(sectors).ok_or(EspError::TooSmall { sectors })?;
    erase(cache).map_err(&writing)?;
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(per_cluster * SECTOR as u32)
        .volume_id(volume_id)
        .volume_label(*b"ESP        ");
    fatfs::format_volume(&mut *cache, options).map_err(&writing)?;
    let volume = Geometry::read(cache)?;
    make_folders(cache, &volume).map_err(&writing)?;
    cache.flush_where(|number| number != BOOT).map_err(&writing)?;
    cache.sync(SyncId::EspContent).map_err(&writing)?;
    cache.flush_where(|_| true).map_err(&writing)?;
    cache.sync(SyncId::EspName).map_err(&writing)?;
    Ok(volume)
}

fn erase<D: BlockDevice>(cache: &mut Cache<D>) -> std::io::Result<()> {
    cache.change(BOOT, |sector| sector.fill(0))?;
    cache.flush_where(|_| true)?;
    cache.sync(SyncId::EspGone)
}

/// Sectors of the largest cluster, up to 4 KiB, with which the volume is FAT32.
fn per_cluster(sectors: u64) -> Option<u32> {
    [8, 4, 2, 1].into_iter().find(|&per| {
        let table = (sectors / u64::from(per) + 2).div_ceil(u64::from(PER_SECTOR));
        sectors.saturating_sub(8 + 2 * table) / u64::from(per) >= 65525
    })
}

fn make_folders<D: BlockDevice>(cache: &mut Cache<D>, volume: &Geometry) -> std::io::Result<()> {
    let length = u32::try_from(volume.clusters_for(FOLDER_BYTES)).expect("a few clusters");
    let first = |folder: usize| volume.root + 1 + u32::try_from(folder).expect("one of five") * length;
    for (n, (name, case, parent)) in FOLDERS.iter().enumerate() {
        for cluster in first(n)..first(n) + length {
            let next = if cluster + 1 < first(n) + length { cluster + 1 } else { END_OF_CHAIN | 7 };
            set_value(cache, volume, cluster, next)?;
            for number in volume.sectors_of(cluster) {
                cache.change(number, |sector| sector.fill(0))?;
            }
        }
        let own = volume.sectors_of(first(n)).start;
        put_slot(cache, own, 0, slot(b".          ", 0, first(n)))?;
        // The root is called cluster 0 here, wherever it is.
        put_slot(cache, own, 1, slot(b"..         ", 0, parent.map_or(0, first)))?;
        let above = volume.sectors_of(parent.map_or(volume.root, first)).start;
        // Behind the label in the root, behind `.` and `..` elsewhere, and behind its elder siblings.
        let elders = FOLDERS[..n].iter().filter(|(_, _, other)| other == parent).count();
        put_slot(cache, above, elders + if parent.is_some() { 2 } else { 1 }, slot(name, *case, first(n)))?;
    }
    Ok(())
}

fn slot(name: &[u8; 11], case: u8, cluster: u32) -> [u8; SLOT] {
    let [low, next, high, highest] = cluster.to_le_bytes();
    let mut slot = [0; SLOT];
    slot[..11].copy_from_slice(name);
    slot[11] = 0x10;
    slot[12] = case;
    for date in [16, 18, 24] {
        slot[date..date + 2].copy_from_slice(&DATE);
    }
    slot[20..22].copy_from_slice(&[high, highest]);
    slot[26..28].copy_from_slice(&[low, next]);
    slot
}

fn put_slot<D: BlockDevice>(
    cache: &mut Cache<D>,
    sector: u64,
    index: usize,
    slot: [u8; SLOT],
) -> std::io::Result<()> {
    cache.change(sector, |bytes| bytes[index * SLOT..][..SLOT].copy_from_slice(&slot))
}

fn set_value<D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    cluster: u32,
    value: u32,
) -> std::io::Result<()> {
    let at = (cluster % PER_SECTOR) as usize * 4;
    for copy in 0..volume.tables {
        let number = volume.reserved + copy * volume.table_sectors + u64::from(cluster / PER_SECTOR);
        cache.change(number, |sector| sector[at..at + 4].copy_from_slice(&value.to_le_bytes()))?;
    }
    Ok(())
}
