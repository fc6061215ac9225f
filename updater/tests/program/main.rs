//! The real binary on real images: what is typed, what it says, its exit code, and what it leaves.
//! Needs root, as the product does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(dead_code, unreachable_pub, reason = "support is shared by several tests")]

mod answers;
mod bad_disk;
mod bad_hook;
mod bad_manifest;
mod bad_server;
mod bad_site;
mod bad_state;
mod clock;
mod delta;
mod documented;
mod dying;
#[path = "../support/dying_site.rs"]
mod dying_site;
mod failing;
mod full;
mod journal;
mod lab;
mod limits;
mod many;
mod own_delta;
mod repair;
mod set_up;
#[path = "../support/site.rs"]
mod site;
mod swapped;
mod syncs;
mod texts;
#[path = "../slot/support/version.rs"]
mod version;
