//! What belongs to the machine is carried from the running slot to the new one.
//!
//! Which paths those are, `selection.rs` says. Each is copied with owner, mode, attributes and
//! time, and replaces what the tree has there; a folder is taken over with its own metadata and keeps
//! those members of the tree's that the running slot has not. Folders that a carried path needs and
//! the tree has not are made like the running slot's. Every carried file is a file of its own. Folders of
//! the tree around carried paths keep the tree's time. A running slot that has a file where the tree
//! has a folder around carried paths, or the other way round, is refused: nobody can say what is
//! meant. Run twice, it does the same again. [`Carrying::check`] compares both slots afterwards.

mod check;
mod copy;
mod folders;

use std::fs::File;

use super::drift::Drift;
use super::entry::{Entry, Shape, shown};
use super::kept::Kept;
use super::merge::MergeError;
use super::selection::{Selected, select};
use super::tree::{Fault, Tree};
use crate::progress::Progress;
use folders::Folders;

/// What is carried where.
pub struct Carrying<'a> {
    /// The running slot, alone: see [`Mount::alone`](crate::disk::mount::Mount::alone).
    pub running: &'a Tree,
    /// The new slot, filled.
    pub slot: &'a Tree,
    /// The manifest the new slot was filled to.
    pub manifest: &'a File,
    /// The rules of the transition.
    pub kept: &'a Kept,
    /// Who is told how far it is.
    pub progress: &'a dyn Progress,
}

/// What was carried over, or compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Paths that the running slot gave.
    pub paths: u64,
    /// Bytes of their contents.
    pub bytes: u64,
}

/// Why paths cannot be carried over.
#[derive(Debug, thiserror::Error)]
pub enum CarryError {
    /// Manifest or running slot cannot be walked.
    #[error("finding what to carry over")]
    Walk(#[from] MergeError),
    /// A path of the running slot cannot be read.
    #[error("carrying from the running slot")]
    Running(#[source] Fault),
    /// A path of the new slot cannot be written.
    #[error("carrying to the new slot")]
    Slot(#[from] Fault),
    /// No slot holds such a thing.
    #[error("{path} is a device node, socket or FIFO, which no slot holds: exclude it by name or remove it")]
    Special {
        /// The path.
        path: String,
    },
    /// The tree has no folder where one is needed.
    #[error("{path} is a folder in the running slot, but not in the new version: it cannot be carried over")]
    Conflict {
        /// The path.
        path: String,
    },
    /// What was carried is not what it was carried from.
    #[error("carried over, but not the same: {0}")]
    Differs(Drift),
}

impl Carrying<'_> {
    /// Carries everything over. The caller syncs the slot afterwards.
    ///
    /// # Errors
    /// [`CarryError`]; the new slot may then hold some of the paths.
    pub fn run(&self) -> Result<Carried, CarryError> {
        self.progress.stage("carrying over what belongs to the machine", 0);
        let mut carried = Carried::default();
        let mut folders = Folders::new(self);
        select(self.manifest, self.running, self.kept, |selected| {
            match selected {
                Selected::Carried(entry) => {
                    folders.leave(&entry.path)?;
                    let bytes = self.carry(&entry, &mut folders)?;
                    self.progress.advance(bytes);
                    carried.paths += 1;
                    carried.bytes += bytes;
                }
                Selected::Stays(record) => {
                    folders.leave(record.path.as_bytes())?;
                    self.leave_group(&record, &mut folders)?;
                }
            }
            Ok::<_, CarryError>(())
        })?;
        folders.leave(b"")?;
        self.progress.done();
        Ok(carried)
    }

    /// Gives the number of bytes carried.
    fn carry(&self, entry: &Entry, folders: &mut Folders<'_>) -> Result<u64, CarryError> {
        let path = &entry.path;
        folders.make_around(path)?;
        match entry.shape {
            Shape::Folder => {
                folders.take_over(path)?;
                Ok(0)
            }
            Shape::Symlink => {
                let target = self.running.target(path).map_err(CarryError::Running)?;
                folders.vacate(path)?;
                self.slot.make_symlink(path, &target)?;
                self.restore(path)?;
                Ok(target.len() as u64)
            }
            Shape::File => {
                folders.vacate(path)?;
                let bytes = self.copy(path)?;
                self.restore(path)?;
                Ok(bytes)
            }
            Shape::Special => Err(CarryError::Special { path: shown(path) }),
        }
    }
}
