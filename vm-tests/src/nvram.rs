//! EFI variables, written into a copy of the firmware's empty store before a machine starts.
//!
//! Source: edk2, `MdeModulePkg/Include/Guid/VariableFormat.h`: after the headers of volume and store
//! come the variables, each with its header, name (UTF-16, with a NUL) and value, at multiples of 4.

use std::fs;
use std::path::Path;

/// The vendor of systemd-boot's variables, 4a67b082-0a4c-41cf-b6c7-440b29bb8c4f, as firmware stores it.
const LOADER: [u8; 16] =
    [0x82, 0xb0, 0x67, 0x4a, 0x4c, 0x0a, 0xcf, 0x41, 0xb6, 0xc7, 0x44, 0x0b, 0x29, 0xbb, 0x8c, 0x4f];
/// The length of the headers of volume and store in OVMF's template: the first variable lies here.
const FIRST: usize = 0x48 + 28;
const START: [u8; 2] = [0xaa, 0x55];
/// Written whole, and not deleted.
const ADDED: u8 = 0x3f;
/// Non-volatile; for boot services and for the running system.
const ATTRIBUTES: u32 = 7;

/// Adds texts of the loader to a store that holds no variable yet.
///
/// # Panics
/// If the store is not empty.
pub fn add(store: &Path, variables: &[(&str, &str)]) {
    let mut bytes = fs::read(store).expect("the firmware's store");
    let mut at = FIRST;
    for (name, text) in variables {
        let record = record(name, text);
        let place = &mut bytes[at..at + record.len()];
        assert!(place.iter().all(|byte| *byte == 0xff), "{} holds variables", store.display());
        place.copy_from_slice(&record);
        at = (at + record.len()).next_multiple_of(4);
    }
    fs::write(store, bytes).expect("the firmware's store");
}

fn record(name: &str, text: &str) -> Vec<u8> {
    let [name, value] = [name, text].map(utf16);
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a short text").to_le_bytes();
    // After the attributes: monotonic count (8), time (16) and key (4) of authenticated variables.
    let authenticated = [0; 28];
    [
        &START[..],
        &[ADDED, 0],
        &ATTRIBUTES.to_le_bytes(),
        &authenticated,
        &length(&name),
        &length(&value),
        &LOADER,
        &name,
        &value,
    ]
    .concat()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}
