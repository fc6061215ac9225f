//! The EFI system partition: boot entries, kernels, initrds and the loader on a FAT32 volume.
//!
//! The volume is written through a cache of whole sectors, flushed in phases with a barrier after each:
//! a new file's content and allocation before its name, the loss of a name before anything it named is
//! given up. So whatever part of the sectors reaches the disk before a power cut, each name has its
//! bytes, and at worst there are lost clusters and pieces of names, which the next writing command
//! takes away. Nothing is renamed or overwritten. Not a general FAT implementation: the folders are
//! those it makes at install, and they never grow.

mod cache;
mod device;
mod error;
mod file;
mod folder;
mod format;
mod geometry;
mod tidy;
mod write;

use edeploy_format::boot::{self, BootFile, Choice, Efi, Entry, EntryError, EntryName, Found};
use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::slot::Slot;

pub use device::{BlockDevice, SECTOR, SyncId};
pub use error::EspError;

use cache::Cache;
use folder::{Folders, Node};
use geometry::Geometry;

/// Entries that can always still be written: so that rolling back never lacks room.
const RESERVED_ENTRIES: u64 = 4;
/// No entry is longer.
const ENTRY_LIMIT: u64 = 4096;

/// An entry of ours on the ESP.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name of its file.
    pub name: EntryName,
    /// Its text, or why that is none.
    pub entry: Result<Entry, EntryError>,
    /// Kernel and initrd are there, as long as their folder says; their content was not looked at.
    pub complete: bool,
}

impl Listed {
    /// The text, if the loader would boot it and find what it needs.
    #[must_use]
    pub fn whole(&self) -> Option<&Entry> {
        self.entry.as_ref().ok().filter(|_| self.complete)
    }

    /// Those of `all` that used up their tries and were not blessed. One that was blessed did not fail: a power cut may
    /// leave the entry of its last try beside the plain one.
    pub fn failed(all: &[Self]) -> impl Iterator<Item = &Self> {
        let blessed = |name: EntryName| all.iter().any(|l| l.name == name.blessed() && l.whole().is_some());
        all.iter().filter(move |l| l.name.exhausted() && !blessed(l.name))
    }
}

/// An ESP on a device.
pub struct Esp<D> {
    cache: Cache<D>,
    volume: Geometry,
    /// Clusters that are free, once this command has tidied up.
    free: Option<u64>,
}

impl<D: BlockDevice> Esp<D> {
    /// Makes a new, empty ESP.
    ///
    /// # Errors
    /// If the device is smaller than FAT32 can be (about 33 MiB) or fails.
    pub fn format(device: D, volume_id: u32) -> Result<Self, EspError> {
        let mut cache = Cache::new(device);
        let volume = format::format(&mut cache, volume_id)?;
        Ok(Self { cache, volume, free: None })
    }

    /// Opens an ESP; writes nothing.
    ///
    /// # Errors
    /// [`EspError::NotFat32`] if there is none.
    pub fn open(device: D) -> Result<Self, EspError> {
        let mut cache = Cache::new(device);
        let volume = Geometry::read(&mut cache)?;
        Ok(Self { cache, volume, free: None })
    }

