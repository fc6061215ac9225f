//! Times of modification: none is later than the build says it was.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::FinishError;
use crate::scan::{Entry, Refused, walk};

/// Sets every later time in the tree to `epoch`, links themselves included.
pub(super) fn clamp(root: &Path, epoch: u64) -> Result<(), FinishError> {
    let limit = i64::try_from(epoch).unwrap_or(i64::MAX);
    let then = Timespec { tv_sec: limit, tv_nsec: 0 };
    let times = Timestamps { last_access: then, last_modification: then };
    walk(root, &mut |entry: Entry| -> Result<(), FinishError> {
        if entry.metadata.mtime() >= limit {
            utimensat(CWD, &entry.on_disk, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|e| Refused::Io(entry.on_disk, e.into()))?;
        }
        Ok(())
    })
}
