//! The profiles as they lie in their folder: read anew when a file there changed, else kept.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Folders within folders that are looked into.
const DEEP: usize = 4;

/// What is kept of a folder until a file in it changes.
pub struct Shelf<T> {
    folder: PathBuf,
    kept: Mutex<Option<(Look, Arc<T>)>>,
}

/// What tells one state of a folder from another: name, inode, size and times of each file.
type Look = Vec<(PathBuf, [i64; 6])>;

impl<T> Shelf<T> {
    /// Of this folder; nothing is read yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), kept: Mutex::new(None) }
    }

    /// What `read` makes of the folder as it is now.
    ///
    /// # Errors
    /// Those of `read`, and where the folder cannot be looked at.
    pub fn now<E: From<io::Error>>(&self, read: impl FnOnce(&Path) -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // What changes while it is read is another one at the next look.
        let now = look(&self.folder)?;
        if let Some((before, value)) = &*kept
            && *before == now
        {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(read(&self.folder)?);
        *kept = Some((now, Arc::clone(&value)));
        Ok(value)
    }
}

fn look(folder: &Path) -> io::Result<Look> {
    let mut files = Vec::new();
    walk(folder, DEEP, &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(folder: &Path, deep: usize, files: &mut Look) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A link may lead nowhere, and a file may go meanwhile.
        let Ok(about) = fs::metadata(&path) else { continue };
        if about.is_dir() && deep > 0 {
            walk(&path, deep - 1, files)?;
        }
        let times = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
        let [a, b, c, d] = times;
        files.push((path, [about.ino().cast_signed(), about.len().cast_signed(), a, b, c, d]));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_anew_when_a_file_in_it_changed_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs::write(&file, "1").unwrap();
        let shelf = Shelf::new(folder.path());
        let read = |_: &Path| fs::read_to_string(&file);
        let first = shelf.now(read).unwrap();
        assert!(Arc::ptr_eq(&first, &shelf.now(read).unwrap()));
        fs::write(&file, "22").unwrap();
        assert_eq!(*shelf.now(read).unwrap(), "22");
        fs::remove_file(&file).unwrap();
        assert!(shelf.now(read).is_err());
    }
}
