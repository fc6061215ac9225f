//! A site from `init` on: what is published, who may sign it, and what it refuses.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod channel;
mod commands;
mod delta;
mod delta_fsck;
mod fixture;
mod fleet;
mod fsck;
mod history;
mod keys;
mod own_delta;
mod prune;
mod publish;
mod python;
mod rotate;
mod serve;
mod silence;
mod texts;
mod transition;
