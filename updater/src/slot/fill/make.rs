//! Second pass: everything but hard links comes into being, as far as it can be had on the machine.
//!
//! What exists is right since the first pass. A file that still has several names shares its inode
//! with another file of the manifest, which the manifest keeps apart: it is made anew.

use std::fs::File;
use std::io::{self, Read};

use edeploy_format::digest::{Digest, Hasher};
use edeploy_format::manifest::{Kind, Record};

use super::{BUFFER, FillError, Filled, Filling, NAMED};
use crate::slot::entry::{Found, Shape};
use crate::slot::index::{Index, manifest};
use crate::slot::restore::Meta;
use crate::slot::sparse;
use crate::slot::tree::{Fault, fault};

impl<'a> Filling<'a> {
    /// Gives the files whose content must come from the pack.
    pub(super) fn make(&self, filled: &mut Filled) -> Result<Index<'a>, FillError> {
        let mut needs = Index::empty(self.manifest);
        let mut buffer = vec![0; BUFFER];
        let mut reader = manifest(self.manifest)?;
        loop {
            let offset = reader.offset();
            let Some(record) = reader.next_record()? else { break };
            let path = record.path.as_bytes();
            let found = self.slot.stat(path)?;
            match &record.kind {
                // Their owners, modes and times come last.
                Kind::Folder if found.is_some() => {}
                Kind::Folder => self.slot.make_folder(path)?,
                Kind::HardLink { .. } => {}
                Kind::Symlink { target } => {
                    if found.is_none() {
                        self.slot.make_symlink(path, target.as_bytes())?;
                    }
                    self.slot.restore_new(path, &Meta::from(&record))?;
                }
                Kind::File { size, digest } => {
                    if !self.file(&record, found, *size, digest, &mut buffer, filled)? {
                        needs.push(digest, offset);
                    }
                }
            }
        }
        needs.sort();
        Ok(needs)
    }

    /// Whether the file is there now.
    fn file(
        &self,
        record: &Record,
        found: Option<Found>,
        size: u64,
        digest: &Digest,
        buffer: &mut [u8],
        filled: &mut Filled,
    ) -> Result<bool, FillError> {
        let path = record.path.as_bytes();
        match found {
            Some(found) if found.links == 1 => {
                self.slot.restore(path, &found, &Meta::from(record))?;
                return Ok(true);
            }
            Some(_) => {
                self.slot.remove(path, Shape::File)?;
                filled.kept -= size;
            }
            None => {}
        }
        if size == 0 {
            self.slot.create(path)?;
        } else if !self.copy(record, size, digest, buffer, filled)? {
            return Ok(false);
        }
        self.slot.restore_new(path, &Meta::from(record))?;
        Ok(true)
    }

    /// Copies the content from the running slot, if it holds it; says whether it did.
    fn copy(
        &self,
        record: &Record,
        size: u64,
        digest: &Digest,
        buffer: &mut [u8],
        filled: &mut Filled,
    ) -> Result<bool, FillError> {
        let Some(running) = self.running else { return Ok(false) };
        let path = record.path.as_bytes();
        for source in running.index.find(digest) {
            let source = source.map_err(FillError::Running)?;
            let from = running.tree.open(source.path.as_bytes());
            if let Ok(from) = from
                && self.copy_checked(&from, path, size, digest, buffer)?
            {
                filled.copied += size;
                self.progress.advance(size);
                return Ok(true);
            }
            filled.drifted += 1;
            if filled.drifted <= NAMED {
                self.progress
                    .note(&format!("/{} of the running slot is not what its manifest says", source.path));
            }
        }
        Ok(false)
    }

    /// Copies `from` and hashes what is copied; a content that is not right leaves no file.
    fn copy_checked(
        &self,
        from: &File,
        path: &[u8],
        size: u64,
        digest: &Digest,
        buffer: &mut [u8],
    ) -> Result<bool, Fault> {
        if from.metadata().is_ok_and(|found| !found.is_file() || found.len() != size) {
            return Ok(false);
        }
        let to = self.slot.create(path)?;
        to.set_len(size).map_err(fault("sizing", path))?;
        let (mut hasher, mut at) = (Hasher::new(), 0);
        // A running slot that cannot be read is one that drifted.
        while let Ok(n) = read(from, buffer) {
            if n == 0 || at + n as u64 > size {
                break;
            }
            hasher.update(&buffer[..n]);
            sparse::write_at(&to, &buffer[..n], at).map_err(fault("writing", path))?;
            at += n as u64;
        }
        let right = at == size && hasher.finish() == *digest;
        if !right {
            self.slot.remove(path, Shape::File)?;
        }
        Ok(right)
    }
}

/// Fills `buffer` as far as the file goes, so that blocks are written whole.
fn read(mut from: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}
