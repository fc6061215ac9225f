//! Folders and the bytes in them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Result, file, unexpected};

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
/// When that fails, or something is mounted in it: a killed mmdebstrap leaves this machine's own /dev/shm in a tree.
pub fn remove(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.is_dir() {
        return fs::remove_file(path).map_err(file("removing", path));
    }
    must_be_one(path)?;
    fs::remove_dir_all(path).map_err(file("removing", path))
}

/// Refuses a folder in which something is mounted.
fn must_be_one(folder: &Path) -> Result<()> {
    match mounts(folder)?.first() {
        Some(mount) => {
            Err(unexpected(folder.display().to_string(), format!("{} is mounted", mount.display())))
        }
        None => Ok(()),
    }
}

/// What is mounted on a folder or below it, the last mounted first.
///
/// # Errors
/// When the kernel does not say.
pub fn mounts(folder: &Path) -> Result<Vec<PathBuf>> {
    // The kernel tells real paths.
    let real = fs::canonicalize(folder).map_err(file("finding", folder))?;
    let table = Path::new("/proc/self/mountinfo");
    let text = fs::read_to_string(table).map_err(file("reading", table))?;
    Ok(below(&text, &real))
}

/// The mount points of a text like /proc/self/mountinfo that lie in a folder, the last first.
fn below(table: &str, folder: &Path) -> Vec<PathBuf> {
    let points = table.lines().rev().filter_map(|line| line.split(' ').nth(4));
    let paths = points.map(|point| PathBuf::from(point.replace("\\040", " ")));
    paths.filter(|path| path.starts_with(folder)).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mounted_below_a_folder_is_found_the_last_first() {
        let table = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
                     42 27 0:39 / /w/my\\040trees/t rw - devpts none rw\n\
                     43 42 0:27 / /w/my\\040trees/t/dev/shm rw - tmpfs tmpfs rw\n\
                     44 27 0:27 / /w/my\\040trees-2 rw - tmpfs tmpfs rw\n";
        let found = below(table, Path::new("/w/my trees"));
        assert_eq!(found, [Path::new("/w/my trees/t/dev/shm"), Path::new("/w/my trees/t")]);
        assert!(below(table, Path::new("/elsewhere")).is_empty());
    }

    #[test]
    fn a_folder_in_which_something_is_mounted_is_refused() {
        // Asked of the guard alone: what it guards is not for a test.
        let error = must_be_one(Path::new("/proc")).unwrap_err().to_string();
        assert!(error.starts_with("/proc: /proc") && error.ends_with(" is mounted"), "{error}");
        must_be_one(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    }
}
