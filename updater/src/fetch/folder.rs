//! Objects from a folder: a mounted medium, or a site on the same machine.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::rc::Rc;

use super::meter::Metered;
use super::{Fetch, FetchError, Meter, exactly, stream, whole};

/// A site as a folder.
pub struct FolderFetch<'a> {
    root: PathBuf,
    meter: Rc<Meter<'a>>,
}

impl FolderFetch<'static> {
    /// The site whose root is the folder `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self::within(root, Rc::default())
    }
}

impl<'a> FolderFetch<'a> {
    /// The same, held to limits: the folder may lie in a network.
    #[must_use]
    pub fn within(root: PathBuf, meter: Rc<Meter<'a>>) -> Self {
        Self { root, meter }
    }

    fn metered(&self, file: File) -> Box<dyn Read + '_> {
        let mut metered = Metered::new(file, &self.meter);
        stream(move |buffer| metered.read(buffer))
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

impl Fetch for FolderFetch<'_> {
    fn get(&self, path: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        let (file, url) = self.file(path)?;
        whole(&url, self.metered(file), limit)
    }

    fn open(
        &self,
        path: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Box<dyn Read + '_>, FetchError> {
        let (mut file, url) = self.file(path)?;
        if let Some(range) = &range {
            file.seek(SeekFrom::Start(range.start)).map_err(|source| FetchError::Io { url, source })?;
        }
        let file = self.metered(file);
        Ok(match range {
            Some(range) => exactly(file, range.end.saturating_sub(range.start)),
            None => file,
        })
    }
}
