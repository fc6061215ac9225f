//! The commands that change the ESP. Each tidies up first, and is durable when it returns.

use std::io::Read;

use edeploy_format::boot::{self, BootFile, Entry, EntryName};
use edeploy_format::digest::Digest;

use super::device::{BlockDevice, SyncId};
use super::folder::{Folder, Node, Place};
use super::{Esp, EspError, file, objects_in, tidy};

/// Where firmware looks for a loader when no variable names one: so nothing depends on variables.
const LOADER_FOLDER: &str = "EFI/BOOT";
/// By UEFI's rule for removable media. A tree is only ever installed by a program of its architecture.
const LOADER: &str = loader(cfg!(target_arch = "aarch64"));
const CONFIG_FOLDER: &str = "loader";
const CONFIG: &str = "loader.conf";
/// No default is named, as it would override the counters; nothing is changed or tried by hand.
const CONFIG_TEXT: &str = "timeout 0\neditor no\nauto-entries no\nauto-firmware no\nrandom-seed-mode off\n";

const fn loader(arm64: bool) -> &'static str {
    if arm64 { "BOOTAA64.EFI" } else { "BOOTX64.EFI" }
}

impl<D: BlockDevice> Esp<D> {
    /// Makes durable what an earlier run, killed before its barrier, may have left in memory only: so
    /// that what is seen from here on is on the disk.
    ///
    /// # Errors
    /// If the device fails.
    pub fn settle(&mut self) -> Result<(), EspError> {
        self.cache.sync(SyncId::EspSettled).map_err(EspError::writing("what was left to write"))
    }

    /// Puts the configuration and, last, the loader where firmware finds them. A loader that is there stays, of
    /// whatever version: in its place there would be none for a while.
    ///
    /// # Errors
    /// If it does not fit or does not read back.
    pub fn install_loader(&mut self, loader: &[u8]) -> Result<(), EspError> {
        self.put_file(CONFIG_FOLDER, CONFIG, CONFIG_TEXT.as_bytes())?;
        if self.has_loader()? { Ok(()) } else { self.put_file(LOADER_FOLDER, LOADER, loader) }
    }

    /// Is there a loader for firmware to start? It may be of another version than any slot's, so that it is only
    /// asked to be a whole program.
    ///
    /// # Errors
    /// If the device fails or the folders are damaged.
    pub fn has_loader(&mut self) -> Result<bool, EspError> {
        Ok(self.content(LOADER_FOLDER, LOADER)?.starts_with(b"MZ"))
    }

    /// Is the loader's configuration as it must be?
    ///
    /// # Errors
    /// As for [`Self::has_loader`].
    pub fn has_configuration(&mut self) -> Result<bool, EspError> {
        self.reads_back(CONFIG_FOLDER, CONFIG, CONFIG_TEXT.as_bytes())
    }

    /// Puts a kernel or initrd under its digest; nothing is written if it is there and reads back right.
    ///
    /// # Errors
    /// [`EspError::NoSpace`], [`EspError::Content`] if `content` is another one, or
    /// [`EspError::ReadBack`]; no name is left of it then.
    pub fn put(&mut self, digest: Digest, length: u64, content: &mut dyn Read) -> Result<(), EspError> {
        let name = digest.to_string();
        match self.object(digest)? {
            BootFile::Whole => return Ok(()),
            BootFile::Damaged => self.delete(boot::OBJECTS, |node| node.name == name)?,
            BootFile::Missing => {}
        }
        let free = self.tidy()?;
        self.must_fit(self.volume.clusters_for(length), free)?;
        self.create(boot::OBJECTS, &name, content, |found| {
            if found == digest { Ok(()) } else { Err(EspError::Content { expected: digest, found }) }
        })?;
        match self.object(digest)? {
            BootFile::Whole => Ok(()),
            BootFile::Missing | BootFile::Damaged => Err(EspError::ReadBack { what: name }),
        }
    }

    /// Writes an entry whose kernel and initrd are there and right.
    ///
    /// # Errors
    /// [`EspError::Incomplete`] if they are not, or [`EspError::ReadBack`].
    pub fn write_entry(&mut self, name: EntryName, entry: &Entry) -> Result<(), EspError> {
        for object in entry.objects() {
            if self.object(object)? != BootFile::Whole {
                return Err(EspError::Incomplete { name, object });
            }
        }
        self.put_file(boot::ENTRIES, &name.to_string(), entry.to_string().as_bytes())
    }

