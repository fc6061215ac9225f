//! A machine whose disks have a write cache and a power switch: the power-cut tests.
#![allow(clippy::unwrap_used, reason = "a fault of the simulator itself is a failed test")]

mod cuts;
mod disk;
mod esp;
