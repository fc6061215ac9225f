//! Owner, mode, attributes and time of a path, in the one order that works.
//!
//! A change of owner clears setuid bits and file capabilities, so it comes first; a change of mode
//! rewrites an access list's mask, so the list comes after it; whatever is written moves the time,
//! so the time comes last. What is right already is not touched.

use std::fs::File;

use edeploy_format::manifest::{Owner, Record, Xattr};
use rustix::fs::{Gid, Mode, Uid, fchmod, fchown, fstat, futimens};

use super::entry::{Found, Shape};
use super::tree::{Fault, Tree, fault, modified};
use super::xattrs::Of;

/// What is restored of a path besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Meta<'a> {
    pub(super) mode: u32,
    pub(super) owner: Owner,
    /// Seconds since 1970, and nanoseconds.
    pub(super) mtime: (i64, u32),
    pub(super) xattrs: &'a [Xattr],
}

impl<'a> From<&'a Record> for Meta<'a> {
    fn from(record: &'a Record) -> Self {
        let Record { mode, owner, mtime, xattrs, .. } = record;
        Self { mode: *mode, owner: *owner, mtime: (*mtime, 0), xattrs }
    }
}

impl Tree {
    /// Makes `path`, where `found` lies, what `meta` says. For a folder: after everything in it is done.
    pub(super) fn restore(&self, path: &[u8], found: &Found, meta: &Meta<'_>) -> Result<(), Fault> {
        let owner_changes = found.owner != meta.owner;
        if owner_changes {
            self.set_owner(path, meta.owner)?;
        }
        if found.shape != Shape::Symlink && (owner_changes || found.mode != meta.mode) {
            self.set_mode(path, found.shape, meta.mode)?;
        }
        self.set_xattrs(path, meta.xattrs)?;
        if found.mtime != meta.mtime {
            self.set_mtime(path, meta.mtime)?;
        }
        Ok(())
    }

    /// As [`Tree::restore`], for a path that was just made.
    pub(super) fn restore_new(&self, path: &[u8], meta: &Meta<'_>) -> Result<(), Fault> {
        match self.stat(path)? {
            Some(found) => self.restore(path, &found, meta),
            None => Err(Fault::new("looking at", path, std::io::ErrorKind::NotFound)),
        }
    }
}

/// As [`Tree::restore_new`], for the file at `path`, which is open: no path is looked up again.
pub(super) fn restore_file(file: &File, path: &[u8], meta: &Meta<'_>) -> Result<(), Fault> {
    let found = Found::from(fstat(file).map_err(fault("looking at", path))?);
    let owner_changes = found.owner != meta.owner;
    if owner_changes {
        let (uid, gid) = (Uid::from_raw(meta.owner.uid), Gid::from_raw(meta.owner.gid));
        fchown(file, Some(uid), Some(gid)).map_err(fault("setting the owner of", path))?;
    }
    if owner_changes || found.mode != meta.mode {
        fchmod(file, Mode::from_raw_mode(meta.mode)).map_err(fault("setting the mode of", path))?;
    }
    Of::File(file).set(meta.xattrs).map_err(fault("setting the attributes of", path))?;
    futimens(file, &modified(meta.mtime)).map_err(fault("setting the time of", path))
}
