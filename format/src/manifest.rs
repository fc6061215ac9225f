//! The manifest: the whole tree of a role version, and its identity.
//!
//! A text of lines. The head is `edeploy-manifest 1`, then `key value` lines in a fixed order, then
//! an empty line; then one record per path, sorted by [`TreePath`](crate::path::TreePath) order, so that it is written and
//! read as a stream and compared with another tree by one merge. The digest of a manifest is the
//! BLAKE3 of its bytes. `docs/formats.md` gives the grammar.

mod head;
mod read;
mod record;

pub use head::{Head, HeadError};
pub use read::{ManifestError, Reader, Writer, record_at};
pub use record::{Kind, MTIMES, Owner, Record, RecordError, Xattr};

/// Where a slot keeps what the updater itself writes; no manifest may hold anything below it.
pub const SLOT_FOLDER: &str = "usr/lib/edeploy/slot";

#[cfg(test)]
mod tests;
