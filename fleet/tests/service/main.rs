//! The whole service, as a program over loopback, with machines that are written here.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod api;
mod browser;
mod crowd;
mod document;
mod fleet;
mod flow;
mod guide;
mod hostile;
mod newest;
mod pages;
mod profiles;
mod toy;
