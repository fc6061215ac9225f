//! Which disk to install on: exactly one must be a candidate and fit what is said of it.
//!
//! No candidate is what can be taken out, cannot be written, or is in use: mounted, swapped on, or part of another
//! device. So the medium that an installer itself runs from is none. Loops, RAM disks, mappings, partitions and
//! drives for discs are no disks to begin with. Nothing is opened; who writes must still see whether it may.

mod text;
mod used;

pub use text::{HintError, parse};

use std::fmt;
use std::path::{Path, PathBuf};

use edeploy_format::fleet::Hint;

use super::disks::{Disk, found};
use super::tree::Tree;
use used::Used;

/// Why no disk was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is none.
    #[error("this machine has no disk")]
    NoDisk,
    /// None of them is a candidate that fits.
    #[error("no disk fits: {}", Listed(.0))]
    NoneFits(Vec<Refused>),
    /// More than one fits.
    #[error("more than one disk fits: {}; say more of the one that is meant", .0.join(", "))]
    Several(Vec<String>),
}

/// A disk that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The kernel's name.
    pub disk: String,
    /// All that speaks against it.
    pub reasons: Vec<Reason>,
}

/// What speaks against a disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its medium can be taken out.
    #[error("it is removable")]
    Removable,
    /// The kernel refuses writes.
    #[error("it is read-only")]
    ReadOnly,
    /// Somebody uses it: who or where.
    #[error("it is in use: {0}")]
    InUse(String),
    /// Another name is asked for.
    #[error("it is not {0}")]
    Name(String),
    /// It has no such name below /dev/disk/by-id.
    #[error("it is not {0} in /dev/disk/by-id")]
    ById(String),
    /// Its serial number is another.
    #[error("its serial number is {}, not {wanted:?}", quoted(.found))]
    Serial {
        /// What it has.
        found: Option<String>,
        /// What is asked for.
        wanted: String,
    },
    /// Its model is another.
    #[error("its model is {}, not {wanted:?}", quoted(.found))]
    Model {
        /// What it has.
        found: Option<String>,
        /// What is asked for.
        wanted: String,
    },
    /// It is too small.
    #[error("it has {found} bytes, less than {wanted}")]
    Small {
        /// What it has.
        found: u64,
        /// What is asked for.
        wanted: u64,
    },
    /// It is too large.
    #[error("it has {found} bytes, more than {wanted}")]
    Large {
        /// What it has.
        found: u64,
        /// What is asked for.
        wanted: u64,
    },
    /// It turns, or does not, or nobody knows.
    #[error("{}", turning(*.0))]
    Rotational(Option<bool>),
}

fn quoted(text: &Option<String>) -> String {
    text.as_ref().map_or_else(|| "not known".to_owned(), |text| format!("{text:?}"))
}

fn turning(rotational: Option<bool>) -> &'static str {
    match rotational {
        Some(true) => "it rotates",
        Some(false) => "it does not rotate",
        None => "nobody knows whether it rotates",
    }
}

/// Disks with what speaks against them, on one line.
struct Listed<'a>(&'a [Refused]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = |refused: &Refused| {
            let reasons: Vec<String> = refused.reasons.iter().map(ToString::to_string).collect();
            format!("{}: {}", refused.disk, reasons.join(", "))
        };
        f.write_str(&self.0.iter().map(reasons).collect::<Vec<_>>().join("; "))
    }
}

/// The node of the one disk of the machine below `root` that fits.
///
/// # Errors
/// [`ChoiceError`] if there is none, or more than one.
pub fn choose(root: &Path, hint: &Hint) -> Result<PathBuf, ChoiceError> {
    let tree = Tree::new(root);
    let used = Used::read(&tree);
    let mut fit = Vec::new();
    let mut refused = Vec::new();
    for disk in found(&tree) {
        let reasons = against(&disk, used.by(&tree, &disk.name), hint);
        if reasons.is_empty() {
            fit.push(disk);
        } else {
            refused.push(Refused { disk: disk.name, reasons });
        }
    }
    match fit.as_slice() {
        [] if refused.is_empty() => Err(ChoiceError::NoDisk),
        [] => Err(ChoiceError::NoneFits(refused)),
        [disk] => Ok(tree.path(&format!("dev/{}", disk.node()))),
        several => Err(ChoiceError::Several(several.iter().map(|disk| disk.name.clone()).collect())),
    }
}

/// All that speaks against a disk.
fn against(disk: &Disk, used: Option<String>, hint: &Hint) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut unless = |holds: bool, reason: Reason| {
        if !holds {
            reasons.push(reason);
        }
    };
    unless(!disk.removable, Reason::Removable);
    unless(!disk.read_only, Reason::ReadOnly);
    if let Some(used) = used {
        unless(false, Reason::InUse(used));
    }
    if let Some(name) = &hint.name {
        unless(*name == disk.name, Reason::Name(name.clone()));
    }
    if let Some(id) = &hint.by_id {
        unless(disk.ids.contains(id), Reason::ById(id.clone()));
    }
    if let Some(wanted) = &hint.serial {
        let (found, wanted) = (disk.serial.clone(), wanted.clone());
        unless(found.as_ref() == Some(&wanted), Reason::Serial { found, wanted });
    }
    if let Some(wanted) = &hint.model {
        let (found, wanted) = (disk.model.clone(), wanted.clone());
        unless(found.as_ref() == Some(&wanted), Reason::Model { found, wanted });
    }
    let found = disk.bytes;
    if let Some(wanted) = hint.min_size {
        unless(found >= wanted, Reason::Small { found, wanted });
    }
    if let Some(wanted) = hint.max_size {
        unless(found <= wanted, Reason::Large { found, wanted });
    }
    if let Some(wanted) = hint.rotational {
        unless(disk.rotational == Some(wanted), Reason::Rotational(disk.rotational));
    }
    reasons
}