    /// Deletes entries: gone durably when this returns.
    ///
    /// # Errors
    /// If the device fails; some may be gone then.
    pub fn delete_entries(&mut self, names: &[EntryName]) -> Result<(), EspError> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.delete(boot::ENTRIES, |node| names.contains(&node.name))
    }

    /// Deletes the kernels and initrds that no entry names, but for those to `keep`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn prune(&mut self, keep: &[Digest]) -> Result<(), EspError> {
        let mut named: Vec<String> = keep.iter().map(ToString::to_string).collect();
        named.extend(self.confs()?.iter().flat_map(|(_, text)| objects_in(text)));
        self.delete(boot::OBJECTS, |node| !node.is_folder && !named.contains(&node.name))
    }

    /// Takes away what a power cut left; returns the free clusters. Once for each opened ESP.
    fn tidy(&mut self) -> Result<u64, EspError> {
        if let Some(free) = self.free {
            return Ok(free);
        }
        let folders = self.folders()?;
        let leftovers = |folder: &Folder| {
            let ours = [boot::ENTRIES, boot::OBJECTS].contains(&folder.path.as_str());
            // Every name of ours is a long one, so a short one is what a cut left of it.
            let strays = folder.nodes.iter().filter(move |node| ours && !node.is_long);
            strays.flat_map(|node| node.places.clone()).chain(folder.orphans.clone()).collect::<Vec<Place>>()
        };
        let places: Vec<Place> = folders.0.iter().flat_map(leftovers).collect();
        let free = match places.as_slice() {
            [] => tidy::sweep(&mut self.cache, &self.volume),
            places => tidy::delete_durably(&mut self.cache, &self.volume, places),
        };
        self.done(free)
    }

    /// Deletes from `folder` what is `chosen`.
    fn delete(&mut self, folder: &str, chosen: impl Fn(&Node) -> bool) -> Result<(), EspError> {
        self.tidy()?;
        let folders = self.folders()?;
        let nodes = folders.find(folder)?.nodes.iter().filter(|node| chosen(node));
        let places: Vec<Place> = nodes.flat_map(|node| node.places.clone()).collect();
        if places.is_empty() {
            return Ok(());
        }
        let free = tidy::delete_durably(&mut self.cache, &self.volume, &places);
        self.done(free)?;
        match self.folders()?.find(folder)?.nodes.iter().find(|node| chosen(node)) {
            None => Ok(()),
            Some(node) => Err(EspError::ReadBack { what: format!("the deletion of {folder}/{}", node.name) }),
        }
    }

    /// Makes a short file with this content, unless it is there already.
    fn put_file(&mut self, folder: &str, name: &str, content: &[u8]) -> Result<(), EspError> {
        self.tidy()?;
        if self.reads_back(folder, name, content)? {
            return Ok(());
        }
        self.delete(folder, |node| node.name.eq_ignore_ascii_case(name))?;
        self.create(folder, name, &mut &*content, |_| Ok(()))?;
        match self.reads_back(folder, name, content)? {
            true => Ok(()),
            false => Err(EspError::ReadBack { what: format!("{folder}/{name}") }),
        }
    }

    fn reads_back(&mut self, folder: &str, name: &str, content: &[u8]) -> Result<bool, EspError> {
        Ok(self.content(folder, name)? == content)
    }

    /// All of a file; nothing of one that is not there or torn.
    fn content(&mut self, folder: &str, name: &str) -> Result<Vec<u8>, EspError> {
        let folders = self.folders()?;
        let whole = match folders.find(folder)?.find(name) {
            Some(node) => self.looks(node)? == BootFile::Whole,
            None => false,
        };
        let mut found = Vec::new();
        if whole {
            file::read(&mut self.cache, &format!("{folder}/{name}"), |piece| found.extend_from_slice(piece))?;
        }
        Ok(found)
    }

    fn create(
        &mut self,
        folder: &str,
        name: &str,
        content: &mut dyn Read,
        accept: impl FnOnce(Digest) -> Result<(), EspError>,
    ) -> Result<(), EspError> {
        let created = file::create(&mut self.cache, &self.volume, folder, name, content, accept);
        let free = created.and_then(|()| tidy::sweep(&mut self.cache, &self.volume));
        self.done(free).map(drop)
    }

    /// Ends a change: after one that failed nothing of it may reach the device with the next.
    fn done(&mut self, free: Result<u64, EspError>) -> Result<u64, EspError> {
        self.free = free.as_ref().ok().copied();
        if free.is_err() {
            self.cache.discard();
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_has_the_name_that_firmware_of_the_architecture_looks_for() {
        assert_eq!([loader(false), loader(true)], ["BOOTX64.EFI", "BOOTAA64.EFI"]);
        assert_eq!(LOADER, if cfg!(target_arch = "x86_64") { "BOOTX64.EFI" } else { "BOOTAA64.EFI" });
    }
}
