//! The two places a role tree can live on a machine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One of the two root partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The slot written at first install.
    A,
    /// The slot of the first upgrade.
    B,
}

impl Slot {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::A, Self::B];

    /// The one that is not this one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 for A, 1 for B: for arrays of two.
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }

    /// The GPT partition name: `slot-a` or `slot-b`.
    #[must_use]
    pub fn partition_name(self) -> &'static str {
        match self {
            Self::A => "slot-a",
            Self::B => "slot-b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// A slot is called `a` or `b`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a slot is `a` or `b`, not {0:?}")]
pub struct NotASlot(String);

impl FromStr for Slot {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Self, NotASlot> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            other => Err(NotASlot(other.to_owned())),
        }
    }
}
