//! What a file that holds compressed members consists of, as types and as a line of text.
//!
//! The text is `1`, the format's number, then for each part a comma, its kind, a colon and its length
//! in the unpacked form: `1,raw:10,gzip-9:51234`. Kinds are `raw`, `gzip-1` to `gzip-9` and `lz4-9`.
//! A form has one text: lengths are never 0, two raw parts never stand side by side, and at least
//! one part is packed.

use std::fmt;
use std::str::FromStr;

const FORMAT: &str = "1";
/// No form has more parts.
pub const PARTS_LIMIT: usize = 64;

/// No unpacked form is longer than this.
pub const UNPACKED_LIMIT: u64 = 1 << 30;

/// How hard GNU gzip tried: 1 to 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// The level with this number.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=9).contains(&number).then_some(Self(number))
    }

    /// The number that `gzip` takes on its command line.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

/// What packs a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// GNU gzip: its deflate, and the check sum and length after it. The header is raw.
    Gzip(Level),
    /// `lz4 -l -9`: the legacy frame with its magic number, at the level 9 of liblz4 1.9.
    Lz4,
}

/// A run of bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Bytes that stand as they are.
    Raw {
        /// How many.
        length: u64,
    },
    /// A compressed member.
    Packed {
        /// What packs it.
        codec: Codec,
        /// Its length when unpacked.
        length: u64,
    },
}

impl Part {
    /// Its length in the unpacked form.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Raw { length } | Self::Packed { length, .. } => *length,
        }
    }

    fn is_raw(&self) -> bool {
        match self {
            Self::Raw { .. } => true,
            Self::Packed { .. } => false,
        }
    }
}

/// What a file consists of, in order: how to get from its unpacked form to its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form(Vec<Part>);

impl Form {
    /// The form of these parts; `None` where they are no form (see above), too many or too long.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Option<Self> {
        let sum = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.length()));
        let sound = parts.len() <= PARTS_LIMIT
            && sum.is_some_and(|sum| sum <= UNPACKED_LIMIT)
            && parts.iter().all(|part| part.length() > 0)
            && !parts.iter().all(Part::is_raw)
            && !parts.windows(2).any(|pair| pair.iter().all(Part::is_raw));
        sound.then_some(Self(parts))
    }

    /// Its parts.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.0
    }

    /// How long the unpacked form is.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.0.iter().map(Part::length).sum()
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMAT)?;
        self.0.iter().try_for_each(|part| match part {
            Part::Raw { length } => write!(f, ",raw:{length}"),
            Part::Packed { codec: Codec::Gzip(level), length } => write!(f, ",gzip-{}:{length}", level.0),
            Part::Packed { codec: Codec::Lz4, length } => write!(f, ",lz4-9:{length}"),
        })
    }
}

/// Not the text of a form.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the form of a packed file, or of a format this program does not know: {0:?}")]
pub struct BadForm(String);

impl FromStr for Form {
    type Err = BadForm;

    fn from_str(text: &str) -> Result<Self, BadForm> {
        let mut fields = text.split(',');
        let known = fields.next() == Some(FORMAT);
        let bad = || BadForm(text.chars().take(80).collect());
        let mut parts = Vec::new();
        for field in fields {
            let part = part(field).filter(|_| known && parts.len() < PARTS_LIMIT);
            parts.push(part.ok_or_else(bad)?);
        }
        Self::new(parts).ok_or_else(bad)
    }
}

fn part(text: &str) -> Option<Part> {
    let (kind, length) = text.split_once(':')?;
    let length = decimal(length)?;
    let codec = match kind {
        "raw" => return Some(Part::Raw { length }),
        "lz4-9" => Codec::Lz4,
        gzip => {
            let number = decimal(gzip.strip_prefix("gzip-")?)?;
            Codec::Gzip(Level::new(number.try_into().ok()?)?)
        }
    };
    Some(Part::Packed { codec, length })
}

/// A number without `+` or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_survives_its_text() {
        let [best, quick] = [9, 1].map(|number| Codec::Gzip(Level(number)));
        let form = Form::new(vec![
            Part::Raw { length: 10 },
            Part::Packed { codec: best, length: 51234 },
            Part::Packed { codec: quick, length: 1 },
            Part::Raw { length: 3 },
            Part::Packed { codec: Codec::Lz4, length: 50_000_000 },
        ])
        .unwrap();
        assert_eq!(form.to_string(), "1,raw:10,gzip-9:51234,gzip-1:1,raw:3,lz4-9:50000000");
        assert_eq!(form.to_string().parse(), Ok(form.clone()));
        assert_eq!(form.length(), 50_051_248);
    }

    #[test]
    fn what_has_another_text_or_no_sense_is_refused() {
        let many = format!("1{}", ",lz4-9:1".repeat(PARTS_LIMIT + 1));
        for bad in [
            "",
            "1",
            "1,",
            "2,lz4-9:1",
            "lz4-9:1",
            "1,lz4-9:0",
            "1,lz4-9:01",
            "1,lz4-9:+1",
            "1,lz4-9:-1",
            "1,lz4-9: 1",
            "1,lz4-9:",
            "1,lz4-9",
            "1,lz4-8:1",
            "1,gzip-0:1",
            "1,gzip-10:1",
            "1,gzip-09:1",
            "1,gzip:1",
            "1,raw:1",
            "1,raw:1,raw:1,lz4-9:1",
            "1,raw:0,lz4-9:1",
            "1,lz4-9:1,",
            "1,lz4-9:1\n",
            "1,lz4-9:1073741825",
            "1,lz4-9:18446744073709551616",
            "1,lz4-9:18446744073709551615,raw:1",
            many.as_str(),
        ] {
            assert!(bad.parse::<Form>().is_err(), "{bad:?}");
        }
        assert!(many[..many.len() - 8].parse::<Form>().is_ok());
    }
}
