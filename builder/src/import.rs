//! A tree from an archive or from a folder: everything of it, owners, attributes and hard links included.
//!
//! What lies in an archive's `/dev` is left out: no role has it, and an ordinary user could not make it.

use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;

use crate::failure::Fault;
use crate::tool::{Call, Tool, ToolError};

/// Why there is no tree to begin with.
#[derive(Debug, thiserror::Error)]
#[error("importing {from}")]
pub struct ImportError {
    from: PathBuf,
    source: ToolError,
}

impl Fault for ImportError {
    fn exit(&self) -> Exit {
        match &self.source {
            ToolError::Failed { .. } => Exit::Input,
            ToolError::Missing { .. } | ToolError::Start { .. } => self.source.exit(),
        }
    }
}

fn failed(from: &Path) -> impl FnOnce(ToolError) -> ImportError {
    let from = from.to_owned();
    move |source| ImportError { from, source }
}

/// Unpacks an archive, compressed or not, into the empty folder `to`.
///
/// # Errors
/// [`ImportError`] when tar fails.
pub fn from_tar(archive: &Path, to: &Path) -> Result<(), ImportError> {
    let call = Call::new(Tool::Tar)
        .args(["--extract", "--preserve-permissions", "--same-owner", "--numeric-owner"])
        .args(["--acls", "--xattrs", "--xattrs-include=*", "--warning=no-timestamp"])
        .args(["--anchored", "--exclude=./dev/*", "--exclude=dev/*"])
        .option("--file", archive)
        .option("--directory", to);
    call.run().map(|_| ()).map_err(failed(archive))
}

/// Copies a folder into the empty folder `to`.
///
/// # Errors
/// [`ImportError`] when cp fails.
pub fn from_dir(folder: &Path, to: &Path) -> Result<(), ImportError> {
    let call = Call::new(Tool::Cp).args(["--archive", "--reflink=auto", "--"]).arg(folder.join(".")).arg(to);
    call.run().map(|_| ()).map_err(failed(folder))
}
