//! Writing out what a slot has got while it gets more, so that the disk does not wait for the processors. It promises
//! nothing: the barrier comes when the slot is filled.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{fstatvfs, syncfs};
use rustix::io::Result;

/// So often it is looked how much came.
const LOOK: Duration = Duration::from_millis(20);
/// So many bytes are worth a call; the kernel itself begins to write when much more of its memory waits.
const ENOUGH: u64 = 64 << 20;

/// Ends the writing out when it goes out of scope, whatever ended the filling.
pub(super) struct Ended<'a>(pub(super) &'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Writes out what is there, and what comes until that has `ended`.
pub(super) fn write_out(slot: BorrowedFd<'_>, ended: &AtomicBool) -> Result<()> {
    let free = || fstatvfs(slot).map(|found| found.f_bfree.saturating_mul(found.f_frsize));
    syncfs(slot)?;
    let mut before = free()?;
    while !ended.load(Ordering::Acquire) {
        thread::sleep(LOOK);
        let now = free()?;
        if before.saturating_sub(now) >= ENOUGH {
            syncfs(slot)?;
            before = now;
        }
    }
    Ok(())
}
