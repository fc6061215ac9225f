//! Extended attributes of a path in a slot: file capabilities and access lists are among them.
//!
//! Read and set through `/proc/self/fd/<folder>/<name>`: one way for files, folders and symbolic links,
//! which cannot be opened, and the folder was resolved inside the slot. So `/proc` must be mounted.

use std::io;
use std::os::fd::AsRawFd;

use edeploy_format::manifest::Xattr;
use rustix::fs::{
    XattrFlags, lgetxattr, lgetxattr_query, llistxattr, llistxattr_query, lremovexattr, lsetxattr,
};
use rustix::io::Errno;

use super::tree::{Fault, Tree, fault};

impl Tree {
    /// All attributes of `path`, links not followed, sorted by name.
    ///
    /// # Errors
    /// [`Fault`]; a name that is not UTF-8 is [`io::ErrorKind::InvalidData`].
    pub fn xattrs(&self, path: &[u8]) -> Result<Vec<Xattr>, Fault> {
        self.through_proc(path, |at| {
            let mut xattrs = Vec::new();
            for name in list(at)?.split(|b| *b == 0).filter(|name| !name.is_empty()) {
                let name = std::str::from_utf8(name).map_err(|_| Errno::ILSEQ)?;
                xattrs.push(Xattr { name: name.to_owned(), value: value(at, name)? });
            }
            xattrs.sort_unstable();
            Ok(xattrs)
        })
        .map_err(fault("reading the attributes of", path))
    }

    /// Makes the attributes of `path` these, and no others.
    pub(super) fn set_xattrs(&self, path: &[u8], wanted: &[Xattr]) -> Result<(), Fault> {
        let found = self.xattrs(path)?;
        if found == wanted {
            return Ok(());
        }
        self.through_proc(path, |at| {
            for extra in found.iter().filter(|x| !wanted.iter().any(|w| w.name == x.name)) {
                lremovexattr(at, &*extra.name)?;
            }
            for xattr in wanted.iter().filter(|x| !found.contains(x)) {
                lsetxattr(at, &*xattr.name, &xattr.value, XattrFlags::empty())?;
            }
            Ok(())
        })
        .map_err(fault("setting the attributes of", path))
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

fn list(at: &[u8]) -> rustix::io::Result<Vec<u8>> {
    match llistxattr_query(at) {
        Ok(0) | Err(Errno::OPNOTSUPP) => Ok(Vec::new()),
        Ok(length) => filled(length, |buffer| llistxattr(at, buffer)),
        Err(e) => Err(e),
    }
}

fn value(at: &[u8], name: &str) -> rustix::io::Result<Vec<u8>> {
    let length = lgetxattr_query(at, name)?;
    filled(length, |buffer| lgetxattr(at, name, buffer))
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
