//! A tree over a folder, without a copy of it: an overlay of the kernel, whose upper side takes what is changed.
//!
//! Copying a tree costs more than building it again unchanged, most of it for making as many files anew. The overlay is
//! mounted nowhere: only this process has it, and it ends with the process. Where anything stands against it (an ordinary
//! user, a file system that cannot be the upper side, other file systems mounted below the folder, a folder with the marks
//! of an overlay in it), there is none, and the caller copies: the tree is the same.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rustix::fs::XattrFlags;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

use crate::parallel;
use crate::scan::xattrs;

/// What only the real root may set, on a file system that can be the upper side. The kernel asks the same, and quietly
/// does without renaming folders where it is not given.
const PROBE: &str = "trusted.rolebuild";

/// How the attributes begin that mark what is removed, moved or merged. Only the real root sees them.
const MARK: &str = "trusted.overlay.";

/// A tree over a folder. It goes when this is dropped.
#[derive(Debug)]
pub struct Overlay {
    mount: OwnedFd,
}

impl Overlay {
    /// Lays one over `folder`, which must not change meanwhile; changes go into `work`. `None` where that cannot be.
    #[must_use]
    pub fn over(folder: &Path, work: &Path) -> Option<Self> {
        let lower = File::open(folder).ok()?;
        let about = lower.metadata().ok()?;
        if !is_shown(folder, about.dev()).ok()? || !xattrs(folder).ok()?.is_empty() {
            return None;
        }
        let [upper, scratch] = ["upper", "scratch"].map(|name| work.join(name));
        let make = || -> io::Result<()> {
            fs::create_dir(&upper)?;
            fs::create_dir(&scratch)?;
            chown(&upper, Some(about.uid()), Some(about.gid()))?;
            fs::set_permissions(&upper, fs::Permissions::from_mode(about.mode() & 0o7777))?;
            rustix::fs::lsetxattr(&upper, PROBE, b"", XattrFlags::CREATE)?;
            Ok(rustix::fs::lremovexattr(&upper, PROBE)?)
        };
        make().ok()?;
        let mount = mount(&by_number(&lower), &upper, &scratch).ok()?;
        let overlay = Self { mount };
        overlay.root().is_dir().then_some(overlay)
    }

    /// Its root, for this process alone.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        by_number(&self.mount).join(".")
    }
}

fn by_number(file: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn mount(lower: &Path, upper: &Path, scratch: &Path) -> io::Result<OwnedFd> {
    let overlay = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&overlay, "lowerdir", lower)?;
    fsconfig_set_string(&overlay, "upperdir", upper)?;
    fsconfig_set_string(&overlay, "workdir", scratch)?;
    // A tree's /var is moved.
    fsconfig_set_string(&overlay, "redirect_dir", "on")?;
    fsconfig_create(&overlay)?;
    Ok(fsmount(&overlay, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Whether an overlay would show all of a folder: no other file system is mounted below it, and nothing there is a mark
/// to overlays, which hide a character device 0:0 and what has its name.
fn is_shown(folder: &Path, device: u64) -> io::Result<bool> {
    // Level by level, so that all processors look.
    let mut level = vec![folder.to_owned()];
    while !level.is_empty() {
        let looked = parallel::map(&level, |folder| shown_folders(folder, device));
        level.clear();
        for folders in looked {
            let Some(folders) = folders? else { return Ok(false) };
            level.extend(folders);
        }
    }
    Ok(true)
}

/// The folders right in a folder; `None` where an overlay would not show all of what is there.
fn shown_folders(folder: &Path, device: u64) -> io::Result<Option<Vec<PathBuf>>> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, form) = (entry.path(), entry.file_type()?);
        let marked = form.is_char_device() && entry.metadata()?.rdev() == 0
            || xattrs(&path)?.iter().any(|(name, _)| name.starts_with(MARK));
        if marked || form.is_dir() && entry.metadata()?.dev() != device {
            return Ok(None);
        }
        if form.is_dir() {
            folders.push(path);
        }
    }
    Ok(Some(folders))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_over_a_folder_changes_and_the_folder_does_not() {
        let case = tempfile::tempdir().unwrap();
        let (folder, work) = (case.path().join("with:colon, and comma"), case.path().join("work"));
        fs::create_dir_all(folder.join("var/lib")).unwrap();
        fs::write(folder.join("var/lib/a"), "a").unwrap();
        fs::write(folder.join("b"), "b").unwrap();
        fs::create_dir(&work).unwrap();
        let overlay = Overlay::over(&folder, &work).expect("root, and a kernel with overlays");
        let root = overlay.root();
        fs::rename(root.join("var"), root.join("moved")).unwrap();
        fs::write(root.join("b"), "c").unwrap();
        assert_eq!(fs::read(root.join("moved/lib/a")).unwrap(), b"a");
        assert_eq!(fs::read(root.join("b")).unwrap(), b"c");
        assert!(!root.join("var").exists());
        drop(overlay);
        assert_eq!(fs::read(folder.join("b")).unwrap(), b"b");
        assert_eq!(fs::read(folder.join("var/lib/a")).unwrap(), b"a");
        assert_eq!(fs::read(work.join("upper/b")).unwrap(), b"c");
    }

    #[test]
    fn a_folder_with_the_marks_of_an_overlay_is_copied() {
        let case = tempfile::tempdir().unwrap();
        let folder = case.path().join("folder");
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join("a/c"), "c").unwrap();
        let mut n = 0;
        let mut is_copied = || {
            n += 1;
            let work = case.path().join(n.to_string());
            fs::create_dir(&work).unwrap();
            Overlay::over(&folder, &work).is_none()
        };
        for (path, name) in [("a/b", "trusted.overlay.opaque"), ("a/c", "trusted.overlay.metacopy")] {
            rustix::fs::lsetxattr(folder.join(path), name, b"y", XattrFlags::CREATE).unwrap();
            assert!(is_copied(), "{name}");
            rustix::fs::lremovexattr(folder.join(path), name).unwrap();
        }
        assert!(!is_copied());
    }
}
