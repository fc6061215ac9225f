//! Where things lie on a FAT32 volume, read from its boot sector and checked before it is trusted.
//!
//! Source: Microsoft's "FAT: General Overview of On-Disk Format", 1.03. Only what we format ourselves
//! and what other ESPs have is taken: FAT32, 512-byte sectors, mirrored tables.

use super::EspError;
use super::cache::Cache;
use super::device::{BlockDevice, SECTOR};

/// The first cluster that holds content; 0 and 1 do not exist.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// From here on a table's value ends a chain.
pub(super) const END_OF_CHAIN: u32 = 0x0fff_fff8;
/// The upper four bits of a table's value are not part of it.
pub(super) const VALUE: u32 = 0x0fff_ffff;
/// A cluster that cannot be used.
pub(super) const BAD: u32 = 0x0fff_fff7;
/// Table values in a sector.
pub(super) const PER_SECTOR: u32 = 128;

/// The measures of a volume, in sectors and clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) reserved: u64,
    pub(super) tables: u64,
    pub(super) table_sectors: u64,
    pub(super) per_cluster: u64,
    /// Clusters that exist: `FIRST_CLUSTER..FIRST_CLUSTER + clusters`.
    pub(super) clusters: u32,
    pub(super) root: u32,
    pub(super) info: u64,
}

impl Geometry {
    pub(super) fn read<D: BlockDevice>(cache: &mut Cache<D>) -> Result<Self, EspError> {
        let sectors = cache.sectors();
        let boot = *cache.sector(0).map_err(EspError::reading("the boot sector"))?;
        let byte = |at: usize| u64::from(boot[at]);
        let short = |at: usize| byte(at) | byte(at + 1) << 8;
        let long = |at: usize| short(at) | short(at + 2) << 16;
        let known = boot[510..] == [0x55, 0xaa]
            && short(11) == SECTOR as u64
            && boot[13].is_power_of_two()
            && (1..=2).contains(&boot[16])
            && [short(17), short(19), short(22), short(40), short(42)] == [0; 5];
        if !known {
            return Err(EspError::NotFat32);
        }
        let (reserved, tables, table_sectors) = (short(14), byte(16), long(36));
        let first_content = reserved + tables * table_sectors;
        let content = long(32).checked_sub(first_content).ok_or(EspError::NotFat32)?;
        let clusters = u32::try_from(content / byte(13)).expect("from 32 bits");
        let volume = Self {
            reserved,
            tables,
            table_sectors,
            per_cluster: byte(13),
            clusters,
            root: u32::try_from(long(44)).expect("32 bits"),
            info: short(48),
        };
        let sound = long(32) <= sectors
            && (65525..BAD - FIRST_CLUSTER).contains(&clusters)
            && table_sectors * u64::from(PER_SECTOR) >= u64::from(clusters + FIRST_CLUSTER)
            && (1..reserved).contains(&volume.info)
            && volume.exists(volume.root);
        if sound { Ok(volume) } else { Err(EspError::NotFat32) }
    }

    /// Is `cluster` one that holds content?
    pub(super) fn exists(&self, cluster: u32) -> bool {
        cluster >= FIRST_CLUSTER && cluster - FIRST_CLUSTER < self.clusters
    }

    /// The first sector of the content of all clusters.
    pub(super) fn content(&self) -> u64 {
        self.reserved + self.tables * self.table_sectors
    }

    /// The sectors of a cluster that exists.
    pub(super) fn sectors_of(&self, cluster: u32) -> std::ops::Range<u64> {
        let first = self.content() + u64::from(cluster - FIRST_CLUSTER) * self.per_cluster;
        first..first + self.per_cluster
    }

    pub(super) fn cluster_bytes(&self) -> u64 {
        self.per_cluster * SECTOR as u64
    }

    /// The clusters that `bytes` take.
    pub(super) fn clusters_for(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.cluster_bytes())
    }

    /// What the first table says about `cluster`.
    pub(super) fn value<D: BlockDevice>(&self, cache: &mut Cache<D>, cluster: u32) -> Result<u32, EspError> {
        let at = usize::try_from(cluster % PER_SECTOR).expect("below 128");
        let number = self.reserved + u64::from(cluster / PER_SECTOR);
        let sector = cache.sector(number).map_err(EspError::reading("the allocation table"))?;
        let (values, _) = sector.as_chunks();
        Ok(u32::from_le_bytes(values[at]) & VALUE)
    }

    /// The clusters of a chain, as far as it is sound: it ends at a cluster that is free, bad, outside
    /// of the volume or, when the chain is longer than the volume, anywhere.
    pub(super) fn chain<D: BlockDevice>(
        &self,
        cache: &mut Cache<D>,
        first: u32,
    ) -> Result<Vec<u32>, EspError> {
        let mut chain = Vec::new();
        let mut next = first;
        while self.exists(next) && chain.len() < self.clusters as usize {
            chain.push(next);
            next = self.value(cache, next)?;
        }
        Ok(chain)
    }
}
