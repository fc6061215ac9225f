//! A program that must not outlive us: the kernel kills it when we die, whatever kills us.
#![allow(unsafe_code, reason = "what runs between fork and exec is not checked by the compiler")]

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

/// Ties the program to the thread that starts it, which must wait for it.
pub(super) fn die_with_us(command: &mut Command) {
    // SAFETY: the closure makes one system call; it takes no lock, and no memory from the heap.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
}
