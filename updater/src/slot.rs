//! What is done to the tree of files inside a slot: planned, filled, verified, carried over.
//!
//! Everything works on an open folder of a mounted slot ([`Tree`]) and on manifests as open files;
//! who mounts and syncs is the caller. Trees and manifests are compared as two sorted streams, and
//! what must be found by content is kept as 16 bytes a file ([`Index`]), so that memory stays flat
//! for a million files. Nothing here trusts a name, an owner or a byte that the slot already holds.

mod beside;
mod carry;
mod choice;
mod drift;
mod entry;
mod fill;
mod frames;
mod hashing;
mod index;
mod kept;
mod merge;
mod own;
mod plan;
mod restore;
mod selection;
mod sparse;
mod survey;
mod tree;
mod verify;
mod walk;
mod xattrs;

pub use carry::{Carried, CarryError, Carrying};
pub use drift::{Difference, Drift};
pub use entry::{Entry, Found, Shape};
pub use fill::{FillError, Filled, Filling, Running};
pub use frames::{Download, Frames, FramesError};
pub use index::Index;
pub use kept::{Kept, KeptError};
pub use merge::MergeError;
pub use plan::{Change, Need, NoRoom, Plan, PlanError, PlannedFrom, Planning};
pub use survey::{Boot, SurveyError, content_at, survey};
pub use tree::{Fault, Tree};
pub use verify::{READING_BACK, Verified, Verifying};
pub use walk::Walk;
