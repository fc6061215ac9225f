//! The host side: slots, boot entries, upgrades.

pub mod fetch;
