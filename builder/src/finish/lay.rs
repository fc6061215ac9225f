//! What is laid over a tree: the recipe's files, and what the host needs of this project.
//!
//! Everything laid belongs to root, with mode 0755 for folders and what is executable, 0644 for the rest: a checkout
//! of the recipes keeps nothing else. A script of the recipe sets what must differ. Folders that the tree has keep
//! owner and mode.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use edeploy_format::manifest::SLOT_FOLDER;
use edeploy_format::path::escape;
use edeploy_format::units::{BINARY, HEALTH_REQUIRED, HEALTH_WANTED, LAID, PERSISTENT, What};

use super::{FinishError, secrets};
use crate::recipe::Recipe;
use crate::scan::{Entry, Form, walk};
use crate::tree::Tree;

/// Lays the files below `from` over the tree.
///
/// # Errors
/// [`FinishError`], also when one of them is what must be unique to a machine.
pub fn lay_files(tree: &Tree, from: &Path) -> Result<(), FinishError> {
    walk(from, &mut |entry: Entry| -> Result<(), FinishError> {
        let path = entry.path.as_str();
        if entry.form != Form::Folder && secrets::is_secret(&entry.path) {
            let reason = "this must be unique to each machine".to_owned();
            return Err(FinishError::Lay { path: entry.on_disk, reason });
        }
        match entry.form {
            Form::Folder => tree.make_folder(path)?,
            Form::Symlink(target) => tree.link(path, &target)?,
            Form::File => {
                let executable = entry.metadata.permissions().mode() & 0o111 != 0;
                tree.copy_in(&entry.on_disk, path, if executable { 0o755 } else { 0o644 })?;
            }
        }
        Ok(())
    })
}

/// Lays the host binary, its units, the health checks and the list of persistent paths.
pub(super) fn edeploy(tree: &Tree, recipe: &Recipe, updater: &Path) -> Result<(), FinishError> {
    if !updater.is_file() {
        let reason = "there is no such file; --updater names the host binary".to_owned();
        return Err(FinishError::Lay { path: updater.to_owned(), reason });
    }
    tree.copy_in(updater, BINARY, 0o755)?;
    for laid in LAID {
        match laid.what {
            What::File(text) => tree.write(laid.path, text.as_bytes(), 0o644)?,
            What::Symlink(target) => tree.link(laid.path, target)?,
        }
    }
    let paths = recipe.persistent.iter().map(|p| escape(p.path.as_str()) + "\n");
    tree.write(PERSISTENT, paths.collect::<String>().as_bytes(), 0o644)?;
    [HEALTH_REQUIRED, HEALTH_WANTED, SLOT_FOLDER].iter().try_for_each(|folder| tree.make_folder(folder))?;
    recipe.layers.iter().filter_map(|layer| layer.health.as_deref()).try_for_each(|from| health(tree, from))
}

/// Lays the checks of one folder `health.d`: all executable, sorted into required and wanted.
fn health(tree: &Tree, from: &Path) -> Result<(), FinishError> {
    for path in files(from)? {
        let wrong = |reason: &str| FinishError::Lay { path: path.clone(), reason: reason.to_owned() };
        let to = match path.file_name().and_then(|name| name.to_str()) {
            Some("required") => HEALTH_REQUIRED,
            Some("wanted") => HEALTH_WANTED,
            Some(_) | None => return Err(wrong("health.d holds the folders required and wanted")),
        };
        for check in files(&path)? {
            let name = check.file_name().and_then(|name| name.to_str());
            let (Some(name), true) = (name, check.is_file()) else {
                return Err(wrong("a health check is a file"));
            };
            tree.copy_in(&check, &format!("{to}/{name}"), 0o755)?;
        }
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, FinishError> {
    let read = |source| FinishError::Read { path: folder.to_owned(), source };
    let paths = fs::read_dir(folder).map_err(read)?.map(|entry| entry.map(|e| e.path()));
    paths.collect::<Result<_, _>>().map_err(read)
}
