//! Members that `lz4 -l -9` wrote: kernels.
//!
//! The legacy frame is a magic number, then for each 8 MiB a length and a block. The block format is that
//! of LZ4 (its document `lz4_Block_format.md`); which of the many blocks that unpack to the same bytes is
//! written is what level 9 of liblz4 1.9 does. Later versions may find other matches.

mod chains;
mod choice;

use std::io::Write;
use std::thread;

use super::RepackError;
use super::history::History;
use super::input::Input;

/// The first four bytes, as a number.
pub(super) const MAGIC: u32 = 0x184c_2102;
/// What one block holds, but the last, which may hold less.
pub(super) const BLOCK: u64 = 8 << 20;
/// The shortest match.
const LEAST: usize = 4;
/// Lengths from this on do not fit into a token.
const LONG: usize = 15;

/// Reads the frame of a content that is `length` long.
pub(super) fn unpack(from: &mut Input, to: &mut History, length: u64) -> Result<(), RepackError> {
    if from.word()? != MAGIC {
        return Err(RepackError::Member);
    }
    for _ in 0..length.div_ceil(BLOCK) {
        let left = to.left();
        block(from, to)?;
        if left - to.left() != left.min(BLOCK) {
            return Err(RepackError::Member);
        }
    }
    Ok(())
}

/// Reads one block and the length before it.
pub(super) fn block(from: &mut Input, to: &mut History) -> Result<(), RepackError> {
    let length = u64::from(from.word()?);
    let end = from.taken() + length;
    loop {
        let token = usize::from(from.byte()?);
        let mut literals = long(token >> 4, from)? as u64;
        while literals > 0 {
            let run = from.run(literals)?;
            literals -= run.len() as u64;
            to.append(run)?;
        }
        if from.taken() >= end {
            break;
        }
        let distance = usize::from(from.byte()?) | usize::from(from.byte()?) << 8;
        let match_length = long(token % 16, from)? + LEAST;
        to.repeat(distance, match_length)?;
    }
    // It ends with literals, and where it says.
    if from.taken() == end { Ok(()) } else { Err(RepackError::Member) }
}

/// A length: four bits of a token, and as many bytes as it takes.
fn long(bits: usize, from: &mut Input) -> Result<usize, RepackError> {
    let mut length = bits;
    if bits == LONG {
        loop {
            let byte = from.byte()?;
            length += usize::from(byte);
            if length as u64 > BLOCK {
                return Err(RepackError::Member);
            }
            if byte != u8::MAX {
                break;
            }
        }
    }
    Ok(length)
}

/// Packs the next `length` bytes, two blocks at a time: no block refers to another.
pub(super) fn pack(from: &mut Input, mut length: u64, to: &mut dyn Write) -> Result<(), RepackError> {
    to.write_all(&MAGIC.to_le_bytes()).map_err(RepackError::Write)?;
    let [mut first, mut second] = [Vec::new(), Vec::new()];
    while length > 0 {
        for bytes in [&mut first, &mut second] {
            let now = length.min(BLOCK);
            read(from, now, bytes)?;
            length -= now;
        }
        for packed in pack_two(&first, &second).iter().filter(|packed| !packed.is_empty()) {
            to.write_all(&(packed.len() as u32).to_le_bytes()).map_err(RepackError::Write)?;
            to.write_all(packed).map_err(RepackError::Write)?;
        }
    }
    Ok(())
}

/// Packs two blocks at a time, if there is a second one and a thread can be made.
fn pack_two(first: &[u8], second: &[u8]) -> [Vec<u8>; 2] {
    if second.is_empty() {
        return [choice::pack(first), Vec::new()];
    }
    thread::scope(|scope| {
        let beside = thread::Builder::new().spawn_scoped(scope, || choice::pack(second));
        let packed = choice::pack(first);
        let beside = beside.ok().and_then(|beside| beside.join().ok());
        [packed, beside.unwrap_or_else(|| choice::pack(second))]
    })
}

/// Reads as far as there is something: a length alone takes no memory.
fn read(from: &mut Input, mut length: u64, into: &mut Vec<u8>) -> Result<(), RepackError> {
    into.clear();
    while length > 0 {
        let run = from.run(length)?;
        length -= run.len() as u64;
        into.extend_from_slice(run);
    }
    Ok(())
}

/// A block that is being written.
struct Sequences(Vec<u8>);

impl Sequences {
    /// Appends literals and a match of them `distance` bytes before.
    fn put(&mut self, literals: &[u8], distance: usize, length: usize) {
        let length = length.saturating_sub(LEAST);
        self.literals(literals, length.min(LONG));
        self.0.extend_from_slice(&(distance as u16).to_le_bytes());
        self.long(length);
    }

    /// Appends a token and literals. The last of a block have no match.
    fn literals(&mut self, literals: &[u8], rest: usize) {
        self.0.push((literals.len().min(LONG) << 4 | rest) as u8);
        self.long(literals.len());
        self.0.extend_from_slice(literals);
    }

    fn long(&mut self, length: usize) {
        if let Some(mut rest) = length.checked_sub(LONG) {
            while rest >= 255 {
                self.0.push(255);
                rest -= 255;
            }
            self.0.push(rest as u8);
        }
    }
}
