//! The tables of the firmware: SMBIOS, as the kernel hands it out below /sys/firmware/dmi.
//!
//! Only what the kernel does not show as a file of its own is read here: processors and memory devices. The layout
//! is that of DMTF DSP0134, versions 2.0 to 3.x. Firmware writes these tables, and nobody checks it: every offset is
//! bounded by the length the structure has, every string by the end of the table, and strings need not be UTF-8
//! (which is why no crate is used: those that there are give up on such a table).

mod memory;
mod processor;

pub(super) use memory::{Bank, banks};
pub(super) use processor::{Processor, processors};

use super::tree::Tree;

/// The end of the table.
const END: u8 = 127;
/// Structures, at most.
const MOST: usize = 4096;

/// The structures of a machine's firmware.
#[derive(Debug, Default)]
pub(super) struct Table {
    structures: Vec<Structure>,
}

/// One structure: its formatted part, header included, and its strings.
#[derive(Debug)]
pub(super) struct Structure {
    /// What it describes.
    pub(super) kind: u8,
    /// What others call it.
    pub(super) handle: u16,
    formatted: Vec<u8>,
    strings: Vec<String>,
}

impl Table {
    /// Reads the table of a machine; one without firmware of this kind has an empty one.
    pub(super) fn read(tree: &Tree) -> Self {
        tree.bytes("sys/firmware/dmi/tables/DMI").map(|bytes| Self::parse(&bytes)).unwrap_or_default()
    }

    /// Takes a table apart, as far as it is sound.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut rest = bytes;
        let mut structures = Vec::new();
        while let Some((structure, behind)) = Structure::parse(rest) {
            if structure.kind == END || structures.len() == MOST {
                break;
            }
            structures.push(structure);
            rest = behind;
        }
        Self { structures }
    }

    /// Those of one kind, in their order.
    pub(super) fn of(&self, kind: u8) -> impl Iterator<Item = &Structure> {
        self.structures.iter().filter(move |structure| structure.kind == kind)
    }
}

impl Structure {
    /// The first structure, and what is behind it.
    fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let [kind, length, low, high, ..] = bytes else { return None };
        let length = usize::from(*length);
        if length < 4 {
            return None;
        }
        let (formatted, mut rest) = bytes.split_at_checked(length)?;
        let mut strings = Vec::new();
        // Strings end with a zero each, and all of them with another; without any there are two.
        loop {
            let end = rest.iter().position(|byte| *byte == 0)?;
            let (string, behind) = (&rest[..end], &rest[end + 1..]);
            if string.is_empty() {
                rest = if strings.is_empty() { behind.strip_prefix(&[0]).unwrap_or(behind) } else { behind };
                break;
            }
            strings.push(String::from_utf8_lossy(string).trim().to_owned());
            rest = behind;
        }
        let handle = u16::from_le_bytes([*low, *high]);
        Some((Self { kind: *kind, handle, formatted: formatted.to_vec(), strings }, rest))
    }

    /// The byte at an offset, if the structure is that long.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    /// Two bytes.
    pub(super) fn word(&self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(self.formatted.get(at..at + 2)?.try_into().ok()?))
    }

    /// Four bytes.
    pub(super) fn double(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.formatted.get(at..at + 4)?.try_into().ok()?))
    }

    /// The string whose number is at an offset; 0 is none.
    pub(super) fn string(&self, at: usize) -> Option<&str> {
        let number = usize::from(self.byte(at)?);
        self.strings.get(number.checked_sub(1)?).map(String::as_str).filter(|string| !string.is_empty())
    }
}

#[cfg(test)]
mod tests;
