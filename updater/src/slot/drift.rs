//! How a path of a slot differs from the signed manifest.

use std::fmt;

use edeploy_format::manifest::{Owner, Xattr};

use super::entry::Shape;

/// One difference of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The path, from the slot's root.
    pub path: String,
    /// What differs.
    pub what: Difference,
}

/// What the manifest says, and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The manifest has it, the slot has not.
    Missing,
    /// The slot has it, the manifest has not.
    Extra,
    /// It is something else.
    Shape {
        /// In the manifest.
        expected: Shape,
        /// In the slot.
        found: Shape,
    },
    /// Its bytes.
    Content,
    /// It cannot be read.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Its permission bits.
    Mode {
        /// In the manifest.
        expected: u32,
        /// In the slot.
        found: u32,
    },
    /// Its owner or group.
    Owner {
        /// In the manifest.
        expected: Owner,
        /// In the slot.
        found: Owner,
    },
    /// The time of its last change: seconds and nanoseconds.
    Mtime {
        /// In the manifest.
        expected: (i64, u32),
        /// In the slot.
        found: (i64, u32),
    },
    /// Its extended attributes.
    Xattrs {
        /// In the manifest.
        expected: Vec<Xattr>,
        /// In the slot.
        found: Vec<Xattr>,
    },
    /// Where the symbolic link points.
    Target {
        /// In the manifest.
        expected: String,
        /// In the slot.
        found: String,
    },
    /// Which other names its file has.
    Links,
}

impl Difference {
    /// One stable word, for `--json`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Extra => "extra",
            Self::Shape { .. } => "type",
            Self::Content => "content",
            Self::Unreadable { .. } => "unreadable",
            Self::Mode { .. } => "mode",
            Self::Owner { .. } => "owner",
            Self::Mtime { .. } => "mtime",
            Self::Xattrs { .. } => "xattrs",
            Self::Target { .. } => "target",
            Self::Links => "links",
        }
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Extra => f.write_str("not in the manifest"),
            Self::Shape { expected, found } => write!(f, "a {}, not a {}", found.word(), expected.word()),
            Self::Content => f.write_str("the content differs"),
            Self::Unreadable { reason } => write!(f, "cannot be read: {reason}"),
            Self::Mode { expected, found } => write!(f, "mode {found:04o}, not {expected:04o}"),
            Self::Owner { expected, found } => {
                write!(f, "owner {}:{}, not {}:{}", found.uid, found.gid, expected.uid, expected.gid)
            }
            Self::Mtime { expected, found } => {
                write!(f, "changed at {}.{:09}, not {}.{:09}", found.0, found.1, expected.0, expected.1)
            }
            Self::Xattrs { expected, found } => {
                let differs = |a: &[Xattr], b: &[Xattr]| {
                    let names = a.iter().filter(|x| !b.contains(x)).map(|x| &*x.name);
                    names.collect::<Vec<_>>().join(", ")
                };
                let (expected, found) = (differs(expected, found), differs(found, expected));
                write!(f, "attributes [{found}], not [{expected}]")
            }
            Self::Target { expected, found } => write!(f, "points to {found:?}, not {expected:?}"),
            Self::Links => f.write_str("its hard links differ"),
        }
    }
}
