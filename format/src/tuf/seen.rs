//! What was accepted before: the bound against being taken back to it.

use super::envelope::Verified;
use super::error::Fault;
use super::metadata::{Signed, Snapshot, Timestamp};
use super::time::Time;

/// What was accepted before: the bound against going back.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub(super) timestamp: Option<Verified<Timestamp>>,
    pub(super) snapshot: Option<Verified<Snapshot>>,
}

impl Seen {
    /// When the last accepted timestamp was signed: the clock cannot be before it.
    #[must_use]
    pub fn issued(&self) -> Option<Time> {
        self.timestamp.as_ref().and_then(|timestamp| timestamp.issued())
    }
}

/// What is left of the kept copies of one kind: the newest that is still signed by the right keys,
/// none at all, or none because the keys were replaced.
pub(super) enum Kept<T> {
    Newest(Verified<T>),
    Absent,
    Replaced,
}

impl<T> Kept<T> {
    pub(super) fn document(self) -> Option<Verified<T>> {
        match self {
            Self::Newest(document) => Some(document),
            Self::Absent | Self::Replaced => None,
        }
    }
}

pub(super) fn newest<T: Signed>(
    copies: &[Vec<u8>],
    open: impl Fn(&[u8]) -> Result<Verified<T>, Fault>,
) -> Kept<T> {
    let mut replaced = false;
    let mut best: Option<Verified<T>> = None;
    for copy in copies {
        match open(copy) {
            Ok(document) => {
                let better = best.as_ref().is_none_or(|b| b.common().version < document.common().version);
                best = if better { Some(document) } else { best };
            }
            Err(fault) => replaced |= matches!(fault, Fault::Signatures { .. }),
        }
    }
    match best {
        Some(document) => Kept::Newest(document),
        None if replaced => Kept::Replaced,
        None => Kept::Absent,
    }
}

pub(super) fn rollback(file: &str, seen: u64, offered: u64) -> Result<(), Fault> {
    if offered < seen { Err(Fault::Rollback { file: file.to_owned(), seen, offered }) } else { Ok(()) }
}

/// The offered timestamp, unless it is older than, or of the same version as, the one seen.
pub(super) fn not_older(
    offered: Verified<Timestamp>,
    seen: Option<&Verified<Timestamp>>,
) -> Result<Verified<Timestamp>, Fault> {
    let Some(seen) = seen else { return Ok(offered) };
    rollback("timestamp.json", seen.common.version, offered.common.version)?;
    if seen.common.version == offered.common.version {
        return Ok(seen.clone());
    }
    rollback("snapshot.json", seen.snapshot().version, offered.snapshot().version)?;
    Ok(offered)
}
