//! The folders of a volume, read raw: every slot of 32 bytes, so that what a power cut left of a name
//! is seen, and a name can be deleted without touching the allocation.
//!
//! Source: Microsoft's "FAT: General Overview of On-Disk Format", 1.03. Depth and number of folders
//! are bounded by the volume: each cluster is visited once.

use std::collections::BTreeSet;

use super::EspError;
use super::cache::{Cache, Streams};
use super::device::{BlockDevice, SECTOR};
use super::geometry::Geometry;

/// Bytes of a slot.
pub(super) const SLOT: usize = 32;
const DELETED: u8 = 0xe5;
const END: u8 = 0;
const LONG_NAME: u8 = 0x0f;
const VOLUME: u8 = 0x08;
const FOLDER: u8 = 0x10;
/// UTF-16 units in a slot of a long name, and where they are.
const UNITS: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// One slot of a folder: its sector and the offset in it.
pub(super) type Place = (u64, usize);

/// A file or folder.
pub(super) struct Node {
    /// Its long name, or its short one in lower case where it has no long one.
    pub(super) name: String,
    /// Every slot of the name.
    pub(super) places: Vec<Place>,
    pub(super) first: u32,
    pub(super) size: u32,
    pub(super) is_folder: bool,
    pub(super) is_long: bool,
}

/// A folder and what is in it.
pub(super) struct Folder {
    /// Names from the root on, with slashes between them; the root is empty.
    pub(super) path: String,
    pub(super) nodes: Vec<Node>,
    /// Pieces of long names that belong to no file, and slots behind the end.
    pub(super) orphans: Vec<Place>,
    clusters: Vec<u32>,
    /// The longest run of free slots.
    room: usize,
}

impl Folder {
    /// The member called `name`, whatever the case: FAT knows none.
    pub(super) fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(name))
    }

    /// Is there room for a long name? A folder is never made longer: that needs one more barrier.
    pub(super) fn has_room_for(&self, name: &str) -> bool {
        self.room > name.encode_utf16().count().div_ceil(UNITS.len())
    }
}

/// All folders of a volume, the root first.
pub(super) struct Folders(pub(super) Vec<Folder>);

impl Folders {
    pub(super) fn read<D: BlockDevice>(cache: &mut Cache<D>, volume: &Geometry) -> Result<Self, EspError> {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![(String::new(), volume.root)];
        let mut folders = Vec::new();
        while let Some((path, first)) = waiting.pop() {
            let clusters = volume.chain(cache, first)?;
            if clusters.is_empty() || clusters.iter().any(|cluster| !seen.insert(*cluster)) {
                return Err(EspError::Damaged { what: format!("the folder /{path}") });
            }
            let folder = read_folder(cache, volume, path, clusters)?;
            let parent = |name: &str| match folder.path.as_str() {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            let below = folder.nodes.iter().filter(|node| node.is_folder);
            waiting.extend(below.map(|node| (parent(&node.name), node.first)));
            folders.push(folder);
        }
        Ok(Self(folders))
    }

    pub(super) fn find(&self, path: &str) -> Result<&Folder, EspError> {
        let missing = || EspError::Damaged { what: format!("the folder /{path} (it is not there)") };
        self.0.iter().find(|folder| folder.path.eq_ignore_ascii_case(path)).ok_or_else(missing)
    }

    /// What may be written at any time while a new file is made: all content but that of folders.
    pub(super) fn streams(&self, volume: &Geometry) -> Streams {
        let clusters = self.0.iter().flat_map(|folder| &folder.clusters);
        let folders = clusters.flat_map(|cluster| volume.sectors_of(*cluster)).collect();
        Streams { first: volume.content(), folders }
    }
}

/// Deletes names: marks their slots, and nothing else.
pub(super) fn delete<'a, D: BlockDevice>(
    cache: &mut Cache<D>,
    places: impl IntoIterator<Item = &'a Place>,
) -> Result<(), EspError> {
    for &(number, at) in places {
        cache.change(number, |sector| sector[at] = DELETED).map_err(EspError::reading("a folder"))?;
    }
    Ok(())
}

