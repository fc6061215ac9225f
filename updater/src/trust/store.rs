//! A folder of metadata that was believed, under plain names: `root.json`, `timestamp.json`, ….

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Trusted;
use crate::durable;

/// Where the state partition keeps it, below the root of the machine.
pub const STATE_FOLDER: &str = "var/lib/edeploy/tuf";
/// No kept document is longer.
const LIMIT: u64 = 16 << 20;

/// A folder of metadata.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// A root handed in on the command line: then there is no folder.
    anchor: Option<Vec<u8>>,
}

/// Why kept metadata could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{doing} {}", .path.display())]
    Io {
        /// `reading` or `writing`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A document is not there.
    #[error("{name} was never kept on this machine")]
    Missing {
        /// Its name.
        name: String,
    },
}

impl Store {
    /// The metadata in `folder`, which need not exist.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, anchor: None }
    }

    /// The folder of a lone root, whatever the file is called: where a first install starts from.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be read.
    pub fn anchor(root: &Path) -> Result<Self, StoreError> {
        let read = |source| StoreError::Io { doing: "reading", path: root.to_owned(), source };
        let anchor = fs::read(root).map_err(read)?;
        Ok(Self { folder: PathBuf::new(), anchor: Some(anchor) })
    }

    /// The document `name`; `None` if it was never kept.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if let Some(anchor) = &self.anchor {
            return Ok((name == "root.json").then(|| anchor.clone()));
        }
        let path = self.folder.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes));
        match read {
            Ok(_) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { doing: "reading", path, source }),
        }
    }

    /// Keeps `trusted`; when this returns, it is on the disk.
    ///
    /// Each document is replaced whole, the timestamp last: a power cut between two of them leaves
    /// older bounds, never an unchecked document.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save(&self, trusted: &Trusted) -> Result<(), StoreError> {
        for (name, bytes) in trusted.files() {
            let path = self.folder.join(&name);
            // A run that was killed may have left the name of what it kept to memory.
            let is_kept = fs::read(&path).is_ok_and(|kept| kept == bytes);
            let done = if is_kept { durable::settle(&path) } else { durable::replace(&path, bytes, 0o644) };
            done.map_err(|source| StoreError::Io { doing: "writing", path, source })?;
        }
        Ok(())
    }
}
