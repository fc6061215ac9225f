//! The source of a file, read byte by byte or run by run, with one buffer for all its parts.

use std::io::{self, Read, Write};

use super::RepackError;

const BUFFER: usize = 32 << 10;

pub(super) struct Input<'a> {
    from: &'a mut dyn Read,
    buffer: Vec<u8>,
    at: usize,
    /// Bytes that the buffer held before.
    gone: u64,
}

impl<'a> Input<'a> {
    pub(super) fn new(from: &'a mut dyn Read) -> Self {
        Self { from, buffer: Vec::new(), at: 0, gone: 0 }
    }

    /// How many bytes were taken.
    pub(super) fn taken(&self) -> u64 {
        self.gone + self.at as u64
    }

    /// Makes sure that bytes are at hand; false at the end.
    fn fill(&mut self) -> Result<bool, RepackError> {
        while self.at == self.buffer.len() {
            self.gone += self.at as u64;
            self.at = 0;
            self.buffer.resize(BUFFER, 0);
            match self.from.read(&mut self.buffer) {
                Ok(0) => {
                    self.buffer.clear();
                    return Ok(false);
                }
                Ok(n) => self.buffer.truncate(n),
                Err(e) => {
                    self.buffer.clear();
                    if e.kind() != io::ErrorKind::Interrupted {
                        return Err(RepackError::Read(e));
                    }
                }
            }
        }
        Ok(true)
    }

    /// The next bytes: at least one, at most `most`.
    pub(super) fn run(&mut self, most: u64) -> Result<&[u8], RepackError> {
        if !self.fill()? {
            return Err(RepackError::Length);
        }
        let begin = self.at;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        self.at += most.min(self.buffer.len() - begin);
        Ok(&self.buffer[begin..self.at])
    }

    pub(super) fn byte(&mut self) -> Result<u8, RepackError> {
        if self.at == self.buffer.len() && !self.fill()? {
            return Err(RepackError::Length);
        }
        self.at += 1;
        Ok(self.buffer[self.at - 1])
    }

    /// The next four bytes as a number, the lowest first.
    pub(super) fn word(&mut self) -> Result<u32, RepackError> {
        let mut word = 0;
        for shift in [0, 8, 16, 24] {
            word |= u32::from(self.byte()?) << shift;
        }
        Ok(word)
    }

    /// Fills `bytes`.
    pub(super) fn exact(&mut self, mut bytes: &mut [u8]) -> Result<(), RepackError> {
        while !bytes.is_empty() {
            let run = self.run(bytes.len() as u64)?;
            let (now, later) = bytes.split_at_mut(run.len());
            now.copy_from_slice(run);
            bytes = later;
        }
        Ok(())
    }

    /// Writes the next `length` bytes.
    pub(super) fn copy(&mut self, mut length: u64, to: &mut dyn Write) -> Result<(), RepackError> {
        while length > 0 {
            let run = self.run(length)?;
            to.write_all(run).map_err(RepackError::Write)?;
            length -= run.len() as u64;
        }
        Ok(())
    }

    /// Nothing may follow.
    pub(super) fn end(&mut self) -> Result<(), RepackError> {
        if self.fill()? { Err(RepackError::Length) } else { Ok(()) }
    }
}
