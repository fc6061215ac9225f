//! QEMU as a black box.
