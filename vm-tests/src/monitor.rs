//! QEMU's monitor: what is done to a machine that runs. Its answers are not read.

use std::io::Write;
use std::process::ChildStdin;

/// The monitor of a machine.
pub(crate) struct Monitor(ChildStdin);

impl Monitor {
    /// The one that reads what is written to `input`.
    pub(crate) fn new(input: ChildStdin) -> Self {
        Self(input)
    }

    /// Pulls the plug of a network device, or puts it back.
    ///
    /// # Panics
    /// If QEMU reads no more.
    pub(crate) fn plug(&mut self, device: &str, is_in: bool) {
        let state = if is_in { "on" } else { "off" };
        writeln!(self.0, "set_link {device} {state}").expect("QEMU runs");
    }

    /// Takes a device out of its slot.
    ///
    /// # Panics
    /// If QEMU reads no more.
    pub(crate) fn take_out(&mut self, device: &str) {
        writeln!(self.0, "device_del {device}").expect("QEMU runs");
    }

    /// Puts a device, as QEMU describes it, into its slot.
    ///
    /// # Panics
    /// If QEMU reads no more.
    pub(crate) fn put_in(&mut self, device: &str) {
        writeln!(self.0, "device_add {device}").expect("QEMU runs");
    }
}
