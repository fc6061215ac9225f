//! What an upgrade would do and cost, before anything is touched.
//!
//! Two questions, two sets of streams. What changes for the machine: the new manifest beside the
//! running one, and the running slot beside the rules. What it costs: the new manifest beside the
//! inactive slot's, whose files count as there when the slot has a file of that size at that path, as do
//! those that an interrupted run wrote, which have the new version's size and time; then the running slot's
//! index, then the pack's. Nothing is hashed, so the cost is an estimate of what filling will find; a slot
//! that holds less than its manifest says costs more.

mod changes;
mod cost;
mod room;

use std::fs::File;

use edeploy_format::manifest::ManifestError;

use super::frames::{Download, FramesError};
use super::index::Index;
use super::kept::Kept;
use super::merge::MergeError;
use super::tree::{Fault, Tree};

pub use changes::Change;
pub use room::{Need, NoRoom};

/// What a plan is made from.
pub struct Planning<'a> {
    /// The verified manifest of the new version.
    pub manifest: &'a File,
    /// The verified index of its pack.
    pub pack_index: &'a File,
    /// The verified index of the delta from what runs, else of that of the version from itself, if one is published.
    pub delta_index: Option<&'a File>,
    /// The partition of the inactive slot, in bytes.
    pub partition: u64,
    /// The rules of the transition.
    pub kept: &'a Kept,
    /// The running slot, if there is one.
    pub running: Option<PlannedFrom<'a>>,
    /// The inactive slot, and its own manifest if it has one.
    pub inactive: Option<(&'a Tree, Option<&'a File>)>,
}

/// The running slot.
#[derive(Clone, Copy)]
pub struct PlannedFrom<'a> {
    /// Its tree; see [`Mount::alone`](crate::disk::mount::Mount::alone).
    pub tree: &'a Tree,
    /// Its manifest.
    pub manifest: &'a File,
    /// What its manifest holds, less what it excludes.
    pub index: &'a Index<'a>,
}

/// What an upgrade would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Paths that the new version has and the running one has not.
    pub added: u64,
    /// Paths that differ in anything a manifest records.
    pub changed: u64,
    /// Paths that the running version has and the new one has not.
    pub removed: u64,
    /// Paths of the running slot that are carried over.
    pub kept: u64,
    /// Bytes that the inactive slot holds already.
    pub already: u64,
    /// Bytes to copy from the running slot's tree.
    pub copied: u64,
    /// Bytes to make by the delta.
    pub patched: u64,
    /// Bytes to write from the pack.
    pub fetched: u64,
    /// Bytes to carry over.
    pub carried: u64,
    /// What is downloaded of the pack and the delta.
    pub download: Download,
    /// What of it is the delta's.
    pub by_delta: Download,
    /// What the slot must have.
    pub need: Need,
}

impl Plan {
    /// Bytes to write to the slot.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.copied + self.patched + self.fetched + self.carried
    }
}

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A manifest cannot be read.
    #[error("the manifest of the {of}")]
    Manifest {
        /// Whose.
        of: &'static str,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// The running slot cannot be walked.
    #[error("the running slot")]
    Running(#[from] MergeError),
    /// The inactive slot cannot be looked at.
    #[error("the inactive slot")]
    Inactive(#[source] Fault),
    /// The pack's index cannot be read.
    #[error(transparent)]
    Pack(#[from] FramesError),
}

impl Planning<'_> {
    /// Plans, and tells `on` of every path that changes, in walking order: first those kept, then the
    /// others.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn run(&self, on: &mut dyn FnMut(Change, &str)) -> Result<Plan, PlanError> {
        let mut plan = Plan::default();
        self.carried(&mut plan, on)?;
        self.changes(&mut plan, on)?;
        match self.cost(plan) {
            // What an interrupted upgrade left is no manifest, or no tree of it: it counts as empty.
            Err(PlanError::Inactive(_) | PlanError::Manifest { of: INACTIVE, .. }) => {
                Self { inactive: None, ..*self }.cost(plan)
            }
            planned => planned,
        }
    }
}

const NEW: &str = "new version";
const RUNNING: &str = "running slot";
const INACTIVE: &str = "inactive slot";

fn of(of: &'static str) -> impl Fn(ManifestError) -> PlanError {
    move |source| PlanError::Manifest { of, source }
}
