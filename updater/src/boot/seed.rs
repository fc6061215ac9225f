//! Copies a file or a folder with owners, modes and extended attributes.
//!
//! For the few small paths a machine calls its own; trees are filled by the slot's own code.

use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::Path;

use rustix::fs::{XattrFlags, lgetxattr, llistxattr, lsetxattr};

/// Copies `from` to `to`, which does not exist.
///
/// # Errors
/// The first thing that could not be copied; devices, sockets and FIFOs cannot.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        fs::create_dir(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if kind.is_file() {
        io::copy(&mut File::open(from)?, &mut File::create_new(to)?)?;
    } else if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else {
        let what = format!("{} is neither file, folder nor link", from.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    dress(from, to, &metadata)
}

/// Owner before mode, as changing it clears setuid; attributes last, as it clears capabilities.
fn dress(from: &Path, to: &Path, metadata: &Metadata) -> io::Result<()> {
    lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    if !metadata.is_symlink() {
        fs::set_permissions(to, Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    let mut names = vec![0; 64 << 10];
    let length = match llistxattr(from, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Err(e) => return Err(e.into()),
    };
    for name in names[..length].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 64 << 10];
        let length = lgetxattr(from, name, &mut value[..])?;
        lsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

/// Removes whatever is at `path`, if anything is.
///
/// # Errors
/// What the file system says.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_modes_links_and_attributes_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::write(from.join("key"), "secret").unwrap();
        symlink("key", from.join("link")).unwrap();
        fs::set_permissions(from.join("key"), Permissions::from_mode(0o4600)).unwrap();
        fs::set_permissions(&from, Permissions::from_mode(0o2750)).unwrap();
        lsetxattr(from.join("key"), "user.note", b"mine", XattrFlags::empty()).unwrap();
        copy(&from, &to).unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&to), mode(&to.join("key"))), (0o2750, 0o4600));
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("key"));
        assert_eq!(fs::read(to.join("key")).unwrap(), b"secret");
        let mut value = [0; 16];
        let length = lgetxattr(to.join("key"), "user.note", &mut value[..]).unwrap();
        assert_eq!(&value[..length], b"mine");
    }

    #[test]
    fn a_socket_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&from).unwrap();
        let error = copy(&from, &folder.path().join("to")).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is neither file, folder nor link", from.display()));
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        remove(&folder.path().join("nothing")).unwrap();
    }
}
