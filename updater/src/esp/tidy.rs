//! What a power cut may leave, taken away: pieces of names, and clusters that nothing names.
//!
//! Names go first, durably; then the allocation is swept: every cluster that no folder reaches is
//! free. So a cluster that two names share (a loader's rename, cut) is never freed under one of them.

use super::EspError;
use super::cache::Cache;
use super::device::{BlockDevice, SECTOR, SyncId};
use super::folder::{Folder, Folders, Node, Place, delete};
use super::geometry::{BAD, FIRST_CLUSTER, Geometry, PER_SECTOR, VALUE};

/// Where the information sector counts free clusters.
const FREE_COUNT: usize = 488;

/// Deletes names: gone durably when this returns, their clusters free.
pub(super) fn delete_durably<'a, D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    places: impl IntoIterator<Item = &'a Place>,
) -> Result<u64, EspError> {
    delete(cache, places)?;
    cache.flush_where(|_| true).map_err(EspError::writing("a folder"))?;
    cache.sync(SyncId::EspGone).map_err(EspError::writing("a folder"))?;
    sweep(cache, volume)
}

/// Frees what no folder reaches, makes the tables equal and the count of free clusters right, and says
/// in the table that the volume is in order.
///
/// Returns that count. No promise needs it durable: until it is there are lost clusters. But the next command may
/// have another loop device over the same image, and would not see what waits in the pages of this one.
pub(super) fn sweep<D: BlockDevice>(cache: &mut Cache<D>, volume: &Geometry) -> Result<u64, EspError> {
    let folders = Folders::read(cache, volume)?;
    let reached = reached(cache, volume, &folders, |_, _| true)?;
    let table = EspError::reading("the allocation table");
    let mut free = 0;
    for n in 0..volume.table_sectors {
        let number = volume.reserved + n;
        let before = *cache.sector(number).map_err(&table)?;
        let first = u32::try_from(n).expect("a table has 32-bit indexes") * PER_SECTOR;
        let (now, freed) = sweep_sector(volume, &reached, first, &before);
        free += freed;
        for copy in 0..volume.tables {
            let number = number + copy * volume.table_sectors;
            if *cache.sector(number).map_err(&table)? != now {
                cache.change(number, |sector| *sector = now).map_err(&table)?;
            }
        }
    }
    let count = u32::try_from(free).expect("at most all clusters").to_le_bytes();
    cache
        .change(volume.info, |sector| sector[FREE_COUNT..FREE_COUNT + 4].copy_from_slice(&count))
        .and_then(|()| cache.settle())
        .map_err(EspError::writing("the allocation table"))?;
    Ok(free)
}

/// The byte and bit of the table, in what would be cluster 1, that say that the volume was left in order.
const CLEAN: (usize, u8) = (7, 0x08);

/// For each cluster: does a folder own it, or something of a folder that `stays`?
pub(super) fn reached<D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    folders: &Folders,
    stays: impl Fn(&Folder, &Node) -> bool,
) -> Result<Vec<bool>, EspError> {
    let mut reached = vec![false; (volume.clusters + FIRST_CLUSTER) as usize];
    let nodes = folders.0.iter().flat_map(|folder| folder.nodes.iter().map(move |node| (folder, node)));
    let staying = nodes.filter(|(folder, node)| node.is_folder || stays(folder, node));
    for first in staying.map(|(_, node)| node.first).chain([volume.root]) {
        for cluster in volume.chain(cache, first)? {
            reached[cluster as usize] = true;
        }
    }
    Ok(reached)
}

/// The sector of the table from cluster `first` on, swept, and how many of its clusters are free.
fn sweep_sector(
    volume: &Geometry,
    reached: &[bool],
    first: u32,
    before: &[u8; SECTOR],
) -> ([u8; SECTOR], u64) {
    let end = volume.clusters + FIRST_CLUSTER;
    if first >= FIRST_CLUSTER && *before == [0; SECTOR] {
        return (*before, u64::from(end.saturating_sub(first).min(PER_SECTOR)));
    }
    let (mut now, mut free) = (*before, 0);
    if first == 0 {
        // A loader that was cut while it counted a try leaves the mark of an unclean shutdown.
        now[CLEAN.0] |= CLEAN.1;
    }
    for (cluster, value) in (first..end).zip(now.as_chunks_mut::<4>().0) {
        let old = u32::from_le_bytes(*value) & VALUE;
        let lost = volume.exists(cluster) && old != BAD && !reached[cluster as usize];
        if lost && old != 0 {
            *value = [0; 4];
        }
        free += u64::from(lost);
    }
    (now, free)
}
