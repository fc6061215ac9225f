//! A machine whose disks have a write cache and a power switch: the power-cut tests.
//!
//! The updater's own policy, steps and ESP code run on simulated disks. The power is cut at every
//! effect (a sector written, a barrier passed), and of the writes that no barrier has made durable every
//! subset may survive; the boot model then says what boots, and the promises P1-P9 of
//! `docs/architecture.md` must hold. See `power.rs` for what is tried, and `commit.rs` for disks that fail.
#![allow(clippy::unwrap_used, reason = "a fault of the simulator itself is a failed test")]

mod commit;
mod cuts;
mod disk;
mod esp;
mod fault;
mod firmware;
mod machine;
mod plan;
mod power;
mod promises;
mod tree;
