//! The one door to the files of a slot.
//!
//! Every path is resolved by `openat2` from the slot's root, beneath it, without following any
//! symbolic link and without crossing a mount; the last component is then worked on relative to the
//! open folder, never followed. So nothing that a slot holds can lead a write out of it.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, ResolveFlags, StatVfs, Timespec, Timestamps, UTIME_OMIT, Uid,
    chownat, fchmod, fchown, fstatvfs, linkat, mkdirat, openat2, readlinkat, renameat_with, statat,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::entry::{Found, Shape, shown};
use super::walk::Walk;
use edeploy_format::manifest::Owner;

const INSIDE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_XDEV);

/// A step on a path of a slot failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {path} of the slot")]
pub struct Fault {
    /// The step.
    pub doing: &'static str,
    /// The path, from the slot's root.
    pub path: String,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Fault {
    pub(super) fn new(doing: &'static str, path: &[u8], source: impl Into<io::Error>) -> Self {
        Self { doing, path: shown(path), source: source.into() }
    }
}

/// For `map_err` on a step that `doing` names.
pub(super) fn fault<E: Into<io::Error>>(doing: &'static str, path: &[u8]) -> impl FnOnce(E) -> Fault {
    move |source| Fault::new(doing, path, source)
}

/// An open folder near to where the last step was: walks and manifests stay in one for a while.
struct Near {
    path: Vec<u8>,
    folder: Rc<OwnedFd>,
}

/// The tree of a mounted slot.
pub struct Tree {
    root: Rc<OwnedFd>,
    near: RefCell<Option<Near>>,
}

impl Tree {
    /// The tree below the open folder `root`.
    #[must_use]
    pub fn new(root: OwnedFd) -> Self {
        Self { root: Rc::new(root), near: RefCell::new(None) }
    }

    /// The root folder.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Size and use of the slot's file system.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn room(&self) -> Result<StatVfs, Fault> {
        fstatvfs(&self.root).map_err(fault("asking for the room in", b""))
    }

