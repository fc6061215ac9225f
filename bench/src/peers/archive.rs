//! Peers that work on one archive of the tree, or on two folders: xdelta3, zstd, rsync's batch.

use std::path::Path;

use crate::error::Result;
use crate::folder;
use crate::run::{Call, Ended};

/// xdelta3 at its best, with a window as large as the older archive.
///
/// # Errors
/// When it fails.
pub fn xdelta3(from: &Path, to: &Path, out: &Path) -> Result<Ended> {
    let window = folder::bytes(from)?.next_multiple_of(1 << 20);
    let call = Call::new("xdelta3").words("-e -9 -f -B").arg(window.to_string());
    call.arg("-s").args([from, to, out]).measure()
}

/// zstd with the older archive as its dictionary.
///
/// # Errors
/// When it fails.
pub fn zstd_patch(level: &str, from: &Path, to: &Path, out: &Path) -> Result<Ended> {
    let call = Call::new("zstd").words("-q -f --long=31").arg(level).option("--patch-from", from);
    call.arg(to).arg("-o").arg(out).measure()
}

/// The whole archive, compressed.
///
/// # Errors
/// When it fails.
pub fn zstd_whole(to: &Path, out: &Path) -> Result<Ended> {
    Call::new("zstd").words("-q -f -19 -T2").arg(to).arg("-o").arg(out).measure()
}

/// rsync's batch: what it would send, in a file.
///
/// # Errors
/// When it fails.
pub fn rsync_batch(from: &Path, to: &Path, out: &Path) -> Result<Ended> {
    let call = Call::new("rsync").words("-aHAX --numeric-ids --delete --no-whole-file");
    let slash = |path: &Path| {
        let mut text = path.as_os_str().to_owned();
        text.push("/");
        text
    };
    call.option("--only-write-batch", out).arg(slash(to)).arg(slash(from)).measure()
}
