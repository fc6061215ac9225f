//! The head of a manifest: what the version is, and what a host needs to take it.

use std::fmt;
use std::str::FromStr;

use crate::boot::ROLE_OPTIONS_LIMIT;
use crate::decimal::decimal;
use crate::name::{Architecture, Role, Version};
use crate::path::{TreePath, escape, unescape};

/// The identity of a version. Written as `key value` lines in the order of the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The role the tree is for.
    pub role: Role,
    /// The version, unique within the role.
    pub version: Version,
    /// Grows with every version of a role; orders them and is what `min_serial` bounds.
    pub serial: u64,
    /// The machine architecture it runs on.
    pub architecture: Architecture,
    /// Build time, in seconds since 1970: the clock's lower bound on hosts that run it.
    pub built: u64,
    /// The kernel image within the tree.
    pub kernel: TreePath,
    /// The initrd within the tree.
    pub initrd: TreePath,
    /// The boot loader (an EFI program) within the tree.
    pub loader: TreePath,
    /// Kernel arguments of the role, separated by single spaces; may be empty.
    pub options: String,
    /// Bytes a slot must have for this tree.
    pub slot_size: u64,
    /// Paths that belong to the machine and live on the state partition, sorted.
    pub persistent: Vec<TreePath>,
    /// The OSTree commit (64 hex digits) that holds the same tree; `None` outside a repository.
    pub ostree: Option<String>,
    /// The least version of the updater that can install this tree: `major.minor.patch`.
    pub updater: String,
    /// Number of records.
    pub entries: u64,
    /// Sum of the sizes of all regular files, hard links counted once.
    pub bytes: u64,
}

/// Why a head is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first line is not `edeploy-manifest 1`.
    #[error("not a manifest of format 1: it begins with {0:?}")]
    Magic(String),
    /// A line is missing, out of order, or unknown.
    #[error("expected the head line `{expected}`, found {found:?}")]
    Line {
        /// The key that belongs here.
        expected: &'static str,
        /// What stands here.
        found: String,
    },
    /// A value does not parse.
    #[error("head line `{key}`: {reason}")]
    Value {
        /// The key of the line.
        key: &'static str,
        /// What is wrong with its value.
        reason: String,
    },
}

pub(super) const MAGIC: &str = "edeploy-manifest 1";

/// The lines of a head, taken one after the other.
struct Lines<'a> {
    lines: std::iter::Peekable<std::str::SplitTerminator<'a, char>>,
}

impl<'a> Lines<'a> {
    fn next_if(&mut self, key: &'static str) -> Option<&'a str> {
        let value = self.lines.peek()?.strip_prefix(key)?.strip_prefix(' ')?;
        self.lines.next();
        Some(value)
    }

    fn value(&mut self, key: &'static str) -> Result<&'a str, HeadError> {
        self.next_if(key).ok_or_else(|| {
            let found = self.lines.peek().unwrap_or(&"the end of the head");
            HeadError::Line { expected: key, found: found.chars().take(80).collect() }
        })
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, key: &'static str) -> Result<T, HeadError> {
        let value = self.value(key)?;
        value.parse().map_err(|e: T::Err| HeadError::Value { key, reason: e.to_string() })
    }

    fn number(&mut self, key: &'static str) -> Result<u64, HeadError> {
        let value = self.value(key)?;
        let wrong = || HeadError::Value { key, reason: format!("{value:?} is no number in its one form") };
        decimal(value).ok_or_else(wrong)
    }

    fn path(&mut self, key: &'static str) -> Result<TreePath, HeadError> {
        let value = self.value(key)?;
        parse_path(key, value)
    }
}

fn parse_path(key: &'static str, value: &str) -> Result<TreePath, HeadError> {
    unescape(value).and_then(TreePath::new).map_err(|e| HeadError::Value { key, reason: e.to_string() })
}

fn parse_options(value: &str) -> Result<String, HeadError> {
    let wrong = |reason: &str| HeadError::Value { key: "options", reason: reason.to_owned() };
    let options = value.strip_prefix('=').ok_or_else(|| wrong("must begin with `=`"))?;
    if options.chars().any(char::is_control) {
        return Err(wrong("holds a control character"));
    }
    if options.len() > ROLE_OPTIONS_LIMIT {
        let length = options.len();
        return Err(wrong(&format!(
            "the role's kernel arguments have {length} bytes; beside the machine's own the kernel takes {ROLE_OPTIONS_LIMIT}"
        )));
    }
    Ok(options.to_owned())
}

fn parse_commit(value: &str) -> Result<Option<String>, HeadError> {
    if value == "-" {
        return Ok(None);
    }
    match crate::digest::unhex(value) {
        Some(bytes) if bytes.len() == 32 => Ok(Some(value.to_owned())),
        _ => Err(HeadError::Value { key: "ostree", reason: "not 64 hex digits nor `-`".to_owned() }),
    }
}

impl FromStr for Head {
    type Err = HeadError;

    /// Parses the text before the empty line.
    fn from_str(text: &str) -> Result<Self, HeadError> {
        let mut lines = Lines { lines: text.split_terminator('\n').peekable() };
        let magic = lines.lines.next().unwrap_or_default();
        if magic != MAGIC {
            return Err(HeadError::Magic(magic.chars().take(40).collect()));
        }
        let head = Self {
            role: lines.parsed("role")?,
            version: lines.parsed("version")?,
            serial: lines.number("serial")?,
            architecture: lines.parsed("architecture")?,
            built: lines.number("built")?,
            kernel: lines.path("kernel")?,
            initrd: lines.path("initrd")?,
            loader: lines.path("loader")?,
            options: parse_options(lines.value("options")?)?,
            slot_size: lines.number("slot-size")?,
            persistent: std::iter::from_fn(|| lines.next_if("persistent"))
                .map(|value| parse_path("persistent", value))
                .collect::<Result<_, _>>()?,
            ostree: parse_commit(lines.value("ostree")?)?,
            updater: lines.parsed("updater")?,
            entries: lines.number("entries")?,
            bytes: lines.number("bytes")?,
        };
        match lines.lines.next() {
            None => Ok(head),
            Some(line) => Err(HeadError::Line { expected: "", found: line.chars().take(80).collect() }),
        }
    }
}

impl fmt::Display for Head {
    /// Writes the head without the empty line that ends it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        writeln!(f, "role {}\nversion {}\nserial {}", self.role, self.version, self.serial)?;
        writeln!(f, "architecture {}\nbuilt {}", self.architecture, self.built)?;
        writeln!(f, "kernel {}", escape(self.kernel.as_str()))?;
        writeln!(f, "initrd {}", escape(self.initrd.as_str()))?;
        writeln!(f, "loader {}", escape(self.loader.as_str()))?;
        writeln!(f, "options ={}\nslot-size {}", self.options, self.slot_size)?;
        for path in &self.persistent {
            writeln!(f, "persistent {}", escape(path.as_str()))?;
        }
        writeln!(f, "ostree {}", self.ostree.as_deref().unwrap_or("-"))?;
        writeln!(f, "updater {}", self.updater)?;
        writeln!(f, "entries {}\nbytes {}", self.entries, self.bytes)
    }
}
