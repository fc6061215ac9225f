//! One block of a deflate stream: its symbols, when it ends, and which of the three ways to write it is
//! the shortest (RFC 1951, section 3.2.3).

use super::bits::BitWriter;
use super::huffman::Huffman;
use super::symbol::{
    DISTANCES, END, FIXED_DISTANCE, LEAST, LENGTHS, LITERALS, ORDER, REPEATS, distance_of, fixed, length_of,
    of_distance, of_length,
};
use super::window::Match;

/// A block ends with so many symbols.
const FULL: usize = (32 << 10) - 1;
/// Where a block may end early, that is looked at whenever it has grown by so many symbols.
const GLANCE: usize = 4096;
/// The longest code of the code that writes the lengths of codes.
const LONGEST_ORDER: usize = 7;
const LONGEST: usize = 15;

pub(super) struct Block {
    /// Literals, and lengths less [`LEAST`] plus 256 times their distances.
    symbols: Vec<u32>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    matches: usize,
    ends_early: bool,
}

impl Block {
    pub(super) fn new(ends_early: bool) -> Self {
        let symbols = Vec::with_capacity(FULL);
        Self { symbols, literals: [0; LITERALS], distances: [0; DISTANCES], matches: 0, ends_early }
    }

    /// Appends a literal; says whether the block is to end. `read` bytes of the source are behind.
    pub(super) fn literal(&mut self, byte: u8, read: usize) -> bool {
        self.symbols.push(byte.into());
        self.literals[usize::from(byte)] += 1;
        self.is_to_end(read)
    }

    /// Appends a match, as [`Self::literal`].
    pub(super) fn refer(&mut self, to: Match, read: usize) -> bool {
        let length = to.length - LEAST;
        self.symbols.push((to.distance << 8 | length) as u32);
        self.literals[LENGTHS + of_length(length).code] += 1;
        self.distances[of_distance(to.distance - 1).code] += 1;
        self.matches += 1;
        self.is_to_end(read)
    }

    fn is_to_end(&self, read: usize) -> bool {
        let count = self.symbols.len();
        if self.ends_early && count.is_multiple_of(GLANCE) {
            // A guess: eight bits for each literal and length, five and the extra ones for a distance.
            let distances = self.distances.iter().enumerate();
            let bits = distances.fold(8 * count, |bits, (code, n)| {
                bits + (*n as usize) * (5 + distance_of(code).extra as usize)
            });
            if self.matches < count / 2 && bits / 8 < read / 2 {
                return true;
            }
        }
        count == FULL
    }

    /// Writes the block, which stands for `length` bytes, and starts a new one. `bytes` are these where
    /// they are still at hand.
    pub(super) fn end(&mut self, length: usize, bytes: Option<&[u8]>, last: bool, to: &mut BitWriter) {
        self.literals[END] = 1;
        let literals = Huffman::new(&self.literals, LONGEST);
        let distances = Huffman::new(&self.distances, LONGEST);
        let lengths = Lengths::of(&literals.lengths, &distances.lengths);
        let whole = |bits: u64| (bits + 3).div_ceil(8);
        let own = whole(self.cost(&literals, &distances) + lengths.cost());
        let (all_literals, all_distances) = fixed_codes();
        let fixed = whole(self.cost(&all_literals, &all_distances));
        let stored = bytes.filter(|_| length as u64 + 4 <= own.min(fixed));
        if let Some(bytes) = stored {
            to.put(usize::from(last), 3);
            to.align();
            for half in [length, !length] {
                to.put(half & 0xffff, 16);
            }
            to.bytes.extend_from_slice(bytes);
        } else if fixed <= own {
            to.put(2 | usize::from(last), 3);
            self.write(&all_literals, &all_distances, to);
        } else {
            to.put(4 | usize::from(last), 3);
            lengths.write(to);
            self.write(&literals, &distances, to);
        }
        self.symbols.clear();
        self.literals.fill(0);
        self.distances.fill(0);
        self.matches = 0;
    }

    /// How many bits the symbols take with these codes.
    fn cost(&self, literals: &Huffman, distances: &Huffman) -> u64 {
        let extra = |symbol: usize| symbol.checked_sub(LENGTHS).map_or(0, |code| length_of(code).extra);
        literals.cost(&self.literals, extra) + distances.cost(&self.distances, |code| distance_of(code).extra)
    }

