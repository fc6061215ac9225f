//! A program that must not outlive us: the kernel kills it when we die, whatever kills us. What it started itself
//! is not reached.
#![allow(unsafe_code, reason = "what runs between fork and exec is not checked by the compiler")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

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
