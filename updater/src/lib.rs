//! The host side: slots, boot entries, upgrades.

pub mod boot;
pub mod cli;
pub mod commands;
pub mod disk;
pub mod efi;
pub mod esp;
pub mod failure;
pub mod fetch;
pub mod help;
pub mod hooks;
pub mod host;
pub mod install;
pub mod installed;
pub mod journal;
pub mod lock;
pub mod machine;
pub mod planned;
pub mod program;
pub mod progress;
pub mod random;
pub mod remains;
pub mod settings;
pub mod slot;
pub mod trust;
pub mod wanted;
