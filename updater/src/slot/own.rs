//! The updater's own folder in a slot: the manifest, the rules it was filled by, the trust it came with.
//!
//! Files are replaced whole. Nothing is durable before the caller syncs the slot, and nothing here
//! counts before the slot's boot entry does.

use std::fs::File;
use std::io::{self, Read};

use edeploy_format::manifest::SLOT_FOLDER;

use super::entry::Shape;
use super::tree::{Fault, Tree, fault, split};

impl Tree {
    /// The file `name` of the slot's own folder (`manifest`, `tuf/root.json`); `None` if it is not there.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn own(&self, name: &str) -> Result<Option<File>, Fault> {
        let path = own_path(name);
        match self.stat(&path)? {
            Some(found) if found.shape == Shape::File => self.open(&path).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    /// As [`Tree::own`], the text of a file of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Fault`], also when the file is longer or not UTF-8.
    pub fn own_text(&self, name: &str, limit: u64) -> Result<Option<String>, Fault> {
        let Some(file) = self.own(name)? else { return Ok(None) };
        let mut text = String::new();
        let read = file
            .take(limit + 1)
            .read_to_string(&mut text)
            .and_then(|n| if n as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) });
        read.map_err(fault("reading", &own_path(name)))?;
        Ok(Some(text))
    }

    /// Whether the file `name` of the slot's own folder holds exactly these bytes.
    ///
    /// # Errors
    /// [`Fault`] if it cannot be read.
    pub fn has_own(&self, name: &str, bytes: &[u8]) -> Result<bool, Fault> {
        let Some(file) = self.own(name)? else { return Ok(false) };
        let mut found = Vec::new();
        let read = file.take(bytes.len() as u64 + 1).read_to_end(&mut found);
        read.map_err(fault("reading", &own_path(name)))?;
        Ok(found == bytes)
    }

    /// Writes all of `from` to the file `name` of the slot's own folder, making folders where missing.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn write_own(&self, name: &str, from: &mut dyn Read) -> Result<(), Fault> {
        let path = own_path(name);
        self.make_folders(split(&path).0)?;
        if let Some(found) = self.stat(&path)? {
            self.remove(&path, found.shape)?;
        }
        let mut file = self.create(&path)?;
        io::copy(from, &mut file).map_err(fault("writing", &path))?;
        Ok(())
    }

    /// Makes the folder `path` and those around it, where missing.
    fn make_folders(&self, path: &[u8]) -> Result<(), Fault> {
        if path.is_empty() || self.stat(path)?.is_some() {
            return Ok(());
        }
        self.make_folders(split(path).0)?;
        self.make_folder(path)
    }
}

fn own_path(name: &str) -> Vec<u8> {
    format!("{SLOT_FOLDER}/{name}").into_bytes()
}
