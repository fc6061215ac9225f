//! A program that must not outlive us: the kernel kills it when we die, whatever kills us. What it started itself
//! is not reached. And one whose mounts must not outlive it.
#![allow(unsafe_code, reason = "what runs between fork and exec is not checked by the compiler")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Ties the program to the thread that starts it, which must wait for it.
pub(crate) fn die_with_us(command: &mut Command) {
    let parent = getpid();
    let tie = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that died before sends no signal any more.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::Interrupted.into()) }
    };
    // SAFETY: the closure makes two system calls; it takes no lock, and no memory from the heap.
    unsafe { command.pre_exec(tie) };
}

/// Gives the program a mount namespace of its own, as ours is now: what it mounts goes when it and all it started
/// have ended.
pub(crate) fn mounts_apart(command: &mut Command) {
    // SAFETY: only `FILES` could take descriptors from other threads; this is `NEWNS`.
    let part = || Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?);
    // SAFETY: the closure makes one system call; it takes no lock, and no memory from the heap.
    unsafe { command.pre_exec(part) };
}
