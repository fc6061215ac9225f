//! The symbols that stand for lengths and distances (RFC 1951, section 3.2.5), computed: up to the
//! bits that follow them they are floating-point numbers, two bits of mantissa for lengths, one for distances.

/// Literals are 0 to 255.
pub(super) const END: usize = 256;
/// The first symbol of a length.
pub(super) const LENGTHS: usize = 257;
/// How many literal and length symbols there are.
pub(super) const LITERALS: usize = 286;
/// How many distance symbols there are.
pub(super) const DISTANCES: usize = 30;
/// The shortest match. Lengths are counted from it.
pub(super) const LEAST: usize = 3;
/// The longest match, which has a symbol of its own.
pub(super) const MOST: usize = 258;

const LAST_LENGTH: usize = 28;

/// A symbol, and the bits that follow it: how many, and the value that is written where they are all 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) code: usize,
    pub(super) extra: u32,
    pub(super) base: usize,
}

/// The symbol of `value`, with `mantissa` bits of mantissa.
fn symbol(value: usize, mantissa: u32) -> Symbol {
    let exponent = (value | 1).ilog2().saturating_sub(mantissa);
    symbol_of((exponent as usize) * (1 << mantissa) + (value >> exponent), mantissa)
}

fn symbol_of(code: usize, mantissa: u32) -> Symbol {
    let one = 1 << mantissa;
    let extra = (code / one).saturating_sub(1);
    Symbol { code, extra: extra as u32, base: (code - one * extra) << extra }
}

/// The symbol, less [`LENGTHS`], of a length less [`LEAST`].
pub(super) fn of_length(length: usize) -> Symbol {
    if length == MOST - LEAST { length_of(LAST_LENGTH) } else { symbol(length, 2) }
}

/// The symbol of a distance less 1.
pub(super) fn of_distance(distance: usize) -> Symbol {
    symbol(distance, 1)
}

/// What the length symbol [`LENGTHS`] + `code` means.
pub(super) fn length_of(code: usize) -> Symbol {
    if code == LAST_LENGTH { Symbol { code, extra: 0, base: MOST - LEAST } } else { symbol_of(code, 2) }
}

/// What the distance symbol `code` means.
pub(super) fn distance_of(code: usize) -> Symbol {
    symbol_of(code, 1)
}

/// The lengths of the fixed codes.
pub(super) fn fixed(literal: usize) -> u8 {
    match literal {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    }
}

/// The length of every fixed distance code.
pub(super) const FIXED_DISTANCE: u8 = 5;

/// In which order the lengths of the code length code stand.
pub(super) const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// How many bits follow the code length symbols 16, 17 and 18, and the least number they stand for.
pub(super) const REPEATS: [(u32, usize); 3] = [(2, 3), (3, 3), (7, 11)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_symbols_are_those_of_the_standard() {
        let length = |n: usize| {
            let symbol = of_length(n - LEAST);
            (symbol.code + LENGTHS, symbol.extra, symbol.base + LEAST)
        };
        assert_eq!([3, 10, 11, 12].map(length), [(257, 0, 3), (264, 0, 10), (265, 1, 11), (265, 1, 11)]);
        assert_eq!([18, 19, 66].map(length), [(268, 1, 17), (269, 2, 19), (276, 3, 59)]);
        assert_eq!(
            [130, 131, 257, 258].map(length),
            [(280, 4, 115), (281, 5, 131), (284, 5, 227), (285, 0, 258)]
        );
        let distance = |n: usize| {
            let symbol = of_distance(n - 1);
            (symbol.code, symbol.extra, symbol.base + 1)
        };
        assert_eq!([1, 4, 5, 6, 7].map(distance), [(0, 0, 1), (3, 0, 4), (4, 1, 5), (4, 1, 5), (5, 1, 7)]);
        assert_eq!([24576, 24577, 32768].map(distance), [(28, 13, 16385), (29, 13, 24577), (29, 13, 24577)]);
    }

    #[test]
    fn a_symbol_means_what_it_was_made_from() {
        for n in 0..=MOST - LEAST {
            let symbol = of_length(n);
            assert_eq!(length_of(symbol.code), symbol);
            assert!(n >= symbol.base && n < symbol.base + (1 << symbol.extra), "{n}");
        }
        for n in 0..32768 {
            let symbol = of_distance(n);
            assert_eq!(distance_of(symbol.code), symbol);
            assert!(n >= symbol.base && n < symbol.base + (1 << symbol.extra), "{n}");
        }
    }
}
