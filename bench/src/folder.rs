//! Folders and the bytes in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, file};

/// Makes an empty folder in the place of what was there.
///
/// # Errors
/// When that fails.
pub fn fresh(path: &Path) -> Result<()> {
    remove(path)?;
    fs::create_dir_all(path).map_err(file("making", path))
}

/// Removes a folder or a file, where there is one.
///
/// # Errors
/// When that fails.
pub fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).map_err(file("removing", path)),
        Ok(_) => fs::remove_file(path).map_err(file("removing", path)),
    }
}

/// Every regular file below a folder, sorted, with its length.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(root: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(file("reading", &folder))? {
            let entry = entry.map_err(file("reading", &folder))?;
            let about = entry.metadata().map_err(file("reading", &folder))?;
            if about.is_dir() {
                folders.push(entry.path());
            } else if about.is_file() {
                files.push((entry.path(), about.len()));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The length of a file, or of all files below a folder.
///
/// # Errors
/// When it cannot be read.
pub fn bytes(path: &Path) -> Result<u64> {
    let about = fs::metadata(path).map_err(file("reading", path))?;
    if about.is_file() {
        return Ok(about.len());
    }
    Ok(files(path)?.iter().map(|(_, length)| length).sum())
}
