//! A folder as an archive that the kernel unpacks: by path, all of it root's, without times, so that the same contents
//! are the same bytes.

use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cpio::{self, FILE, FOLDER, Record, SYMLINK};

/// The archive of what lies below `root`: folders, files and symbolic links.
///
/// # Errors
/// What cannot be read, with its path; a device, a socket, a FIFO, or a file of 4 GiB, which the format cannot hold.
pub fn of_folder(root: &Path) -> io::Result<Vec<u8>> {
    let (mut paths, mut out) = (Vec::new(), Vec::new());
    collect(root, &PathBuf::new(), &mut paths)?;
    paths.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    for (number, path) in (1..).zip(&paths) {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        add(root, path, number, &mut out).map_err(named)?;
    }
    cpio::write_trailer(&mut out);
    Ok(out)
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(root, &path, paths)?;
        }
        paths.push(path);
    }
    Ok(())
}

fn add(root: &Path, path: &Path, number: u32, out: &mut Vec<u8>) -> io::Result<()> {
    let place = root.join(path);
    let metadata = fs::symlink_metadata(&place)?;
    let (kind, data) = if metadata.is_dir() {
        (FOLDER, Vec::new())
    } else if metadata.is_symlink() {
        (SYMLINK, fs::read_link(&place)?.into_os_string().into_vec())
    } else if metadata.is_file() {
        (FILE, fs::read(&place)?)
    } else {
        return Err(io::Error::other("neither a file, a folder nor a link"));
    };
    u32::try_from(data.len()).map_err(io::Error::other)?;
    let (at, mode) = (0, kind | (metadata.permissions().mode() & 0o7777));
    let (name, inode) = (path.as_os_str().as_bytes(), [number, 0, 0]);
    let (owner, links, special) = ([0; 2], 1, [0; 2]);
    cpio::write(out, &Record { at, name, inode, mode, owner, links, special, data: &data });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::initrd::plain;

    #[test]
    fn the_same_contents_are_the_same_bytes_and_in_the_form_of_an_initrd() {
        let make = |names: [&str; 2]| {
            let folder = tempfile::tempdir().unwrap();
            for name in names {
                fs::create_dir_all(folder.path().join("usr/bin")).unwrap();
                fs::write(folder.path().join(name), format!("text of {name}")).unwrap();
            }
            symlink("usr/bin", folder.path().join("bin")).unwrap();
            of_folder(folder.path()).unwrap()
        };
        let (one, other) = (make(["init", "usr/bin/sh"]), make(["usr/bin/sh", "init"]));
        assert_eq!(one, other);
        assert_eq!(plain(&one).unwrap().unwrap(), one);
    }

    #[test]
    fn what_no_initrd_of_ours_holds_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
        let refused = of_folder(folder.path()).unwrap_err().to_string();
        assert_eq!(refused, "socket: neither a file, a folder nor a link");
    }
}
