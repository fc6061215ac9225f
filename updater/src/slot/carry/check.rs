//! Is what was carried over the same in both slots?

use std::fs::File;

use edeploy_format::digest::Digest;
use edeploy_format::manifest::Record;

use super::{Carried, CarryError, Carrying};
use crate::slot::drift::{Difference, Drift};
use crate::slot::entry::{Entry, Shape, shown};
use crate::slot::hashing::digest;
use crate::slot::selection::{Selected, select};
use crate::slot::tree::{Fault, Tree, fault};

const BUFFER: usize = 256 << 10;

impl Carrying<'_> {
    /// Compares every carried path of both slots; cold, if the caller mounted the new one anew.
    ///
    /// # Errors
    /// [`CarryError::Differs`] names the first difference.
    pub fn check(&self) -> Result<Carried, CarryError> {
        let mut checked = Carried::default();
        let mut buffer = vec![0; BUFFER];
        select(self.manifest, self.running, self.kept, |selected| match selected {
            Selected::Carried(entry) => {
                checked.paths += 1;
                checked.bytes += self.compare(&entry, &mut buffer)?;
                Ok::<_, CarryError>(())
            }
            Selected::Stays(record) => self.compare_staying(&record, &mut buffer),
        })?;
        Ok(checked)
    }

    /// Gives the length of the content.
    fn compare(&self, entry: &Entry, buffer: &mut [u8]) -> Result<u64, CarryError> {
        let path = &entry.path[..];
        let (expected, xattrs) = self.meta(path)?;
        let Some(found) = self.slot.stat(path)? else { return differs(path, Difference::Missing) };
        if found.shape != expected.shape {
            return differs(path, Difference::Shape { expected: expected.shape, found: found.shape });
        }
        if found.shape != Shape::Symlink && found.mode != expected.mode {
            return differs(path, Difference::Mode { expected: expected.mode, found: found.mode });
        }
        if found.owner != expected.owner {
            return differs(path, Difference::Owner { expected: expected.owner, found: found.owner });
        }
        if found.mtime != expected.mtime {
            return differs(path, Difference::Mtime { expected: expected.mtime, found: found.mtime });
        }
        let found_xattrs = self.slot.xattrs(path)?;
        if found_xattrs != xattrs {
            return differs(path, Difference::Xattrs { expected: xattrs, found: found_xattrs });
        }
        match expected.shape {
            Shape::Folder | Shape::Special => Ok(0),
            Shape::Symlink => {
                let target = self.running.target(path).map_err(CarryError::Running)?;
                let same = self.slot.target(path)? == target;
                if same { Ok(target.len() as u64) } else { differs(path, Difference::Content) }
            }
            Shape::File if found.links > 1 => differs(path, Difference::Links),
            Shape::File => {
                let expected = content(self.running, path, buffer).map_err(CarryError::Running)?;
                let same = content(self.slot, path, buffer)? == expected;
                if same { Ok(found.size) } else { differs(path, Difference::Content) }
            }
        }
    }

    /// A file of the tree that stays is still what the manifest says, and shared with nobody.
    fn compare_staying(&self, record: &Record, buffer: &mut [u8]) -> Result<(), CarryError> {
        let path = record.path.as_bytes();
        let Some((_, expected)) = record.content() else { return Ok(()) };
        match self.slot.stat(path)? {
            None => differs(path, Difference::Missing),
            Some(found) if found.links > 1 => differs(path, Difference::Links),
            Some(_) if content(self.slot, path, buffer)? == expected => Ok(()),
            Some(_) => differs(path, Difference::Content),
        }
    }
}

fn content(tree: &Tree, path: &[u8], buffer: &mut [u8]) -> Result<Digest, Fault> {
    let file: File = tree.open(path)?;
    digest(&file, buffer).map_err(fault("reading", path))
}

fn differs<T>(path: &[u8], what: Difference) -> Result<T, CarryError> {
    Err(CarryError::Differs(Drift { path: shown(path), what }))
}
