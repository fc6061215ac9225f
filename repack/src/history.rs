//! What a decoder has written: the last 64 KiB of a member's content, which its matches refer to.
//!
//! Byte by byte: most matches and runs of literals are short, and a call for each costs more.

use std::io::Write;

use super::RepackError;

/// A power of two. LZ4's matches reach one byte less far back, those of deflate half as far.
const SIZE: usize = 64 << 10;

pub(super) struct History<'a> {
    to: &'a mut dyn Write,
    bytes: Vec<u8>,
    /// Where the next byte goes: less than [`SIZE`].
    at: usize,
    /// Whether what stands from `at` on was written, too.
    is_full: bool,
    /// How many bytes the member may still grow by.
    left: u64,
}

impl<'a> History<'a> {
    /// The history of a member that is at most `limit` long.
    pub(super) fn new(to: &'a mut dyn Write, limit: u64) -> Self {
        Self { to, bytes: vec![0; SIZE], at: 0, is_full: false, left: limit }
    }

    /// How many bytes may still come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    fn reserve(&mut self, length: usize) -> Result<(), RepackError> {
        self.left = self.left.checked_sub(length as u64).ok_or(RepackError::Length)?;
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), RepackError> {
        self.bytes[self.at] = byte;
        self.at += 1;
        if self.at == SIZE {
            self.flush()?;
            self.at = 0;
            self.is_full = true;
        }
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), RepackError> {
        self.reserve(bytes.len())?;
        bytes.iter().try_for_each(|byte| self.push(*byte))
    }

    /// Repeats `length` bytes that began `distance` bytes ago.
    pub(super) fn repeat(&mut self, distance: usize, length: usize) -> Result<(), RepackError> {
        self.reserve(length)?;
        if distance == 0 || distance > self.at && !self.is_full {
            return Err(RepackError::Member);
        }
        for _ in 0..length {
            self.push(self.bytes[self.at.wrapping_sub(distance) % SIZE])?;
        }
        Ok(())
    }

    /// Writes what is left, however long the member is.
    pub(super) fn flush(&mut self) -> Result<(), RepackError> {
        self.to.write_all(&self.bytes[..self.at]).map_err(RepackError::Write)
    }

    /// Writes what is left. The member must have reached its length.
    pub(super) fn finish(mut self) -> Result<(), RepackError> {
        self.flush()?;
        if self.left == 0 { Ok(()) } else { Err(RepackError::Length) }
    }
}