    fn write(&self, literals: &Huffman, distances: &Huffman, to: &mut BitWriter) {
        let mut put = |(bits, count)| to.put(bits, count);
        for symbol in &self.symbols {
            let (distance, literal) = (*symbol as usize >> 8, *symbol as usize & 0xff);
            if distance == 0 {
                put(literals.code(literal));
                continue;
            }
            let length = of_length(literal);
            put(literals.code(LENGTHS + length.code));
            put((literal - length.base, length.extra));
            let distance = distance - 1;
            let symbol = of_distance(distance);
            put(distances.code(symbol.code));
            put((distance - symbol.base, symbol.extra));
        }
        put(literals.code(END));
    }
}

fn fixed_codes() -> (Huffman, Huffman) {
    // Two more codes exist than are ever used, and the bits of the others depend on them.
    let literals = (0..LITERALS + 2).map(fixed).collect();
    (Huffman::with_lengths(literals), Huffman::with_lengths(vec![FIXED_DISTANCE; DISTANCES]))
}

/// The lengths of a block's codes as the symbols that write them.
struct Lengths {
    literals: usize,
    distances: usize,
    /// Symbols plus 256 times the values of the bits that follow.
    symbols: Vec<u16>,
    occurrences: [u32; ORDER.len()],
    code: Huffman,
    /// How many lengths of this code itself are written.
    order: usize,
}

impl Lengths {
    fn of(literals: &[u8], distances: &[u8]) -> Self {
        let mut symbols = Vec::new();
        // gzip's runs do not reach from one code into the other.
        for lengths in [literals, distances] {
            for run in lengths.chunk_by(|a, b| a == b) {
                write_run(usize::from(run[0]), run.len(), &mut symbols);
            }
        }
        let mut occurrences = [0; ORDER.len()];
        symbols.iter().for_each(|symbol| occurrences[usize::from(symbol % 256)] += 1);
        let code = Huffman::new(&occurrences, LONGEST_ORDER);
        let is_used = |place: &u8| code.lengths.get(usize::from(*place)).is_some_and(|length| *length > 0);
        let order = ORDER.iter().rposition(is_used).map_or(4, |last| (last + 1).max(4));
        let (literals, distances) = (literals.len(), distances.len());
        Self { literals, distances, symbols, occurrences, code, order }
    }

    fn cost(&self) -> u64 {
        self.code.cost(&self.occurrences, extra) + 3 * self.order as u64 + 5 + 5 + 4
    }

    fn write(&self, to: &mut BitWriter) {
        to.put(self.literals - LENGTHS, 5);
        to.put(self.distances - 1, 5);
        to.put(self.order - 4, 4);
        for place in &ORDER[..self.order] {
            to.put(self.code.lengths.get(usize::from(*place)).copied().unwrap_or(0).into(), 3);
        }
        for symbol in &self.symbols {
            let (value, symbol) = (usize::from(symbol / 256), usize::from(symbol % 256));
            let (bits, count) = self.code.code(symbol);
            to.put(bits, count);
            to.put(value, extra(symbol));
        }
    }
}

/// How many bits follow a symbol.
fn extra(symbol: usize) -> u32 {
    symbol.checked_sub(16).map_or(0, |repeat| REPEATS[repeat].0)
}

/// A run of equal lengths: zeros by up to 138 or 10, others once and then by up to 6 more.
fn write_run(length: usize, mut count: usize, symbols: &mut Vec<u16>) {
    let (longest, short) = if length == 0 { (138, 3) } else { (6, 3) };
    if length > 0 {
        symbols.push(length as u16);
        count -= 1;
    }
    while count > 0 {
        let now = count.min(longest);
        count -= now;
        if now < short {
            (0..now).for_each(|_| symbols.push(length as u16));
            continue;
        }
        let repeat = match (length, now) {
            (0, 11..) => 2,
            (0, _) => 1,
            _ => 0,
        };
        symbols.push((16 + repeat + 256 * (now - REPEATS[repeat].1)) as u16);
    }
}
