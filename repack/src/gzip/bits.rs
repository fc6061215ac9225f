//! Bits of a deflate stream, the lowest of a byte first.

use super::super::RepackError;
use super::super::input::Input;

/// Takes bits off a source. It reads up to four bytes ahead: so many must follow the last.
pub(super) struct BitReader<'a, 'b> {
    from: &'a mut Input<'b>,
    held: u64,
    count: u32,
}

impl<'a, 'b> BitReader<'a, 'b> {
    pub(super) fn new(from: &'a mut Input<'b>) -> Self {
        Self { from, held: 0, count: 0 }
    }

    /// The next bits, at least 32 of them, as a number.
    pub(super) fn peek(&mut self) -> Result<usize, RepackError> {
        while self.count < 32 {
            self.held |= u64::from(self.from.byte()?) << self.count;
            self.count += 8;
        }
        Ok(self.held as usize)
    }

    /// Takes bits off that were looked at.
    pub(super) fn skip(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }

    /// The next bits, at most 16, as a number.
    pub(super) fn bits(&mut self, count: u32) -> Result<usize, RepackError> {
        let bits = self.peek()? & ((1 << count) - 1);
        self.skip(count);
        Ok(bits)
    }

    /// Throws away what is left of the byte.
    pub(super) fn align(&mut self) {
        self.skip(self.count % 8);
    }

    /// Throws away what is left of the byte and so many more, some of which were read ahead.
    pub(super) fn end(self, bytes: u32) -> Result<(), RepackError> {
        (self.count / 8..bytes).try_for_each(|_| self.from.byte().map(drop))
    }
}

/// Bits that wait to be written.
#[derive(Default)]
pub(super) struct BitWriter {
    /// Whole bytes.
    pub(super) bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    /// Appends a number of at most 16 bits.
    pub(super) fn put(&mut self, bits: usize, count: u32) {
        self.held |= (bits as u64) << self.count;
        self.count += count;
        while self.count >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    /// Fills the byte with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.count) & 7);
    }
}