    /// A walk over everything, see [`Walk`].
    #[must_use]
    pub fn walk(&self) -> Walk<'_> {
        Walk::new(self)
    }

    /// The open folder `path`, empty for the root.
    pub(super) fn folder(&self, path: &[u8]) -> Result<Rc<OwnedFd>, Fault> {
        if path.is_empty() {
            return Ok(Rc::clone(&self.root));
        }
        if let Some(near) = self.near.borrow().as_ref().filter(|near| near.path == path) {
            return Ok(Rc::clone(&near.folder));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat2(&self.root, path, flags, Mode::empty(), INSIDE);
        let folder = Rc::new(folder.map_err(fault("opening the folder", path))?);
        *self.near.borrow_mut() = Some(Near { path: path.to_vec(), folder: Rc::clone(&folder) });
        Ok(folder)
    }

    /// The open folder that holds `path`, and the last component.
    pub(super) fn place<'p>(&self, path: &'p [u8]) -> Result<(Rc<OwnedFd>, &'p [u8]), Fault> {
        let (folder, name) = split(path);
        Ok((self.folder(folder)?, name))
    }

    /// What lies at `path`; `None` if nothing does, or if a folder on the way there is none.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn stat(&self, path: &[u8]) -> Result<Option<Found>, Fault> {
        let stat = match self.place(path) {
            Ok((folder, name)) => statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from),
            Err(fault) => Err(fault.source),
        };
        match stat {
            Ok(stat) => Ok(Some(stat.into())),
            Err(e) => match Errno::from_io_error(&e) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
                _ => Err(Fault::new("looking at", path, e)),
            },
        }
    }

    /// The regular file `path`, open for reading.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn open(&self, path: &[u8]) -> Result<File, Fault> {
        // Without NONBLOCK, a FIFO put there would hold us for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let (folder, name) = self.place(path)?;
        let file = openat2(&folder, name, flags, Mode::empty(), INSIDE).map_err(fault("opening", path))?;
        Ok(file.into())
    }

    /// A new empty file, readable and writable by us alone.
    ///
    /// # Errors
    /// [`Fault`], also if anything is at `path`.
    pub fn create(&self, path: &[u8]) -> Result<File, Fault> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (folder, name) = self.place(path)?;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = openat2(&folder, name, flags, mode, INSIDE).map_err(fault("creating", path))?;
        Ok(file.into())
    }

    /// The file `path`, open for reading and writing.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn reopen(&self, path: &[u8]) -> Result<File, Fault> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let (folder, name) = self.place(path)?;
        let file = openat2(&folder, name, flags, Mode::empty(), INSIDE).map_err(fault("opening", path))?;
        Ok(file.into())
    }

    /// A file without a name, which goes when it is closed.
    ///
    /// # Errors
    /// [`Fault`].
    pub(super) fn scratch(&self) -> Result<File, Fault> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = openat2(&self.root, ".", flags, Mode::RUSR | Mode::WUSR, INSIDE);
        Ok(file.map_err(fault("making a scratch file in", b""))?.into())
    }

    /// Another name for the file `from`.
    ///
    /// # Errors
    /// [`Fault`], also if anything is at `to`.
    pub(super) fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let ((from, from_name), (folder, name)) = (self.place(from)?, self.place(to)?);
        renameat_with(&from, from_name, &folder, name, RenameFlags::NOREPLACE)
            .map_err(fault("renaming to", to))
    }

    /// A new folder, accessible by us alone.
    ///
    /// # Errors
    /// [`Fault`], also if anything is at `path`.
    pub fn make_folder(&self, path: &[u8]) -> Result<(), Fault> {
        let (folder, name) = self.place(path)?;
        mkdirat(&folder, name, Mode::RWXU).map_err(fault("making the folder", path))
    }

    /// A new symbolic link.
    ///
    /// # Errors
    /// [`Fault`], also if anything is at `path`.
    pub fn make_symlink(&self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        let (folder, name) = self.place(path)?;
        symlinkat(target, &folder, name).map_err(fault("making the symbolic link", path))
    }

    /// Where the symbolic link `path` points.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn target(&self, path: &[u8]) -> Result<Vec<u8>, Fault> {
        let (folder, name) = self.place(path)?;
        let target =
            readlinkat(&folder, name, Vec::new()).map_err(fault("reading the symbolic link", path))?;
        Ok(target.into_bytes())
    }

    /// A further name for the file `first`.
    ///
    /// # Errors
    /// [`Fault`], also if anything is at `path`.
    pub fn link(&self, first: &[u8], path: &[u8]) -> Result<(), Fault> {
        let (from, from_name) = self.place(first)?;
        let (to, to_name) = self.place(path)?;
        linkat(&from, from_name, &to, to_name, AtFlags::empty()).map_err(fault("making the hard link", path))
    }

    pub(super) fn set_owner(&self, path: &[u8], owner: Owner) -> Result<(), Fault> {
        let (folder, name) = self.place(path)?;
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        chownat(&folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(fault("setting the owner of", path))
    }

    pub(super) fn set_root_owner(&self, owner: Owner) -> Result<(), Fault> {
        let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
        fchown(&self.root, Some(uid), Some(gid)).map_err(fault("setting the owner of", b""))
    }

    /// Not for symbolic links, whose mode nothing reads.
    pub(super) fn set_mode(&self, path: &[u8], shape: Shape, mode: u32) -> Result<(), Fault> {
        // There is no chmod that does not follow, so it goes through the open file.
        let set = |fd: BorrowedFd<'_>| {
            fchmod(fd, Mode::from_raw_mode(mode)).map_err(fault("setting the mode of", path))
        };
        match shape {
            Shape::Folder => set(self.folder(path)?.as_fd()),
            Shape::File | Shape::Special => set(self.open(path)?.as_fd()),
            Shape::Symlink => Ok(()),
        }
    }

    /// The time of the last change; that of the last access stays.
    pub(super) fn set_mtime(&self, path: &[u8], mtime: (i64, u32)) -> Result<(), Fault> {
        let (folder, name) = self.place(path)?;
        utimensat(&folder, name, &modified(mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(fault("setting the time of", path))
    }

    /// Removes what lies at `path`, a folder with all that is in it.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn remove(&self, path: &[u8], shape: Shape) -> Result<(), Fault> {
        if shape != Shape::Folder {
            return self.unlink(path, AtFlags::empty());
        }
        // The folders that the walk is in, and those it came out of since the last entry: they are empty by then.
        let mut folders = vec![path.to_vec()];
        let mut walk = Walk::within(self, path);
        while let Some(entry) = walk.next_entry()? {
            while let Some(left) = folders.pop_if(|folder| !is_below(&entry.path, folder)) {
                self.remove_folder(&left)?;
            }
            match entry.shape {
                Shape::Folder => folders.push(entry.path),
                _ => self.unlink(&entry.path, AtFlags::empty())?,
            }
        }
        folders.iter().rev().try_for_each(|left| self.remove_folder(left))
    }

    fn remove_folder(&self, path: &[u8]) -> Result<(), Fault> {
        *self.near.borrow_mut() = None;
        self.unlink(path, AtFlags::REMOVEDIR)
    }

    fn unlink(&self, path: &[u8], flags: AtFlags) -> Result<(), Fault> {
        let (folder, name) = self.place(path)?;
        unlinkat(&folder, name, flags).map_err(fault("removing", path))
    }
}

/// A time of the last change, in seconds and nanoseconds; that of the last access stays.
pub(super) fn modified((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

/// The folder part, empty at the root, and the last component.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

/// `name` in `folder`, which is empty for the root.
pub(super) fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// Whether `path` lies anywhere below `folder`.
pub(super) fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}
