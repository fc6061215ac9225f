//! Slots on real ext4 file systems: filled, verified, planned, carried over. Needs root, as the product does.
#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

mod carry;
mod delta;
mod fill;
mod hostile;
mod hostile_delta;
mod own_delta;
mod plan;
mod resume;
mod scale;
mod support;
mod verify;
