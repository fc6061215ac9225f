//! Extended attributes as the kernel gives them: file capabilities and access lists are among them.

use std::io;
use std::path::Path;

/// All attributes of a path, links not followed, sorted by name.
///
/// # Errors
/// Those of the system calls; a name that is not UTF-8 is [`io::ErrorKind::InvalidData`].
pub fn xattrs(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for name in list(path)?.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let name = std::str::from_utf8(name).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        found.push((name.to_owned(), value(path, name)?));
    }
    found.sort_unstable();
    Ok(found)
}

fn list(path: &Path) -> io::Result<Vec<u8>> {
    match rustix::fs::llistxattr_query(path) {
        Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(Vec::new()),
        Ok(length) => filled(length, |buffer| rustix::fs::llistxattr(path, buffer)),
        Err(e) => Err(e.into()),
    }
}

fn value(path: &Path, name: &str) -> io::Result<Vec<u8>> {
    let length = rustix::fs::lgetxattr_query(path, name)?;
    filled(length, |buffer| rustix::fs::lgetxattr(path, name, buffer))
}

/// The tree does not change while it is read, so the length asked for first is the length.
fn filled(length: usize, read: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; length];
    let n = if length == 0 { 0 } else { read(&mut buffer)? };
    buffer.truncate(n);
    Ok(buffer)
}