    /// The entries of ours, the newest first.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn entries(&mut self) -> Result<Vec<Listed>, EspError> {
        let folders = self.folders()?;
        let mut listed = Vec::new();
        for node in &folders.find(boot::ENTRIES)?.nodes {
            let Ok(name) = node.name.parse() else { continue };
            let entry = Entry::parse(name, &self.conf(node)?);
            let mut complete = true;
            for digest in entry.iter().flat_map(Entry::objects) {
                let object = folders.find(boot::OBJECTS)?.find(&digest.to_string());
                let looks = object.map(|node| self.looks(node)).transpose()?;
                complete &= looks == Some(BootFile::Whole);
            }
            listed.push(Listed { name, entry, complete });
        }
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.name));
        Ok(listed)
    }

    /// The same, complete only with kernels and initrds that read back right.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn read_entries(&mut self) -> Result<Vec<Listed>, EspError> {
        let mut listed = self.entries()?;
        for one in &mut listed {
            for digest in one.entry.iter().flat_map(Entry::objects) {
                one.complete &= self.object(digest)? == BootFile::Whole;
            }
        }
        Ok(listed)
    }

    /// What the next boot takes; `None` if the loader finds nothing to boot.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn next_boot(&mut self, efi: &Efi) -> Result<Option<Choice>, EspError> {
        let folders = self.folders()?;
        let mut states = Vec::new();
        for folder in &folders.0 {
            for node in folder.nodes.iter().filter(|node| !node.is_folder) {
                let path = format!("{}/{}", folder.path, node.name).to_lowercase();
                states.push((path, self.looks(node)?));
            }
        }
        let state = |path: &str| {
            let path = path.to_lowercase();
            let found = states.iter().find(|(known, _)| known.trim_start_matches('/') == path);
            found.map_or(BootFile::Missing, |(_, state)| *state)
        };
        let confs = self.confs()?;
        let found: Vec<Found<'_>> = confs.iter().map(|(file, text)| Found { file, text }).collect();
        Ok(boot::choose(&found, efi, state))
    }

    /// All files of the folder of entries, ours or not, by name and content.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn confs(&mut self) -> Result<Vec<(String, Vec<u8>)>, EspError> {
        let folders = self.folders()?;
        let files = folders.find(boot::ENTRIES)?.nodes.iter().filter(|node| !node.is_folder);
        files.map(|node| Ok((node.name.clone(), self.conf(node)?))).collect()
    }

    /// Is the kernel or initrd `digest` there, and right? Reads all of it.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn object(&mut self, digest: Digest) -> Result<BootFile, EspError> {
        let folders = self.folders()?;
        let name = digest.to_string();
        let Some(node) = folders.find(boot::OBJECTS)?.find(&name) else { return Ok(BootFile::Missing) };
        if self.looks(node)? != BootFile::Whole {
            return Ok(BootFile::Damaged);
        }
        let mut hasher = Hasher::new();
        file::read(&mut self.cache, &format!("{}/{name}", boot::OBJECTS), |piece| hasher.update(piece))?;
        Ok(if hasher.finish() == digest { BootFile::Whole } else { BootFile::Damaged })
    }

    /// Would `objects` (digest, length) fit, once the entries of `closing` and what they alone name are
    /// gone? And may they be written: is one that an entry names which stays not damaged? It would have to go first,
    /// and until it is there again nothing might boot. Changes nothing.
    ///
    /// # Errors
    /// [`EspError::NoSpace`] or [`EspError::Rotten`] if not.
    pub fn check_room(&mut self, closing: Slot, objects: &[(Digest, u64)]) -> Result<(), EspError> {
        let folders = self.folders()?;
        let closes = |node: &Node| node.name.parse().is_ok_and(|name: EntryName| name.slot == closing);
        let mut named = Vec::new();
        for node in folders.find(boot::ENTRIES)?.nodes.iter().filter(|node| !closes(node)) {
            named.extend(objects_in(&self.conf(node)?));
        }
        for &(digest, _) in objects {
            if named.contains(&digest.to_string()) && self.object(digest)? == BootFile::Damaged {
                return Err(EspError::Rotten { object: digest });
            }
        }
        named.extend(objects.iter().map(|(digest, _)| digest.to_string()));
        let reached = tidy::reached(&mut self.cache, &self.volume, &folders, |folder, node| {
            match folder.path.as_str() {
                boot::ENTRIES => !closes(node),
                boot::OBJECTS => named.contains(&node.name),
                _ => true,
            }
        })?;
        let free = u64::from(self.volume.clusters) - reached.iter().filter(|owned| **owned).count() as u64;
        let there = folders.find(boot::OBJECTS)?;
        let missing = objects.iter().filter(|(digest, _)| there.find(&digest.to_string()).is_none());
        self.must_fit(missing.map(|(_, length)| self.volume.clusters_for(*length)).sum(), free)
    }

    /// Fails unless `need` of the `free` clusters may be taken.
    fn must_fit(&self, need: u64, free: u64) -> Result<(), EspError> {
        let reserve = RESERVED_ENTRIES * self.volume.clusters_for(ENTRY_LIMIT);
        let (have, bytes) = (free.saturating_sub(reserve), self.volume.cluster_bytes());
        if need <= have {
            return Ok(());
        }
        Err(EspError::NoSpace { need: need * bytes, have: have * bytes })
    }

    fn folders(&mut self) -> Result<Folders, EspError> {
        Folders::read(&mut self.cache, &self.volume)
    }

    /// The content of a file in the folder of entries; nothing of one that is too long for an entry.
    fn conf(&mut self, node: &Node) -> Result<Vec<u8>, EspError> {
        let mut content = Vec::new();
        if self.looks(node)? == BootFile::Whole && u64::from(node.size) <= ENTRY_LIMIT {
            let path = format!("{}/{}", boot::ENTRIES, node.name);
            file::read(&mut self.cache, &path, |piece| content.extend_from_slice(piece))?;
        }
        Ok(content)
    }

    /// What a file is, as far as its folder and the allocation say.
    fn looks(&mut self, node: &Node) -> Result<BootFile, EspError> {
        let clusters = self.volume.chain(&mut self.cache, node.first)?.len() as u64;
        let sound = clusters >= self.volume.clusters_for(node.size.into()) && node.size > 0;
        Ok(if sound { BootFile::Whole } else { BootFile::Damaged })
    }
}

/// The names of all objects that a text, whole or not, speaks of.
fn objects_in(conf: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(conf).into_owned();
    let words = text.split(|c: char| !c.is_ascii_hexdigit());
    words.filter(|word| word.parse::<Digest>().is_ok()).map(str::to_owned).collect()
}
