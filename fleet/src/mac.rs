//! The address of a network card: what a machine is known by before anything else is known of it.
//!
//! One text for each: six pairs of small hexadecimal digits, joined by colons. Dashes and capitals are read, too.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An address: `52:54:00:12:34:56`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(String);

/// Not an address of a network card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a network card as 52:54:00:12:34:56: {0:?}")]
pub struct BadMac(String);

impl Mac {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a machine is called that is known by this address alone: `52-54-00-12-34-56`.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.replace(':', "-")
    }
}

impl FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, BadMac> {
        let plain = text.to_ascii_lowercase().replace('-', ":");
        let pairs: Vec<&str> = plain.split(':').collect();
        let hex = |pair: &&str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
        // Nothing and everybody are no machine.
        let none = matches!(&*plain, "00:00:00:00:00:00" | "ff:ff:ff:ff:ff:ff");
        if pairs.len() != 6 || !pairs.iter().all(hex) || none {
            return Err(BadMac(text.chars().take(40).collect()));
        }
        Ok(Self(plain))
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_text_however_it_is_written() {
        for text in ["52:54:00:AB:cd:56", "52-54-00-ab-cd-56"] {
            let mac: Mac = text.parse().unwrap();
            assert_eq!((mac.as_str(), &*mac.name()), ("52:54:00:ab:cd:56", "52-54-00-ab-cd-56"));
        }
    }

    #[test]
    fn other_texts_are_no_address() {
        for text in ["", "52:54:00:12:34", "52:54:00:12:34:5", "52:54:00:12:34:5g", "00:00:00:00:00:00", "é"]
        {
            assert_eq!(text.parse::<Mac>(), Err(BadMac(text.to_owned())));
        }
    }
}
