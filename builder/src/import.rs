//! A tree from an archive or from a folder: everything of it, owners, attributes and hard links included.

use std::path::Path;

use crate::tool::{Call, Tool, ToolError};

/// Unpacks an archive, compressed or not, into the empty folder `to`.
///
/// # Errors
/// [`ToolError`] when tar fails.
pub fn from_tar(archive: &Path, to: &Path) -> Result<(), ToolError> {
    Call::new(Tool::Tar)
        .args(["--extract", "--preserve-permissions", "--same-owner", "--numeric-owner"])
        .args(["--acls", "--xattrs", "--xattrs-include=*", "--warning=no-timestamp"])
        .option("--file", archive)
        .option("--directory", to)
        .run()
        .map(|_| ())
}

/// Copies a folder into the empty folder `to`.
///
/// # Errors
/// [`ToolError`] when cp fails.
pub fn from_dir(folder: &Path, to: &Path) -> Result<(), ToolError> {
    Call::new(Tool::Cp)
        .args(["--archive", "--reflink=auto", "--"])
        .arg(folder.join("."))
        .arg(to)
        .run()
        .map(|_| ())
}
