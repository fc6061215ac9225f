//! `just vm-test`: the loop in virtual machines, from published objects only.
//!
//! All tests share one site and two installed disks (`fixture`); each machine works on overlays of
//! them. They boot through the firmware and change slots by a real reboot. They need root, for loop
//! devices, and tell on standard error what they do: nobody has to watch silence.

#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

mod fixture;
mod guest;

mod bad_sector;
mod boot_model;
mod copied;
mod fall_back;
mod first_version;
mod guide;
mod install;
mod life;
mod lost_state;
mod power_cut;
mod rack;
mod repository;
mod service;
mod trunk;
