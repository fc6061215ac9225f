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

/// The most symbols a code has: two more than are ever used.
const SYMBOLS: usize = LITERALS + 2;

/// A canonical code.
struct Code {
    /// By the bits that come, 16 times the symbol, plus the length of its code; 0 where that is longer.
    quick: [u16; 1 << QUICK],
    /// How many symbols have each length.
    counts: [u16; LONGEST + 1],
    /// The symbols from the shortest to the longest.
    symbols: [u16; SYMBOLS],
}

impl Code {
    /// The code with these lengths; more symbols than they have room for are an error.
    fn new(lengths: &[u8]) -> Result<Self, RepackError> {
        let mut code = Self { quick: [0; 1 << QUICK], counts: [0; LONGEST + 1], symbols: [0; SYMBOLS] };
        let (mut place, mut first) = (0, 0);
        for length in 1..=LONGEST {
            // Codes stand with their highest bit first, and any bits may follow a short one.
            let step = (1 << LONGEST) >> length;
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| usize::from(**l) == length) {
                if first + step > 1 << LONGEST || place == SYMBOLS {
                    return Err(RepackError::Member);
                }
                let bits = (first as u16).reverse_bits() >> 1;
                if length <= QUICK as usize {
                    let places = code.quick.iter_mut().skip(bits.into()).step_by(1 << length);
                    places.for_each(|place| *place = (symbol << 4 | length) as u16);
                }
                code.symbols[place] = symbol as u16;
                code.counts[length] += 1;
                (place, first) = (place + 1, first + step);
            }
        }
        Ok(code)
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
    let mut lengths = [0; LENGTHS + 31 + 32];
    let (mut at, mut value) = (0, None);
    while at < all {
        let symbol = order.symbol(from)?;
        let mut count = 1;
        if let Some(repeat) = symbol.checked_sub(16) {
            let (extra, least) = REPEATS[repeat];
            count = least + from.bits(extra)?;
        }
        // The first of the repeats is of the length before, the others are of zeros.
        value = match symbol {
            0..16 => Some(symbol as u8),
            16 => value,
            _ => Some(0),
        };
        let places = lengths[..all].get_mut(at..at + count);
        places.zip(value).map(|(places, value)| places.fill(value)).ok_or(RepackError::Member)?;
        at += count;
    }
    Ok((Code::new(&lengths[..literals])?, Code::new(&lengths[literals..all])?))
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
