//! Installed machines: images that every round copies, so that each begins with the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::Bench;
use crate::disk;
use crate::error::{Result, file};
use crate::folder;
use crate::ours::Site;

/// More than both slots of any role, holes for the most part.
pub(super) const DISK: u64 = 24 << 30;

/// An image with a version installed in slot a. The same site gives the same image; it is that without deltas of its
/// pairs, which all others go on from: a machine takes nothing from a site older than one it saw.
///
/// # Errors
/// When it cannot be installed.
pub(super) fn installed(bench: &Bench, site: &Site, role: &str, version: &str) -> Result<PathBuf> {
    let image = bench.path("images").join(format!("{version}.img"));
    if !image.exists() {
        let folder = bench.path("images");
        fs::create_dir_all(&folder).map_err(file("making", &folder))?;
        let new = image.with_extension("new");
        bench.tell(&format!("installing {version}"));
        site.install(role, version, &new, DISK)?;
        fs::rename(&new, &image).map_err(file("renaming", &new))?;
    }
    Ok(image)
}

/// A copy of an image that is changed, and goes.
#[derive(Debug)]
pub(super) struct Copy(PathBuf);

impl Copy {
    /// A copy in the work folder.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn of(bench_folder: &Path, image: &Path) -> Result<Self> {
        let copy = Self(bench_folder.join("round.img"));
        disk::copy(image, &copy.0)?;
        Ok(copy)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = folder::remove(&self.0) {
            eprintln!("bench: {error}");
        }
    }
}
