//! The installer's flow against a service and a site of the test's own, onto a disk in a file. Needs root, as the
//! product does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![allow(dead_code, unreachable_pub, reason = "support is shared by several tests")]

mod away;
mod durable;
#[path = "../support/dying_site.rs"]
mod dying_site;
mod flow;
#[path = "../program/lab.rs"]
mod lab;
mod lan;
#[path = "../detect/machine.rs"]
mod machine;
mod repository;
mod service;
#[path = "../support/site.rs"]
mod site;
#[path = "../slot/support/version.rs"]
mod version;
