//! ostree: a repository of objects, static deltas made with bsdiff, checkouts.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{self, Result};
use crate::folder;
use crate::run::{Call, Ended};

/// A repository.
#[derive(Clone, Debug)]
pub struct Repository(PathBuf);

impl Repository {
    /// The repository in a folder.
    pub fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Makes it, empty; mode `archive` or `bare`.
    ///
    /// # Errors
    /// When ostree fails.
    pub fn init(&self, mode: &str) -> Result<()> {
        folder::remove(&self.0)?;
        self.call("init").option("--mode", mode).run().map(|_| ())
    }

    fn call(&self, command: &str) -> Call {
        Call::new("ostree").arg(command).option("--repo", &self.0)
    }

    /// Commits a tree under a name.
    pub fn commit(&self, name: &str, tree: &Path) -> Call {
        let mut from = std::ffi::OsString::from("dir=");
        from.push(tree);
        self.call("commit")
            .words("--no-bindings --timestamp=@1763000000")
            .option("--branch", name)
            .option("--tree", from)
    }

    /// Whether it has a commit of that name.
    pub fn has(&self, name: &str) -> bool {
        self.call("rev-parse").arg(name).run().is_ok()
    }

    /// Makes a static delta in one file. No content is left out of it to be fetched beside it, however large.
    ///
    /// # Errors
    /// When ostree fails.
    pub fn delta(&self, from: &str, to: &str, file: &Path) -> Result<Ended> {
        // Under its name only when it is whole.
        let new = file.with_extension("new");
        folder::remove(&new)?;
        let parent = file.parent().unwrap_or(file);
        fs::create_dir_all(parent).map_err(error::file("making", parent))?;
        let call = self.call("static-delta").words("generate --inline --min-fallback-size=0");
        let ended = call.option("--from", from).option("--to", to).option("--filename", &new).measure()?;
        fs::rename(&new, file).map_err(error::file("renaming", &new))?;
        Ok(ended)
    }

    /// Fetches a commit from another repository of this machine.
    ///
    /// # Errors
    /// When ostree fails.
    pub fn pull(&self, from: &Repository, name: &str) -> Result<()> {
        self.call("pull-local").arg(&from.0).arg(name).run().map(|_| ())
    }

    /// Checks a commit out, with hard links where it can.
    ///
    /// # Errors
    /// When ostree fails.
    pub fn checkout(&self, name: &str, to: &Path) -> Result<()> {
        self.call("checkout").arg(name).arg(to).run().map(|_| ())
    }

    /// The checksum of a commit.
    ///
    /// # Errors
    /// When there is none.
    pub fn commit_of(&self, name: &str) -> Result<String> {
        Ok(self.call("rev-parse").arg(name).run()?.trim().to_owned())
    }

    /// Applies a static delta, checks its commit out with these options, and writes all of it to the disk.
    pub fn apply(&self, delta: &Path, commit: &str, options: &str, to: &Path) -> Call {
        let script = "ostree --repo=\"$1\" static-delta apply-offline \"$2\"; \
                      ostree --repo=\"$1\" checkout $4 \"$3\" \"$5\"; sync -f \"$5\"";
        Call::shell(script).arg(&self.0).arg(delta).args([commit, options]).arg(to)
    }
}
