//! The `Range` header of HTTP (RFC 9110, section 14): one range of bytes, or the whole file.

use std::ops::Range;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole file: no range, or one this server does not understand, which it may ignore.
    All,
    /// These bytes; never empty, and within the file.
    Part(Range<u64>),
    /// A range that begins behind the end of the file, or holds nothing.
    None,
}

/// What a `Range` header asks for of a file of `length` bytes. Several ranges at once count as none: the whole
/// file is an answer that every client must take.
pub(super) fn wanted(header: &str, length: u64) -> Wanted {
    let Some((first, last)) = header.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Wanted::All;
    };
    let part = |start: u64, end: u64| if start < end { Wanted::Part(start..end) } else { Wanted::None };
    match (number(first), number(last)) {
        (Number::Is(first), Number::Is(last)) if first > last => Wanted::All,
        (Number::Is(first), Number::Is(last)) => part(first, length.min(last.saturating_add(1))),
        (Number::Is(first), Number::Absent) => part(first, length),
        (Number::Absent, Number::Is(last)) => part(length.saturating_sub(last), length),
        (Number::Absent, Number::Absent) | (Number::Wrong, _) | (_, Number::Wrong) => Wanted::All,
    }
}

enum Number {
    Is(u64),
    Absent,
    Wrong,
}

fn number(text: &str) -> Number {
    let text = text.trim();
    match text.parse() {
        Ok(n) if text.bytes().all(|b| b.is_ascii_digit()) => Number::Is(n),
        Ok(_) | Err(_) if text.is_empty() => Number::Absent,
        Ok(_) | Err(_) => Number::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_the_standard() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=2-99", Wanted::Part(2..10)),
            ("bytes=9-18446744073709551615", Wanted::Part(9..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::None),
            ("bytes=10-12", Wanted::None),
            ("bytes=-0", Wanted::None),
            ("bytes=5-2", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("bytes=+1-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("lines=0-1", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(header, 10), expected, "{header}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::None);
    }
}
