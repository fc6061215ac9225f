//! The deflate stream of a gzip member read (RFC 1951): small rather than quick.

use super::super::RepackError;
use super::super::history::History;
use super::super::input::Input;
use super::bits::BitReader;
use super::symbol::{
    DISTANCES, END, FIXED_DISTANCE, LEAST, LENGTHS, LITERALS, ORDER, REPEATS, distance_of, fixed, length_of,
};

/// How many bytes are behind the stream.
const TRAILER: u32 = 8;
/// The longest code.
const LONGEST: usize = 15;
/// Codes of up to so many bits are looked up, longer ones are read bit by bit.
const QUICK: u32 = 9;

/// A canonical code.
struct Code {
    /// By the bits that come, 16 times the symbol, plus the length of its code; 0 where that is longer.
    quick: [u16; 1 << QUICK],
    /// How many symbols have each length.
    counts: [u16; LONGEST + 1],
    /// The symbols from the shortest to the longest.
    symbols: Vec<u16>,
}

impl Code {
    /// The code with these lengths; more symbols than they have room for are an error.
    fn new(lengths: &[u8]) -> Result<Self, RepackError> {
        let mut counts = [0; LONGEST + 1];
        let mut symbols = Vec::with_capacity(lengths.len());
        let mut room = 1_i32;
        for (length, count) in (0_u8..).zip(&mut counts).skip(1) {
            let before = symbols.len();
            symbols
                .extend(lengths.iter().zip(0_u16..).filter(|(l, _)| **l == length).map(|(_, symbol)| symbol));
            *count = (symbols.len() - before) as u16;
            room = 2 * room - i32::from(*count);
            if room < 0 {
                return Err(RepackError::Member);
            }
        }
        let mut quick = [0; 1 << QUICK];
        let mut code = 0;
        for symbol in &symbols {
            let length = lengths[usize::from(*symbol)];
            let Some(left) = QUICK.checked_sub(length.into()) else { break };
            // Codes stand with their highest bit first, and any bits may follow.
            let bits = usize::reverse_bits(code) >> (usize::BITS - QUICK);
            let places = quick.iter_mut().skip(bits).step_by(1 << length);
            places.for_each(|place| *place = symbol << 4 | u16::from(length));
            code += 1 << left;
        }
        Ok(Self { quick, counts, symbols })
    }

    /// The next symbol. Bits that no symbol has are an error.
    fn symbol(&self, from: &mut BitReader) -> Result<usize, RepackError> {
        let quick = self.quick[from.peek()? % self.quick.len()];
        if quick > 0 {
            from.skip(u32::from(quick % 16));
            return Ok(usize::from(quick / 16));
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            let count = usize::from(*count);
            code |= from.bits(1)?;
            if code < first + count {
                let symbol = self.symbols.get(index + code - first).ok_or(RepackError::Member)?;
                return Ok(usize::from(*symbol));
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(RepackError::Member)
    }
}

/// Writes what a deflate stream holds, and skips the check sum and the length behind it.
pub(super) fn inflate(from: &mut Input, to: &mut History) -> Result<(), RepackError> {
    let mut from = BitReader::new(from);
    loop {
        let last = from.bits(1)? == 1;
        match from.bits(2)? {
            0 => stored(&mut from, to)?,
            1 => {
                let literals = Code::new(&std::array::from_fn::<u8, { LITERALS + 2 }, _>(fixed))?;
                compressed(&mut from, to, &literals, &Code::new(&[FIXED_DISTANCE; DISTANCES])?)?;
            }
            2 => {
                let (literals, distances) = codes(&mut from)?;
                compressed(&mut from, to, &literals, &distances)?;
            }
            _ => return Err(RepackError::Member),
        }
        if last {
            break;
        }
    }
    from.end(TRAILER)
}

fn stored(from: &mut BitReader, to: &mut History) -> Result<(), RepackError> {
    from.align();
    let length = from.bits(16)?;
    if from.bits(16)? != !length & 0xffff {
        return Err(RepackError::Member);
    }
    for _ in 0..length {
        to.append(&[from.bits(8)? as u8])?;
    }
    Ok(())
}

/// The two codes that stand at the head of a dynamic block.
fn codes(from: &mut BitReader) -> Result<(Code, Code), RepackError> {
    let literals = from.bits(5)? + LENGTHS;
    let all = literals + from.bits(5)? + 1;
    let mut order = [0; ORDER.len()];
    let count = from.bits(4)? + 4;
    for place in ORDER.iter().take(count) {
        order[usize::from(*place)] = from.bits(3)? as u8;
    }
    let order = Code::new(&order)?;
    let mut lengths = Vec::new();
    while lengths.len() < all {
        let symbol = order.symbol(from)?;
        let Some(repeat) = symbol.checked_sub(16) else {
            lengths.push(symbol as u8);
            continue;
        };
        let value = if repeat == 0 { *lengths.last().ok_or(RepackError::Member)? } else { 0 };
        let (extra, least) = REPEATS[repeat];
        let count = least + from.bits(extra)?;
        lengths.resize(lengths.len() + count, value);
    }
    if lengths.len() > all {
        return Err(RepackError::Member);
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok((Code::new(literals)?, Code::new(distances)?))
}

fn compressed(
    from: &mut BitReader,
    to: &mut History,
    literals: &Code,
    distances: &Code,
) -> Result<(), RepackError> {
    loop {
        let symbol = literals.symbol(from)?;
        if symbol < END {
            to.append(&[symbol as u8])?;
            continue;
        }
        if symbol == END {
            return Ok(());
        }
        if symbol >= LITERALS {
            return Err(RepackError::Member);
        }
        let length = length_of(symbol - LENGTHS);
        let length = length.base + from.bits(length.extra)? + LEAST;
        let symbol = distances.symbol(from)?;
        if symbol >= DISTANCES {
            return Err(RepackError::Member);
        }
        let distance = distance_of(symbol);
        let distance = distance.base + from.bits(distance.extra)? + 1;
        to.repeat(distance, length)?;
    }
}
