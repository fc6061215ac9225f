//! Extended attributes of a path in a slot: file capabilities and access lists are among them.
//!
//! Those of a path are read and set through `/proc/self/fd/<folder>/<name>`: one way for files, folders and symbolic
//! links, which cannot be opened, and the folder was resolved inside the slot. So `/proc` must be mounted. Those of a
//! file that is open already, through it: a slot has thousands.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use edeploy_format::manifest::Xattr;
use rustix::fs::{
    XattrFlags, fgetxattr, fgetxattr_query, flistxattr, flistxattr_query, fremovexattr, fsetxattr, lgetxattr,
    lgetxattr_query, llistxattr, llistxattr_query, lremovexattr, lsetxattr,
};
use rustix::io::Errno;

use super::tree::{Fault, Tree, fault};

impl Tree {
    /// All attributes of `path`, links not followed, sorted by name.
    ///
    /// # Errors
    /// [`Fault`]; a name that is not UTF-8 is [`io::ErrorKind::InvalidData`].
    pub fn xattrs(&self, path: &[u8]) -> Result<Vec<Xattr>, Fault> {
        let read = self.through_proc(path, |at| Of::Path(at).read());
        read.map_err(fault("reading the attributes of", path))
    }

    /// Makes the attributes of `path` these, and no others.
    pub(super) fn set_xattrs(&self, path: &[u8], wanted: &[Xattr]) -> Result<(), Fault> {
        let set = self.through_proc(path, |at| Of::Path(at).set(wanted));
        set.map_err(fault("setting the attributes of", path))
    }

    fn through_proc<T>(
        &self,
        path: &[u8],
        step: impl FnOnce(&[u8]) -> rustix::io::Result<T>,
    ) -> io::Result<T> {
        let (folder, name) = self.place(path).map_err(|fault| fault.source)?;
        let at = [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat();
        Ok(step(&at)?)
    }
}

/// All attributes of the file at `path`, which is open, sorted by name.
///
/// # Errors
/// As [`Tree::xattrs`].
pub(super) fn file_xattrs(file: &File, path: &[u8]) -> Result<Vec<Xattr>, Fault> {
    Of::File(file).read().map_err(fault("reading the attributes of", path))
}

/// Whose attributes.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// What lies at this path, not what a link there points to.
    Path(&'a [u8]),
    /// This file.
    File(&'a File),
}

impl Of<'_> {
    /// All, sorted by name.
    fn read(self) -> rustix::io::Result<Vec<Xattr>> {
        let mut xattrs = Vec::new();
        for name in self.names()?.split(|b| *b == 0).filter(|name| !name.is_empty()) {
            let name = std::str::from_utf8(name).map_err(|_| Errno::ILSEQ)?;
            xattrs.push(Xattr { name: name.to_owned(), value: self.value(name)? });
        }
        xattrs.sort_unstable();
        Ok(xattrs)
    }

    /// Makes them these, and no others.
    pub(super) fn set(self, wanted: &[Xattr]) -> rustix::io::Result<()> {
        let found = self.read()?;
        for extra in found.iter().filter(|x| !wanted.iter().any(|w| w.name == x.name)) {
            match self {
                Self::Path(at) => lremovexattr(at, &*extra.name)?,
                Self::File(file) => fremovexattr(file, &*extra.name)?,
            }
        }
        for Xattr { name, value } in wanted.iter().filter(|x| !found.contains(x)) {
            match self {
                Self::Path(at) => lsetxattr(at, &**name, value, XattrFlags::empty())?,
                Self::File(file) => fsetxattr(file, &**name, value, XattrFlags::empty())?,
            }
        }
        Ok(())
    }

    fn names(self) -> rustix::io::Result<Vec<u8>> {
        let length = match self {
            Self::Path(at) => llistxattr_query(at),
            Self::File(file) => flistxattr_query(file),
        };
        match length {
            Ok(0) | Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
            Ok(length) => filled(length, |buffer| match self {
                Self::Path(at) => llistxattr(at, buffer),
                Self::File(file) => flistxattr(file, buffer),
            }),
            Err(e) => Err(e),
        }
    }

    fn value(self, name: &str) -> rustix::io::Result<Vec<u8>> {
        let length = match self {
            Self::Path(at) => lgetxattr_query(at, name)?,
            Self::File(file) => fgetxattr_query(file, name)?,
        };
        filled(length, |buffer| match self {
            Self::Path(at) => lgetxattr(at, name, buffer),
            Self::File(file) => fgetxattr(file, name, buffer),
        })
    }
}

/// Nobody else changes a slot, so the length asked for first is the length.
fn filled(
    length: usize,
    read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let n = if length == 0 { 0 } else { read(&mut buffer)? };
    buffer.truncate(n);
    Ok(buffer)
}
