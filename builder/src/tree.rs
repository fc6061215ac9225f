//! A tree of files under construction, and the only way to reach into it.
//!
//! Every path is checked component by component: no folder on the way is a symbolic link, so nothing in a tree
//! (say `etc -> /etc` in an imported archive) can lead a write out of it. What is written replaces what is there
//! and never follows a link. The tree belongs to one build; nobody changes it at the same time.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;

use crate::failure::Fault;

/// The root folder of a tree.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
}

/// Why a path of the tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A folder on the way is a symbolic link.
    #[error("{path}: {link} is a symbolic link in this tree; name the folder it points to")]
    Linked {
        /// The path that was asked for.
        path: String,
        /// The component that is a link.
        link: String,
    },
    /// The file system refused.
    #[error("{doing} {path} in the tree")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which path.
        path: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

impl Fault for TreeError {
    fn exit(&self) -> Exit {
        match self {
            Self::Linked { .. } => Exit::Input,
            Self::Io { .. } => Exit::Failed,
        }
    }
}

impl Tree {
    /// The tree below `root`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `path` lies; its last component may be a link or be missing.
    ///
    /// # Errors
    /// [`TreeError::Linked`] when a folder on the way is a symbolic link.
    pub fn at(&self, path: &str) -> Result<PathBuf, TreeError> {
        let mut here = self.root.clone();
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            here.push(part);
            if parts.peek().is_some() && here.is_symlink() {
                let link = here.strip_prefix(&self.root).unwrap_or(&here).display().to_string();
                return Err(TreeError::Linked { path: path.to_owned(), link });
            }
        }
        Ok(here)
    }

    /// What lies at `path`, links not followed; `None` when nothing does.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn metadata(&self, path: &str) -> Result<Option<fs::Metadata>, TreeError> {
        match self.at(path)?.symlink_metadata() {
            Ok(metadata) => Ok(Some(metadata)),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(failed("looking at", path)(e)),
        }
    }

    /// Whether a folder lies at `path`.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn has_folder(&self, path: &str) -> Result<bool, TreeError> {
        Ok(self.metadata(path)?.is_some_and(|m| m.is_dir()))
    }

    /// The content of the regular file at `path`; `None` when there is none.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        if !self.metadata(path)?.is_some_and(|m| m.is_file()) {
            return Ok(None);
        }
        fs::read(self.at(path)?).map(Some).map_err(failed("reading", path))
    }

    /// Makes the folder `path` and those above it, mode 0755 where they are missing.
    ///
    /// # Errors
    /// [`TreeError`], also when something else lies there.
    pub fn make_folder(&self, path: &str) -> Result<(), TreeError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make_folder(parent)?;
        }
        if self.has_folder(path)? {
            return Ok(());
        }
        let at = self.at(path)?;
        if at.is_symlink() {
            return Err(TreeError::Linked { path: path.to_owned(), link: path.to_owned() });
        }
        fs::create_dir(&at).map_err(failed("making folder", path))?;
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).map_err(failed("making folder", path))
    }

    /// Writes a regular file with this mode, in place of what is there.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn write(&self, path: &str, content: &[u8], mode: u32) -> Result<(), TreeError> {
        let at = self.clear_place(path)?;
        fs::write(&at, content).map_err(failed("writing", path))?;
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).map_err(failed("writing", path))
    }

    /// Copies a file from outside with this mode, in place of what is there.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn copy_in(&self, from: &Path, path: &str, mode: u32) -> Result<(), TreeError> {
        let at = self.clear_place(path)?;
        fs::copy(from, &at).map_err(failed("copying into", path))?;
        fs::set_permissions(&at, fs::Permissions::from_mode(mode)).map_err(failed("copying into", path))
    }

    /// Makes a symbolic link, in place of what is there.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn link(&self, path: &str, target: &str) -> Result<(), TreeError> {
        let at = self.clear_place(path)?;
        symlink(target, &at).map_err(failed("linking", path))
    }

    fn clear_place(&self, path: &str) -> Result<PathBuf, TreeError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make_folder(parent)?;
        }
        self.remove(path)?;
        self.at(path)
    }

    /// Removes what lies at `path`, a folder with all in it; says whether there was anything.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn remove(&self, path: &str) -> Result<bool, TreeError> {
        let Some(metadata) = self.metadata(path)? else { return Ok(false) };
        let at = self.at(path)?;
        let removed = if metadata.is_dir() { fs::remove_dir_all(at) } else { fs::remove_file(at) };
        removed.map(|()| true).map_err(failed("removing", path))
    }

    /// Moves what lies at `from` to `to`, whose folder is made where missing.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn rename(&self, from: &str, to: &str) -> Result<(), TreeError> {
        if let Some((parent, _)) = to.rsplit_once('/') {
            self.make_folder(parent)?;
        }
        fs::rename(self.at(from)?, self.at(to)?).map_err(failed("moving", from))
    }

    /// The names in a folder, sorted; empty when it is missing or no folder. Names that are not UTF-8 are left
    /// out: the walk of the finished tree refuses them.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn names(&self, path: &str) -> Result<Vec<String>, TreeError> {
        if !self.has_folder(path)? {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(self.at(path)?).map_err(failed("listing", path))?;
        let names = entries.map(|e| e.map(|e| e.file_name().into_string()));
        let names: Vec<_> = names.collect::<Result<_, _>>().map_err(failed("listing", path))?;
        let mut names: Vec<String> = names.into_iter().filter_map(Result::ok).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Removes everything inside the folder `path`, and keeps the folder.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn empty(&self, path: &str) -> Result<(), TreeError> {
        self.names(path)?.iter().try_for_each(|name| self.remove(&format!("{path}/{name}")).map(|_| ()))
    }
}

fn failed(doing: &'static str, path: &str) -> impl FnOnce(io::Error) -> TreeError {
    let path = path.to_owned();
    move |source| TreeError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_a_tree_leads_no_write_out_of_it() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tree = Tree::new(inside.path().to_owned());
        symlink(outside.path(), inside.path().join("etc")).unwrap();
        let error = tree.write("etc/apt/sources.list", b"", 0o644).unwrap_err();
        assert!(error.to_string().starts_with("etc: etc is a symbolic link"), "{error}");
        let error = tree.read("etc/passwd").unwrap_err();
        assert!(error.to_string().starts_with("etc/passwd: etc is a symbolic link"), "{error}");
        assert_eq!(outside.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_link_at_the_place_itself_is_replaced() {
        let (outside, inside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let victim = outside.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        let tree = Tree::new(inside.path().to_owned());
        symlink(&victim, inside.path().join("name")).unwrap();
        tree.write("name", b"new", 0o600).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
        assert_eq!(tree.read("name").unwrap().unwrap(), b"new");
        assert_eq!(tree.metadata("name").unwrap().unwrap().permissions().mode() & 0o7777, 0o600);
    }
}
