//! Files that appear whole or not at all, and stay: written beside their place, synced, renamed, folder synced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::tuf::{Sha256, Sha256Hasher};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::failure::Fault;

/// A file or folder that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("writing {path}")]
pub struct WriteError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl Fault for WriteError {
    fn exit(&self) -> Exit {
        if self.source.kind() == io::ErrorKind::StorageFull { Exit::Space } else { Exit::Failed }
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError { path, source }
}

/// Writes `bytes` as `folder/name`, mode `mode`, in place of what may be there.
///
/// # Errors
/// [`WriteError`]; what was there is untouched then.
pub fn write(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> Result<(), WriteError> {
    let mut incoming = Incoming::new(folder, name, mode)?;
    incoming.write_all(bytes).map_err(at(&folder.join(name)))?;
    let (ready, ..) = incoming.finish()?;
    ready.put(name)
}

/// Makes a folder and those above it that are missing, and syncs the one it lies in.
///
/// # Errors
/// [`WriteError`].
pub fn make_folder(path: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(path).map_err(at(path))?;
    sync_folder(parent(path))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Makes an empty folder; what a run left there that was cut off is deleted.
///
/// # Errors
/// [`WriteError`].
pub fn make_empty_folder(path: &Path) -> Result<(), WriteError> {
    remove_folder(path)?;
    make_folder(path)
}

fn remove_folder(path: &Path) -> Result<(), WriteError> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(at(path)(e)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Puts the folder `new`, whose files are synced, in the place of `folder`, durably and at once, and deletes what was
/// there. Where the file system cannot exchange names, there is none for a moment.
///
/// # Errors
/// [`WriteError`].
pub fn replace_folder(folder: &Path, new: &Path) -> Result<(), WriteError> {
    sync_folder(new)?;
    let exchanged = renameat_with(CWD, new, CWD, folder, RenameFlags::EXCHANGE);
    match exchanged {
        Ok(()) => {}
        Err(Errno::NOENT) => fs::rename(new, folder).map_err(at(folder))?,
        Err(Errno::INVAL | Errno::NOSYS) => {
            let aside = new.with_extension("old");
            remove_folder(&aside)?;
            fs::rename(folder, &aside).map_err(at(folder))?;
            fs::rename(new, folder).map_err(at(folder))?;
            sync_folder(parent(folder))?;
            return remove_folder(&aside);
        }
        Err(e) => return Err(at(folder)(e.into())),
    }
    sync_folder(parent(folder))?;
    remove_folder(new)
}

/// Makes the names in `path` durable.
///
/// # Errors
/// [`WriteError`].
pub fn sync_folder(path: &Path) -> Result<(), WriteError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

/// A file on its way into a folder; removed again when it is dropped before it is put.
pub struct Incoming {
    to: Option<BufWriter<File>>,
    temporary: Temporary,
    hasher: Sha256Hasher,
    length: u64,
}

struct Temporary {
    folder: PathBuf,
    path: PathBuf,
    put: bool,
}

/// A file that is whole and synced, and has no name yet.
pub struct Ready(Temporary);

impl Incoming {
    /// Begins a file for `folder`; `label` tells it from others that are written at the same time.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn new(folder: &Path, label: &str, mode: u32) -> Result<Self, WriteError> {
        let path = folder.join(format!(".{label}.new"));
        // Left by a run that was cut off; its mode must not become that of the new file.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at(&path)(e)),
            Ok(()) | Err(_) => {}
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let to = Some(BufWriter::new(file.map_err(at(&path))?));
        let temporary = Temporary { folder: folder.to_owned(), path, put: false };
        Ok(Self { to, temporary, hasher: Sha256Hasher::default(), length: 0 })
    }

    /// Ends and syncs the file; its length and SHA-256 are known then.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(mut self) -> Result<(Ready, u64, Sha256), WriteError> {
        let to = self.to.take().expect("taken only here");
        let file = to.into_inner().map_err(|e| at(&self.temporary.path)(e.into_error()))?;
        file.sync_all().map_err(at(&self.temporary.path))?;
        Ok((Ready(self.temporary), self.length, self.hasher.finish()))
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.to.as_mut().expect("taken only in finish").write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.length += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.as_mut().expect("taken only in finish").flush()
    }
}

impl Ready {
    /// Gives it its name, durably.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn put(mut self, name: &str) -> Result<(), WriteError> {
        let path = self.0.folder.join(name);
        fs::rename(&self.0.path, &path).map_err(at(&path))?;
        self.0.put = true;
        sync_folder(&self.0.folder)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.put {
            // The error that brought us here is the one to report; the next run removes the rest.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_replaces_what_was_there_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a", b"old", 0o600).unwrap();
        fs::write(folder.path().join(".a.new"), "left by a cut-off run").unwrap();
        write(folder.path(), "a", b"new", 0o644).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"new");
        assert_eq!(fs::metadata(folder.path().join("a")).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn length_and_hash_are_those_of_the_file_and_an_unfinished_one_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::new(folder.path(), "x", 0o644).unwrap();
        incoming.write_all(b"abc").unwrap();
        let (ready, length, sha256) = incoming.finish().unwrap();
        assert_eq!((length, sha256), (3, Sha256::of(b"abc")));
        drop(ready);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
