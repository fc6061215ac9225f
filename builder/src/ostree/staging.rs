//! Objects on their way into the repository: whole and durable before they have the name that makes them count.
//!
//! They wait in a folder of their own in the repository's `tmp`. What a killed build leaves there libostree removes a day
//! later, as it does with its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use edeploy_format::tuf::Sha256;
use ostree::ObjectType;
use tempfile::TempDir;

use super::check::place;

/// The objects of one commit.
pub(super) struct Staging {
    repository: PathBuf,
    folder: TempDir,
    any: AtomicBool,
}

impl Staging {
    /// None yet, for the repository in a folder.
    pub(super) fn new(repository: &Path) -> io::Result<Self> {
        let tmp = repository.join("tmp");
        fs::create_dir_all(&tmp)?;
        let folder = tempfile::Builder::new().prefix("rolebuild-").tempdir_in(tmp)?;
        Ok(Self { repository: repository.to_owned(), folder, any: AtomicBool::new(false) })
    }

    /// Whether an object is in the repository, or on its way.
    pub(super) fn has(&self, checksum: &Sha256) -> bool {
        let there = place(&checksum.to_string(), ObjectType::File);
        self.repository.join(&there).exists() || self.folder.path().join(&there).exists()
    }

    /// Lays an object down; when another thread did already, that one stays.
    pub(super) fn add(&self, checksum: &Sha256, object: &[u8]) -> io::Result<()> {
        let path = self.folder.path().join(place(&checksum.to_string(), ObjectType::File));
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        self.any.store(true, Ordering::Relaxed);
        match OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path) {
            Ok(mut file) => file.write_all(object),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives all their names. The names are durable with the next barrier on the file system.
    pub(super) fn put(self) -> io::Result<()> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Barrier: an object that has its name is taken for whole by all builds to come.
        rustix::fs::syncfs(File::open(self.folder.path())?)?;
        for folder in fs::read_dir(self.folder.path().join("objects"))? {
            let folder = folder?;
            let to = self.repository.join("objects").join(folder.file_name());
            fs::create_dir_all(&to)?;
            for object in fs::read_dir(folder.path())? {
                let object = object?;
                fs::rename(object.path(), to.join(object.file_name()))?;
            }
        }
        Ok(())
    }
}
