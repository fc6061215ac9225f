//! The folders around carried paths, whose times are put right when the last path in them is done.

use edeploy_format::manifest::Xattr;

use super::{CarryError, Carrying};
use crate::slot::entry::{Found, Shape, shown};
use crate::slot::restore::Meta;
use crate::slot::tree::{Fault, is_below, split};

/// What a folder is given in the end.
enum Ending {
    /// The time it had: it is the tree's.
    Time((i64, u32)),
    /// All that the running slot's has.
    Like(Found, Vec<Xattr>),
}

/// The folders around the path at hand that were changed, outermost first.
pub(super) struct Folders<'a> {
    carrying: &'a Carrying<'a>,
    changed: Vec<(Vec<u8>, Ending)>,
}

impl<'a> Folders<'a> {
    pub(super) fn new(carrying: &'a Carrying<'a>) -> Self {
        Self { carrying, changed: Vec::new() }
    }

    /// Puts those right that `path` is not in.
    pub(super) fn leave(&mut self, path: &[u8]) -> Result<(), CarryError> {
        let slot = self.carrying.slot;
        while let Some((folder, ending)) = self.changed.pop_if(|(folder, _)| !is_below(path, folder)) {
            match ending {
                Ending::Time(mtime) => slot.set_mtime(&folder, mtime)?,
                Ending::Like(found, xattrs) => {
                    let Found { mode, owner, mtime, .. } = found;
                    slot.restore_new(&folder, &Meta { mode, owner, mtime, xattrs: &xattrs })?;
                }
            }
        }
        Ok(())
    }

    /// Notes that names in `folder` will change.
    fn change(&mut self, folder: &[u8]) -> Result<(), Fault> {
        // The root's time is nobody's.
        if folder.is_empty() || self.changed.last().is_some_and(|(last, _)| last == folder) {
            return Ok(());
        }
        if let Some(found) = self.carrying.slot.stat(folder)? {
            self.changed.push((folder.to_vec(), Ending::Time(found.mtime)));
        }
        Ok(())
    }

    /// Makes the folders that `path` lies in, where missing.
    pub(super) fn make_around(&mut self, path: &[u8]) -> Result<(), CarryError> {
        let (folder, _) = split(path);
        if folder.is_empty() {
            return Ok(());
        }
        match self.carrying.slot.stat(folder)? {
            Some(found) if found.shape == Shape::Folder => Ok(()),
            Some(_) => Err(CarryError::Conflict { path: shown(folder) }),
            None => {
                self.make_around(folder)?;
                self.take_over(folder)
            }
        }
    }

    /// Makes the folder `path` like the running slot's.
    pub(super) fn take_over(&mut self, path: &[u8]) -> Result<(), CarryError> {
        let slot = self.carrying.slot;
        let is_folder = slot.stat(path)?.is_some_and(|found| found.shape == Shape::Folder);
        if !is_folder {
            self.vacate(path)?;
            slot.make_folder(path)?;
        }
        let (found, xattrs) = self.carrying.meta(path)?;
        self.changed.push((path.to_vec(), Ending::Like(found, xattrs)));
        Ok(())
    }

    /// Removes what lies at `path`, for something else to take its place.
    pub(super) fn vacate(&mut self, path: &[u8]) -> Result<(), CarryError> {
        self.change(split(path).0)?;
        if let Some(found) = self.carrying.slot.stat(path)? {
            self.carrying.slot.remove(path, found.shape)?;
        }
        Ok(())
    }
}

impl Carrying<'_> {
    /// What the running slot says of `path`.
    pub(super) fn meta(&self, path: &[u8]) -> Result<(Found, Vec<Xattr>), CarryError> {
        let found = self.running.stat(path).map_err(CarryError::Running)?;
        let gone = || Fault::new("looking at", path, std::io::ErrorKind::NotFound);
        let found = found.ok_or_else(gone).map_err(CarryError::Running)?;
        Ok((found, self.running.xattrs(path).map_err(CarryError::Running)?))
    }
}
