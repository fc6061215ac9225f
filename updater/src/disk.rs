//! Disks: the partition table of an installed machine, its file systems, and images in place of disks.

pub mod cold;
pub mod fs;
pub mod gpt;
mod ioctl;
pub mod loopdev;
pub mod mount;
pub mod place;
pub mod sectors;
