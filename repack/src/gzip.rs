//! Members that GNU gzip wrote: everything after the header, which is raw.
//!
//! Deflate streams differ by who wrote them, so the packing side does what GNU gzip 1.x does when it reads
//! a regular file: its window and when it slides, how it looks for matches, when it ends a block.
//! zlib has the same ancestor but other answers in all three. The format is RFC 1951 and RFC 1952.

mod bits;
mod block;
mod crc;
mod deflate;
mod effort;
mod huffman;
mod inflate;
mod symbol;
mod window;

use std::io::Write;

use super::form::Level;
use super::history::History;
use super::input::Input;
use super::{RepackError, RepackError::Write as Unwritable};

/// Reads a member. The check sum and the length are skipped: the caller hashes what it gets.
pub(super) fn unpack(from: &mut Input, to: &mut History) -> Result<(), RepackError> {
    inflate::inflate(from, to)
}

/// Packs the next `length` bytes.
pub(super) fn pack(
    from: &mut Input,
    length: u64,
    level: Level,
    to: &mut dyn Write,
) -> Result<(), RepackError> {
    let sum = deflate::deflate(from, length, level, to)?;
    // RFC 1952: the length modulo 2^32.
    let trailer = u64::from(sum) | length << 32;
    to.write_all(&trailer.to_le_bytes()).map_err(Unwritable)
}
