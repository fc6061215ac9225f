//! What a loader or a kernel reads: entries, arguments, and the choice among entries; the limits of health.

use std::cmp::Ordering;

use edeploy_format::boot::{self, BootFile, Efi, Entry, EntryName, Found, Options, compare_versions};
use edeploy_format::limits::Limits;

use crate::input::Input;

/// No more files than this lie in the folder of entries here.
const FILES: usize = 16;

/// An entry is read as it is printed, and no beginning of its text is taken for one.
pub(crate) fn entry(data: &[u8]) {
    let mut input = Input(data);
    let Ok(name) = std::str::from_utf8(input.until(b'\n')) else { return };
    let Ok(name) = name.parse::<EntryName>() else { return };
    assert_eq!(name.to_string().parse::<EntryName>().ok(), Some(name));
    let Ok(entry) = Entry::parse(name, input.0) else { return };
    let printed = entry.to_string();
    assert_eq!(Entry::parse(name, printed.as_bytes()).as_ref(), Ok(&entry));
    for length in 0..printed.len() {
        assert!(Entry::parse(name, &printed.as_bytes()[..length]).is_err(), "no beginning of it is one");
    }
    assert_eq!(entry.generation, name.generation);
}

/// Arguments of ours are found again in what was printed of them.
pub(crate) fn options(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(options) = Options::of_command_line(text) {
        let printed = options.to_string();
        assert_eq!(printed.parse::<Options>().as_ref().ok(), Some(&options));
        assert!(text.contains(&printed), "ours stand together");
    }
}

/// The loader takes one of the files that are there, the same whatever order they are found in; versions have an order.
pub(crate) fn choice(data: &[u8]) {
    let mut input = Input(data);
    let missing = input.byte();
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    while !input.0.is_empty() && files.len() < FILES {
        let name = std::str::from_utf8(input.until(0)).unwrap_or_default();
        let text = input.until(0);
        if !files.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            files.push((name, text));
        }
    }
    let state = |path: &str| match path.bytes().fold(missing, |sum, b| sum.rotate_left(1) ^ b) % 8 {
        0 => BootFile::Missing,
        1 => BootFile::Damaged,
        _ => BootFile::Whole,
    };
    let found = |files: &[(&str, &[u8])]| -> Option<boot::Choice> {
        let found: Vec<Found<'_>> = files.iter().map(|(file, text)| Found { file, text }).collect();
        boot::choose(&found, &Efi::default(), state)
    };
    if let Some(choice) = found(&files) {
        assert!(files.iter().any(|(name, _)| *name == choice.file), "{choice:?}");
        assert_eq!(choice.counted, choice.file != choice.becomes, "{choice:?}");
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).take(3).collect();
    for a in &names {
        assert_eq!(compare_versions(a, a), Ordering::Equal);
        for b in &names {
            assert_eq!(compare_versions(a, b), compare_versions(b, a).reverse(), "{a:?} {b:?}");
        }
    }
}

/// Limits lie within a day, whatever the text.
pub(crate) fn limits(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Limits { check, trial }) = text.parse() {
        assert!((1..=86400).contains(&check) && (1..=86400).contains(&trial));
    }
}
