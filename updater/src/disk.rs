//! Disks: the partition table of an installed machine.

pub mod gpt;
