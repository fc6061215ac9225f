//! Processors (type 4).

use super::Table;

const PROCESSOR: u8 = 4;
const POPULATED: u8 = 1 << 6;

/// A socket with a processor in it.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Processor {
    /// The structure's handle.
    pub(in super::super) handle: u16,
    /// MHz that it runs at now.
    pub(in super::super) speed: Option<u16>,
    /// MHz of its external clock.
    pub(in super::super) clock: Option<u16>,
    /// How many cores it has.
    pub(in super::super) cores: Option<u16>,
    /// How many of them are on.
    pub(in super::super) enabled: Option<u16>,
    /// How many threads these run at once.
    pub(in super::super) threads: Option<u16>,
}

/// Those that are there, in the order of the table.
pub(in super::super) fn processors(table: &Table) -> Vec<Processor> {
    let known = |number: Option<u16>| number.filter(|number| *number != 0);
    let mut processors = Vec::new();
    for structure in table.of(PROCESSOR) {
        if structure.byte(0x18).is_some_and(|status| status & POPULATED == 0) {
            continue;
        }
        // 255 says: more than a byte holds, look into the word further on.
        let count = |byte: usize, word: usize| match structure.byte(byte) {
            Some(0xff) => known(structure.word(word).filter(|count| *count != 0xffff)),
            short => known(short.map(u16::from)),
        };
        processors.push(Processor {
            handle: structure.handle,
            speed: known(structure.word(0x16)),
            clock: known(structure.word(0x12)),
            cores: count(0x23, 0x2a),
            enabled: count(0x24, 0x2c),
            threads: count(0x25, 0x2e),
        });
    }
    processors
}
