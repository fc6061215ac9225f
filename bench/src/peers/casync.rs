//! casync: a tree as chunks, cut where the content says; a host fetches the chunks that it cannot make of what it has.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::folder;
use crate::run::{Call, Ended};

/// Chunks of a tree, and the index that lists them.
#[derive(Clone, Debug)]
pub struct Chunked {
    folder: PathBuf,
}

impl Chunked {
    /// In a folder.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The index.
    pub fn index(&self) -> PathBuf {
        self.folder.join("tree.caidx")
    }

    /// The chunks.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Cuts a tree into chunks of 64 KiB on average.
    ///
    /// # Errors
    /// When casync fails.
    pub fn make(&self, tree: &Path) -> Result<Ended> {
        folder::fresh(&self.folder)?;
        self.again(tree)
    }

    /// The same where the chunks are there already.
    ///
    /// # Errors
    /// When casync fails.
    pub fn again(&self, tree: &Path) -> Result<Ended> {
        let call = Call::new("casync").arg("make").option("--store", self.store());
        call.arg(self.index()).arg(tree).measure()
    }

    /// Puts the tree into a folder, from the chunks and from an older tree.
    pub fn extract(&self, seed: &Path, to: &Path) -> Call {
        Call::shell("casync extract --store=\"$1\" --seed=\"$2\" \"$3\" \"$4\" && sync -f \"$4\"").args([
            &*self.store(),
            seed,
            &self.index(),
            to,
        ])
    }

    /// What a host with the older chunks fetches: the other chunks, and the index.
    ///
    /// # Errors
    /// When the folders cannot be read.
    pub fn fetched_after(&self, older: &Chunked) -> Result<u64> {
        let name = |path: &Path| path.file_name().map(ToOwned::to_owned);
        let known: HashSet<_> =
            folder::files(&older.store())?.iter().filter_map(|(path, _)| name(path)).collect();
        let new = folder::files(&self.store())?;
        let new = new.iter().filter(|(path, _)| name(path).is_some_and(|name| !known.contains(&name)));
        Ok(new.map(|(_, length)| length).sum::<u64>() + folder::bytes(&self.index())?)
    }
}
