//! Objects from a folder: a mounted medium, or a site on the same machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use super::{Fetch, FetchError};

/// A site as a folder.
pub struct FolderFetch {
    root: PathBuf,
}

impl FolderFetch {
    /// The site whose root is the folder `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn file(&self, path: &str) -> Result<(File, String), FetchError> {
        let full = self.root.join(path);
        let url = full.display().to_string();
        match File::open(&full) {
            Ok(file) => Ok((file, url)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Err(FetchError::NotFound { url }),
            Err(source) => Err(FetchError::Io { url, source }),
        }
    }
}

impl Fetch for FolderFetch {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let (file, url) = self.file(path)?;
        let mut bytes = Vec::new();
        let read = file.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|source| FetchError::Io { url: url.clone(), source })?;
        if bytes.len() as u64 > limit {
            return Err(FetchError::TooLong { url, limit });
        }
        Ok(bytes)
    }

    fn open(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Box<dyn Read + '_>, FetchError> {
        let (mut file, url) = self.file(path)?;
        let Some(range) = range else { return Ok(Box::new(file)) };
        file.seek(SeekFrom::Start(range.start)).map_err(|source| FetchError::Io { url, source })?;
        Ok(Box::new(super::Exactly::new(file, range.end.saturating_sub(range.start))))
    }
}
