//! Bytes taken apart into the parts that a target needs.

/// What is left of the bytes.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next bytes, fewer at the end.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// The next two bytes, the low one first.
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    /// The next eight bytes.
    pub(crate) fn long(&mut self) -> u64 {
        (0..8).fold(0, |number, shift| number | u64::from(self.byte()) << (8 * shift))
    }

    /// What stands before the next `end`, which is passed over; all that is left where there is none.
    pub(crate) fn until(&mut self, end: u8) -> &'a [u8] {
        let length = self.0.iter().position(|b| *b == end).unwrap_or(self.0.len());
        let taken = self.take(length);
        self.take(1);
        taken
    }
}
