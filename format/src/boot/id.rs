//! Identifiers on the kernel command line: partitions and the machine.

use std::fmt;
use std::str::FromStr;

use crate::digest::{hex, unhex};

/// A text is not such an identifier.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a {kind}: {text:?}")]
pub struct BadId {
    kind: &'static str,
    text: String,
}

impl BadId {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(80).collect() }
    }
}

/// A partition's unique GUID, its bytes in the order in which the text shows them.
///
/// Written in lower case, as the kernel compares `PARTUUID=` without case and udev writes it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartUuid(pub [u8; 16]);

const GROUPS: [usize; 5] = [4, 2, 2, 2, 6];

impl fmt::Display for PartUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.0[..];
        for (n, length) in GROUPS.into_iter().enumerate() {
            let (group, after) = rest.split_at(length);
            rest = after;
            write!(f, "{}{}", if n == 0 { "" } else { "-" }, hex(group))?;
        }
        Ok(())
    }
}

impl FromStr for PartUuid {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let groups: Vec<&str> = text.split('-').collect();
        let shaped = groups.len() == GROUPS.len() && groups.iter().zip(GROUPS).all(|(g, n)| g.len() == 2 * n);
        let bytes = if shaped { unhex(&groups.concat()) } else { None };
        let bytes = bytes.and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| BadId::new("partition UUID", text))
    }
}

/// A machine's identity: what `/etc/machine-id` holds, here given on the kernel command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineId(pub [u8; 16]);

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for MachineId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bytes = unhex(text).and_then(|b| b.try_into().ok());
        bytes.map(Self).ok_or_else(|| BadId::new("machine id of 32 lower-case hex digits", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_survive_their_text() {
        let uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4";
        assert_eq!(uuid.parse::<PartUuid>().unwrap().to_string(), uuid);
        let machine = "0123456789abcdef0123456789abcdef";
        assert_eq!(machine.parse::<MachineId>().unwrap().to_string(), machine);
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "0fc63daf84834772-8e79-3d69-d847-7de4",
            "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
            "0fc63daf-8483-4772-8e79-3d69d8477de",
            "0fc63daf-8483-4772-8e79-3d69d8477de4-",
        ] {
            assert!(text.parse::<PartUuid>().is_err(), "{text}");
        }
        for text in ["", "0123456789abcdef", "0123456789ABCDEF0123456789abcdef"] {
            assert!(text.parse::<MachineId>().is_err(), "{text}");
        }
    }
}
