//! The system calls of disks that rustix has no safe form for: one function each.
//!
//! Loop devices and block caches are driven by ioctls; a private mount namespace by `unshare`.
//! Structures and numbers are those of Linux's `linux/loop.h` and `linux/fs.h`.
#![allow(unsafe_code, reason = "ioctls have no type that the compiler could check")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::ioctl::{Ioctl, IoctlOutput, NoArg, Opcode, Setter, ioctl};
use rustix::thread::{UnshareFlags, unshare_unsafe};

const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;
const BLKFLSBUF: Opcode = 0x1261;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64`.
#[repr(C)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// `LOOP_CTL_GET_FREE`, whose answer is the ioctl's own return value.
struct FreeNumber;

// SAFETY: the request takes no argument, writes nothing to memory, and 0x4C82 is its number.
unsafe impl Ioctl for FreeNumber {
    type Output = u32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<u32> {
        u32::try_from(out).map_err(|_| rustix::io::Errno::INVAL)
    }
}

/// The number of a loop device that is free now; another process may still take it first.
pub(super) fn free_loop_number(control: impl AsFd) -> io::Result<u32> {
    // SAFETY: `FreeNumber` describes the request as the kernel defines it.
    Ok(unsafe { ioctl(control, FreeNumber) }?)
}

/// Makes `device` show `size` bytes (0: all) of `backing` from `offset` on, until its last user closes it.
pub(super) fn configure_loop(
    device: impl AsFd,
    backing: BorrowedFd<'_>,
    offset: u64,
    size: u64,
    read_only: bool,
) -> io::Result<()> {
    let info = LoopInfo {
        device: 0,
        inode: 0,
        rdevice: 0,
        offset,
        size_limit: size,
        number: 0,
        encrypt_type: 0,
        encrypt_key_size: 0,
        flags: LO_FLAGS_AUTOCLEAR | if read_only { LO_FLAGS_READ_ONLY } else { 0 },
        file_name: [0; 64],
        crypt_name: [0; 64],
        encrypt_key: [0; 32],
        init: [0; 2],
    };
    let fd = u32::try_from(backing.as_raw_fd()).expect("an open descriptor is not negative");
    let config = LoopConfig { fd, block_size: 512, info, reserved: [0; 8] };
    // SAFETY: 0x4C0A reads one `struct loop_config`, which `LoopConfig` mirrors field by field.
    Ok(unsafe { ioctl(device, Setter::<LOOP_CONFIGURE, LoopConfig>::new(config)) }?)
}

/// Writes out and forgets what the kernel has cached of a block device.
pub(super) fn flush_buffers(device: impl AsFd) -> io::Result<()> {
    // SAFETY: 0x1261 takes no argument.
    Ok(unsafe { ioctl(device, NoArg::<BLKFLSBUF>::new()) }?)
}

/// Gives this thread, and the threads and children it makes, a mount namespace of its own.
pub(super) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: only `FILES` could take descriptors from other threads; this is `NEWNS`.
    Ok(unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?)
}
