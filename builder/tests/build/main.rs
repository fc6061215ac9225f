//! `rolebuild build` and `diff` as they are typed, on small trees made here.
//!
//! Owners and device nodes need root.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "test code")]

mod fixture;
mod ids;
mod initrd;
mod installer;
mod ostree;
mod published;
mod refused;
mod same;
mod tree;
mod unprivileged;
