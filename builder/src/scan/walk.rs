//! The walk: every path of a tree once, in walking order, with what it is.

use std::ffi::OsString;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SendError, sync_channel};
use std::thread;

use edeploy_format::exit::Exit;
use edeploy_format::manifest::MTIMES;
use edeploy_format::path::{BadPath, TreePath};

use crate::failure::Fault;

/// No file of a role is longer, in bytes: 64 GiB, half a minute of hashing.
pub(super) const FILE_LIMIT: u64 = 64 << 30;

/// The first time that a path of a role may have. One second before is what ext4 makes of all earlier ones: a tree that
/// was unpacked there has them in that form.
const EARLIEST: &str = "1901-12-13T20:45:53Z";

/// A walk in a thread hands on so many paths at a time,
const BATCH: usize = 256;
/// and so many times before somebody met them.
const AHEAD: usize = 8;

/// What a path of a role tree can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A folder.
    Folder,
    /// A regular file.
    File,
    /// A symbolic link and its target.
    Symlink(String),
}

/// One path met on the walk.
#[derive(Debug)]
pub struct Entry {
    /// The path in the tree.
    pub path: TreePath,
    /// The path on this machine.
    pub on_disk: PathBuf,
    /// Its metadata, links not followed.
    pub metadata: Metadata,
    /// What it is.
    pub form: Form,
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A device node, socket or FIFO.
    #[error("{path} is a {kind}: a role tree holds folders, files and symbolic links only")]
    Special {
        /// The path in the tree.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A name or a link's target that is not UTF-8.
    #[error("{path:?} {what} is not UTF-8")]
    NotUtf8 {
        /// The path in the tree.
        path: PathBuf,
        /// The name or the target.
        what: &'static str,
    },
    /// A file that would take a slot, or hours to hash, for itself: its holes count.
    #[error("{path} has {size} bytes: a file of a role has at most {FILE_LIMIT}, holes included")]
    Huge {
        /// The path in the tree.
        path: String,
        /// Its length in bytes.
        size: u64,
    },
    /// A time before those that a slot's file system keeps; one to come is cut down to that of the build.
    #[error(
        "{path} is of before {EARLIEST} (mtime {mtime}), which no slot keeps; give it another time with touch"
    )]
    Old {
        /// The path in the tree.
        path: String,
        /// In seconds since 1970.
        mtime: i64,
    },
    /// A name that no manifest can hold.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// The file system refused.
    #[error("walking the tree at {0}")]
    Io(PathBuf, #[source] io::Error),
}

impl Fault for Refused {
    fn exit(&self) -> Exit {
        match self {
            Self::Special { .. }
            | Self::NotUtf8 { .. }
            | Self::Huge { .. }
            | Self::Old { .. }
            | Self::Path(_) => Exit::Input,
            Self::Io(..) => Exit::Failed,
        }
    }
}

/// Meets every path below `root`; folders come before their members, names sorted by bytes.
///
/// # Errors
/// Those of `meet`, and [`Refused`].
pub fn walk<E: From<Refused>>(root: &Path, meet: &mut impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
    folder(root, None, meet)
}

/// As [`walk`], for what lies below one folder of the tree; paths are those of the tree.
///
/// # Errors
/// As [`walk`].
pub fn walk_below<E: From<Refused>>(
    root: &Path,
    below: &str,
    meet: &mut impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let path = TreePath::new(below).map_err(Refused::Path)?;
    folder(&root.join(below), Some(&path), meet)
}

/// As [`walk`], which goes on in a thread of its own meanwhile: a bounded number of paths ahead of `meet`.
///
/// # Errors
/// As [`walk`].
pub fn walk_ahead<E: From<Refused>>(
    root: &Path,
    meet: &mut impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    thread::scope(|scope| {
        let (send, batches) = sync_channel(AHEAD);
        let walker = scope.spawn(move || {
            let mut batch = Vec::new();
            let walked = walk(root, &mut |entry| -> Result<(), Ended> {
                batch.push(entry);
                if batch.len() < BATCH { Ok(()) } else { Ok(send.send(std::mem::take(&mut batch))?) }
            });
            // What was met before it was refused.
            send.send(batch)?;
            walked
        });
        // When this ends early, nobody receives, and so does the walk.
        for entry in batches.into_iter().flatten() {
            meet(entry)?;
        }
        match walker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Err(Ended::Refused(refused)) => Err(refused.into()),
            Ok(()) | Err(Ended::Unheard) => Ok(()),
        }
    })
}

/// Why a walk in a thread ends early.
enum Ended {
    Refused(Refused),
    Unheard,
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<SendError<Vec<Entry>>> for Ended {
    fn from(_: SendError<Vec<Entry>>) -> Self {
        Self::Unheard
    }
}

fn folder<E: From<Refused>>(
    on_disk: &Path,
    path: Option<&TreePath>,
    meet: &mut impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    for name in names(on_disk).map_err(|e| Refused::Io(on_disk.to_owned(), e))? {
        let entry = entry(on_disk.join(&name), path, name)?;
        let inner = (entry.form == Form::Folder).then(|| (entry.on_disk.clone(), entry.path.clone()));
        meet(entry)?;
        if let Some((on_disk, path)) = inner {
            folder(&on_disk, Some(&path), meet)?;
        }
    }
    Ok(())
}

fn names(on_disk: &Path) -> io::Result<Vec<OsString>> {
    let names: io::Result<Vec<_>> = fs::read_dir(on_disk)?.map(|e| e.map(|e| e.file_name())).collect();
    names.map(|mut names| {
        names.sort_unstable();
        names
    })
}

fn entry(on_disk: PathBuf, parent: Option<&TreePath>, name: OsString) -> Result<Entry, Refused> {
    let lossy = |name: &Path| parent.map_or(PathBuf::new(), |p| p.as_str().into()).join(name);
    let name = name
        .into_string()
        .map_err(|name| Refused::NotUtf8 { path: lossy(Path::new(&name)), what: "as a name" })?;
    let path = match parent {
        Some(parent) => parent.join(&name)?,
        None => TreePath::new(name)?,
    };
    let metadata = on_disk.symlink_metadata().map_err(|e| Refused::Io(on_disk.clone(), e))?;
    let form = form(&on_disk, &path, metadata.file_type())?;
    if form == Form::File && metadata.len() > FILE_LIMIT {
        return Err(Refused::Huge { path: path.to_string(), size: metadata.len() });
    }
    if metadata.mtime() <= *MTIMES.start() {
        return Err(Refused::Old { path: path.to_string(), mtime: metadata.mtime() });
    }
    Ok(Entry { path, on_disk, metadata, form })
}

fn form(on_disk: &Path, path: &TreePath, kind: FileType) -> Result<Form, Refused> {
    if kind.is_dir() {
        return Ok(Form::Folder);
    }
    if kind.is_file() {
        return Ok(Form::File);
    }
    if kind.is_symlink() {
        let target = fs::read_link(on_disk).map_err(|e| Refused::Io(on_disk.to_owned(), e))?;
        let not_utf8 = |_| Refused::NotUtf8 { path: path.as_str().into(), what: "in its target" };
        return target.into_os_string().into_string().map(Form::Symlink).map_err(not_utf8);
    }
    let kinds = [
        (kind.is_block_device(), "block device"),
        (kind.is_char_device(), "character device"),
        (kind.is_fifo(), "FIFO"),
    ];
    let kind = kinds.iter().find(|(is, _)| *is).map_or("socket", |(_, word)| word);
    Err(Refused::Special { path: path.to_string(), kind })
}
