//! Mount points for the paths that belong to the machine.

use super::FinishError;
use crate::recipe::value::Persistent;
use crate::tree::Tree;

/// Makes those that the tree does not have: an empty folder or an empty file.
pub(super) fn mount_points(tree: &Tree, paths: &[Persistent]) -> Result<(), FinishError> {
    for Persistent { path, folder } in paths {
        match tree.metadata(path.as_str())? {
            Some(found) if found.is_symlink() => {
                let reason = "a persistent path cannot be a symbolic link in the tree".to_owned();
                return Err(FinishError::Lay { path: path.as_str().into(), reason });
            }
            Some(_) => {}
            None if *folder => tree.make_folder(path.as_str())?,
            None => tree.write(path.as_str(), b"", 0o644)?,
        }
    }
    Ok(())
}