fn read_folder<D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    path: String,
    clusters: Vec<u32>,
) -> Result<Folder, EspError> {
    let mut folder = Folder { path, nodes: Vec::new(), orphans: Vec::new(), clusters, room: 0 };
    let mut name = LongName::default();
    let (mut free, mut ended) = (0, false);
    let sectors: Vec<u64> = folder.clusters.iter().flat_map(|cluster| volume.sectors_of(*cluster)).collect();
    for number in sectors {
        let sector = *cache.sector(number).map_err(EspError::reading("a folder"))?;
        if ended && sector == [0; SECTOR] {
            free += SECTOR / SLOT;
            folder.room = folder.room.max(free);
            continue;
        }
        for (n, slot) in sector.as_chunks::<SLOT>().0.iter().enumerate() {
            let place = (number, n * SLOT);
            ended |= slot[0] == END;
            if ended || slot[0] == DELETED {
                folder.orphans.extend(name.reset());
                // Behind the end nothing counts, until a new name moves the end: then it would.
                folder.orphans.extend((slot[0] != END && slot[0] != DELETED).then_some(place));
                free += 1;
                folder.room = folder.room.max(free);
                continue;
            }
            free = 0;
            if slot[11] & 0x3f == LONG_NAME {
                folder.orphans.extend(name.add(slot, place));
                continue;
            }
            let long = name.finish(slot);
            folder.orphans.extend(name.reset());
            if slot[11] & VOLUME == 0 && slot[0] != b'.' {
                folder.nodes.push(node(slot, place, long));
            }
        }
    }
    folder.orphans.extend(name.reset());
    Ok(folder)
}

fn node(slot: &[u8; SLOT], place: Place, long: Option<(String, Vec<Place>)>) -> Node {
    let short = |at: usize| u32::from(slot[at]) | u32::from(slot[at + 1]) << 8;
    let is_long = long.is_some();
    let (name, mut places) = long.unwrap_or_else(|| (short_name(slot), Vec::new()));
    places.push(place);
    Node {
        name,
        places,
        first: short(26) | short(20) << 16,
        size: short(28) | short(30) << 16,
        is_folder: slot[11] & FOLDER != 0,
        is_long,
    }
}

fn short_name(slot: &[u8; SLOT]) -> String {
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_lowercase();
    match (part(&slot[..8]), part(&slot[8..11])) {
        (name, extension) if extension.is_empty() => name,
        (name, extension) => format!("{name}.{extension}"),
    }
}

/// The pieces of a long name that came so far: they lie before the short one, the last piece first.
#[derive(Default)]
struct LongName {
    places: Vec<Place>,
    units: Vec<u16>,
    checksum: u8,
    /// The number of the piece that must come next.
    expected: u8,
}

impl LongName {
    /// Takes a piece; returns the places of those that turned out to belong to nothing.
    fn add(&mut self, slot: &[u8; SLOT], place: Place) -> Vec<Place> {
        let (last, number) = (slot[0] & 0x40 != 0, slot[0] & 0x3f);
        let follows = !last && number == self.expected && slot[13] == self.checksum;
        let mut orphans = if follows { Vec::new() } else { self.reset() };
        if !(last || follows) || number == 0 {
            orphans.push(place);
            return orphans;
        }
        if last {
            self.units.clear();
            self.checksum = slot[13];
        }
        self.units.splice(0..0, UNITS.map(|at| u16::from_le_bytes([slot[at], slot[at + 1]])));
        self.expected = number - 1;
        self.places.push(place);
        orphans
    }

    /// Begins anew; what came so far belongs to nothing.
    fn reset(&mut self) -> Vec<Place> {
        self.expected = 0;
        std::mem::take(&mut self.places)
    }

    /// The name, if it is whole and belongs to this short one.
    fn finish(&mut self, slot: &[u8; SLOT]) -> Option<(String, Vec<Place>)> {
        let checksum = slot[..11].iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        if self.places.is_empty() || self.expected != 0 || checksum != self.checksum {
            return None;
        }
        let length = self.units.iter().position(|unit| *unit == 0).unwrap_or(self.units.len());
        Some((String::from_utf16_lossy(&self.units[..length]), std::mem::take(&mut self.places)))
    }
}
