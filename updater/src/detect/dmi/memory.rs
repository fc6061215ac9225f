//! Memory devices (type 17), and the arrays that they are in (type 16).

use super::{Structure, Table};

const ARRAY: u8 = 16;
const DEVICE: u8 = 17;
/// What an array is for, when it is for the system's memory, not for flash or video.
const SYSTEM: u8 = 3;

/// A place for a memory module.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Bank {
    /// The number of its array, counted from 0.
    pub(in super::super) array: usize,
    /// Its size; none where nothing is in it.
    pub(in super::super) bytes: Option<u64>,
    /// MHz.
    pub(in super::super) clock: Option<u32>,
    /// Its form, kind and clock in words, as lshw writes them.
    pub(in super::super) description: String,
    /// Who made it.
    pub(in super::super) vendor: Option<String>,
    /// Its part number.
    pub(in super::super) product: Option<String>,
    /// Which one it is.
    pub(in super::super) serial: Option<String>,
    /// What is printed beside it on the board.
    pub(in super::super) slot: Option<String>,
}

/// All banks, in the order of the table.
pub(in super::super) fn banks(table: &Table) -> Vec<Bank> {
    let system = |array: &&Structure| array.byte(5).is_none_or(|usage| usage == SYSTEM);
    let mut arrays: Vec<u16> = table.of(ARRAY).filter(system).map(|array| array.handle).collect();
    let others: Vec<u16> = table.of(ARRAY).filter(|array| !system(array)).map(|array| array.handle).collect();
    let mut banks = Vec::new();
    for device in table.of(DEVICE) {
        let handle = device.word(4).unwrap_or_default();
        if others.contains(&handle) {
            continue;
        }
        let array = arrays.iter().position(|array| *array == handle).unwrap_or_else(|| {
            arrays.push(handle);
            arrays.len() - 1
        });
        banks.push(bank(device, array));
    }
    banks
}

fn bank(device: &Structure, array: usize) -> Bank {
    let bytes = bytes(device);
    let clock = clock(device).filter(|_| bytes.is_some());
    let text = |at| device.string(at).map(str::to_owned);
    Bank {
        array,
        bytes,
        clock,
        description: description(device, bytes, clock),
        vendor: text(0x17),
        product: text(0x1a),
        serial: text(0x18),
        slot: text(0x10),
    }
}

/// MiB, or KiB where the highest bit is set; what is too large for that stands further on.
fn bytes(device: &Structure) -> Option<u64> {
    match device.word(0x0c)? {
        0 | 0xffff => None,
        0x7fff => device.double(0x1c).map(|mib| u64::from(mib & 0x7fff_ffff) << 20),
        kib if kib & 0x8000 != 0 => Some(u64::from(kib & 0x7fff) << 10),
        mib => Some(u64::from(mib) << 20),
    }
}

/// The clock that is set, or the highest where that is not said.
fn clock(device: &Structure) -> Option<u32> {
    let of = |word: usize, double: usize| match device.word(word)? {
        0 => None,
        0xffff => device.double(double).map(|mhz| mhz & 0x7fff_ffff),
        mhz => Some(u32::from(mhz)),
    };
    of(0x15, 0x54)
}

fn description(device: &Structure, bytes: Option<u64>, clock: Option<u32>) -> String {
    let form = named(&FORMS, device.byte(0x0e));
    let kind = named(&KINDS, device.byte(0x12));
    let detail = device.word(0x13).unwrap_or_default();
    let details = DETAILS.iter().filter(|(bit, _)| detail & bit != 0).map(|(_, name)| *name);
    let mut words: Vec<String> = form.into_iter().chain(kind).chain(details).map(str::to_owned).collect();
    match (bytes, clock) {
        (None, _) => words.push("[empty]".to_owned()),
        (Some(_), Some(mhz)) if mhz > 0 => {
            words.push(format!("{mhz} MHz ({:.1} ns)", 1000.0 / f64::from(mhz)));
        }
        (Some(_), _) => {}
    }
    words.join(" ")
}

fn named(names: &[(u8, &'static str)], number: Option<u8>) -> Option<&'static str> {
    names.iter().find(|(value, _)| Some(*value) == number).map(|(_, name)| *name)
}

const FORMS: [(u8, &str); 9] = [
    (3, "SIMM"),
    (4, "SIP"),
    (5, "Chip"),
    (6, "DIP"),
    (9, "DIMM"),
    (0x0c, "RIMM"),
    (0x0d, "SODIMM"),
    (0x0f, "FB-DIMM"),
    (0x10, "Die"),
];
const KINDS: [(u8, &str); 18] = [
    (3, "DRAM"),
    (7, "RAM"),
    (8, "ROM"),
    (9, "FLASH"),
    (0x0f, "SDRAM"),
    (0x12, "DDR"),
    (0x13, "DDR2"),
    (0x14, "DDR2 FB-DIMM"),
    (0x18, "DDR3"),
    (0x1a, "DDR4"),
    (0x1b, "LPDDR"),
    (0x1c, "LPDDR2"),
    (0x1d, "LPDDR3"),
    (0x1e, "LPDDR4"),
    (0x1f, "Logical non-volatile device"),
    (0x20, "HBM"),
    (0x22, "DDR5"),
    (0x23, "LPDDR5"),
];
const DETAILS: [(u16, &str); 5] = [
    (1 << 7, "Synchronous"),
    (1 << 12, "Non-volatile"),
    (1 << 13, "Registered (Buffered)"),
    (1 << 14, "Unbuffered (Unregistered)"),
    (1 << 15, "LRDIMM"),
];
