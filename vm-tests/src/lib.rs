//! QEMU as a black box around the two programs.
//!
//! Machines boot through the firmware from an installed disk, never with `-kernel`; what they run
//! came to them as published objects over HTTP. Tests wait for lines, never for seconds. QEMU emulates
//! the processor (`-accel tcg`), so that the tests need no KVM.

pub mod console;
pub mod disk;
mod drive;
pub mod fleet;
pub mod guide;
pub mod hardware;
pub mod machine;
mod monitor;
pub mod nvram;
pub mod power;
pub mod rack;
pub mod shell;
pub mod site;
pub mod stick;
pub mod story;
pub mod timeline;
pub mod tool;
mod trunk;
