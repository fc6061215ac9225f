//! From a tree as Debian or an archive gives it to a role's tree: what every machine may share, and nothing else.
//!
//! [`defaults`] comes before the recipe's files are laid, so that a recipe can replace what it writes; [`finish`]
//! comes last. `docs/formats.md` lists everything they write.

mod boot;
mod clean;
mod lay;
mod machine;
mod persistent;
pub mod secrets;
mod var;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use edeploy_format::exit::Exit;
use edeploy_format::limits::{self, BadLimit, Limits};
use edeploy_format::path::TreePath;

use crate::failure::Fault;
use crate::initrd::Defect;
use crate::keys::Needles;
use crate::progress::Progress;
use crate::recipe::Recipe;
use crate::recipe::value::InitrdForm;
use crate::scan::{Refused, Survey};
use crate::tree::{Tree, TreeError};
pub use boot::Boot;
pub use clean::remove;
pub use lay::lay_files;
pub use machine::defaults;
pub use secrets::Secret;

/// Why a tree cannot be finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// The tree cannot be changed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The tree holds what no role may hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The tree holds what must be unique to a machine.
    #[error(transparent)]
    Secret(#[from] Secret),
    /// Kernel, initrd or loader is missing or there is more than one.
    #[error("{0}")]
    Boot(String),
    /// The initrd is broken.
    #[error("/{path}")]
    Initrd {
        /// The file in the tree.
        path: TreePath,
        /// What is wrong with it.
        #[source]
        source: Defect,
    },
    /// A file of the recipe, or the updater, cannot be laid.
    #[error("{path}: {reason}")]
    Lay {
        /// The file on this machine.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of this machine cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The limits of health are wrong.
    #[error("/{}", limits::PATH)]
    Limits(#[source] BadLimit),
}

impl Fault for FinishError {
    fn exit(&self) -> Exit {
        match self {
            Self::Tree(error) => error.exit(),
            Self::Refused(error) => error.exit(),
            Self::Secret(_) | Self::Boot(_) | Self::Initrd { .. } | Self::Lay { .. } | Self::Limits(_) => {
                Exit::Input
            }
            Self::Read { .. } => Exit::Failed,
        }
    }
}

/// Makes the tree what a slot may hold; gives what it boots and what it amounts to. `updater` is the host binary on this machine,
/// `signing` what no file may hold of the keys of the site.
///
/// # Errors
/// [`FinishError`] names what cannot be in a role's tree.
pub fn finish(
    tree: &Tree,
    recipe: &Recipe,
    updater: &Path,
    signing: &Needles,
    progress: &Progress,
) -> Result<(Boot, Survey), FinishError> {
    if recipe.exclude_docs {
        clean::docs(tree)?;
    }
    clean::traces(tree)?;
    secrets::remove(tree)?;
    lay::edeploy(tree, recipe, updater)?;
    check_limits(tree)?;
    persistent::mount_points(tree, &recipe.persistent)?;
    var::to_factory(tree)?;
    secrets::check(tree, &recipe.private_keys)?;
    let boot = boot::find(tree, &recipe.architecture)?;
    // Unpacking it takes as long as looking at all the rest.
    let survey = thread::scope(|scope| {
        let plain =
            (recipe.initrd == InitrdForm::Plain).then(|| scope.spawn(|| boot::plain(tree, &boot.initrd)));
        secrets::check_signing(tree, signing, &boot.initrd, || {
            let Some(plain) = plain else { return Ok(()) };
            match plain.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))? {
                Some(plain) => boot::replace(tree, &boot.initrd, &plain)?,
                None => progress
                    .note(&format!("/{} is no cpio archive, compressed or not: kept as it is", boot.initrd)),
            }
            Ok(())
        })
    })?;
    Ok((boot, survey))
}

/// The host takes defaults for what is wrong in this file; here is where a mistake must be found.
fn check_limits(tree: &Tree) -> Result<(), FinishError> {
    let Some(text) = tree.read(limits::PATH)? else { return Ok(()) };
    let parsed = String::from_utf8_lossy(&text).parse::<Limits>();
    parsed.map(|_| ()).map_err(FinishError::Limits)
}
