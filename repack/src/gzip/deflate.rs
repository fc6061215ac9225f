//! GNU gzip's deflate: which matches it takes.

use std::io::Write;

use super::super::RepackError;
use super::super::form::Level;
use super::super::input::Input;
use super::bits::BitWriter;
use super::block::Block;
use super::effort::Effort;
use super::symbol::LEAST;
use super::window::{Match, Window};

/// A match of the least length does not pay beyond this distance.
const TOO_FAR: usize = 4096;
const NONE: Match = Match { length: LEAST - 1, distance: 0 };

struct Deflate<'a, 'b> {
    from: &'a mut Input<'b>,
    to: &'a mut dyn Write,
    window: Window,
    block: Block,
    bits: BitWriter,
    effort: Effort,
}

/// Writes the next `length` bytes as a deflate stream; returns their check sum.
pub(super) fn deflate(
    from: &mut Input,
    length: u64,
    level: Level,
    to: &mut dyn Write,
) -> Result<u32, RepackError> {
    let effort = Effort::of(level);
    let window = Window::new(from, length)?;
    let (block, bits) = (Block::new(effort.ends_early), BitWriter::default());
    let mut stream = Deflate { from, to, window, block, bits, effort };
    if effort.looks_ahead {
        stream.best_of_two()?;
    } else {
        stream.first_come()?;
    }
    stream.end_block(true)?;
    Ok(stream.window.sum.finish())
}

impl Deflate<'_, '_> {
    /// Takes each match that is found.
    fn first_come(&mut self) -> Result<(), RepackError> {
        while self.window.ahead > 0 {
            let place = self.window.enter();
            let found = self.window.longest(place, NONE.length, &self.effort).unwrap_or(NONE);
            let is_full = if found.length < LEAST {
                let is_full = self.block.literal(self.window.here(), self.window.block);
                self.window.step();
                is_full
            } else {
                let is_full = self.block.refer(found, self.window.block);
                if found.length <= self.effort.lazy {
                    self.enter_next(found.length - 1);
                    self.window.step();
                } else {
                    self.window.skip(found.length);
                }
                is_full
            };
            if is_full {
                self.end_block(false)?;
            }
            self.window.fill(self.from)?;
        }
        Ok(())
    }

    /// Takes a match only if there is no longer one at the next byte; else that byte is a literal.
    fn best_of_two(&mut self) -> Result<(), RepackError> {
        let mut found = NONE;
        let mut is_literal_open = false;
        while self.window.ahead > 0 {
            let place = self.window.enter();
            let before = found;
            found = self.better(place, before);
            if before.length >= LEAST && found.length <= before.length {
                let is_full = self.block.refer(before, self.window.block);
                self.enter_next(before.length - 2);
                self.window.step();
                (found, is_literal_open) = (NONE, false);
                if is_full {
                    self.end_block(false)?;
                }
            } else {
                let is_full =
                    is_literal_open && self.block.literal(self.window.previous(), self.window.block);
                if is_full {
                    self.end_block(false)?;
                }
                is_literal_open = true;
                self.window.step();
            }
            self.window.fill(self.from)?;
        }
        if is_literal_open {
            self.block.literal(self.window.previous(), self.window.block);
        }
        Ok(())
    }

    /// A match here that is better than the one a byte before.
    fn better(&self, place: usize, before: Match) -> Match {
        if before.length >= self.effort.lazy {
            return NONE;
        }
        let found = self.window.longest(place, before.length, &self.effort).unwrap_or(NONE);
        if found.length == LEAST && found.distance > TOO_FAR { NONE } else { found }
    }

    /// Goes on byte by byte, and enters each place.
    fn enter_next(&mut self, count: usize) {
        for _ in 0..count {
            self.window.step();
            self.window.enter();
        }
    }

    fn end_block(&mut self, last: bool) -> Result<(), RepackError> {
        let (length, bytes) = (self.window.block, self.window.block_bytes());
        self.block.end(length, bytes, last, &mut self.bits);
        if last {
            self.bits.align();
        }
        self.to.write_all(&self.bits.bytes).map_err(RepackError::Write)?;
        self.bits.bytes.clear();
        self.window.block = 0;
        Ok(())
    }
}
