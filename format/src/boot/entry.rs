//! The text of an entry: Boot Loader Specification, type 1.
//!
//! The line `linux` comes last: the loader ignores an entry without it, so that no beginning of a text
//! is ever taken for an entry. Unknown keys are passed over (a later updater may add some), known
//! ones must be there once.

use std::fmt;
use std::str::FromStr;

use super::OBJECTS;
use super::name::EntryName;
use super::options::{Options, OptionsError};
use crate::decimal::decimal;
use crate::digest::Digest;

/// What an entry boots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What the loader's menu shows; one line.
    pub title: String,
    /// The `version` the loader orders by.
    pub generation: u64,
    /// The content of the kernel image.
    pub kernel: Digest,
    /// The content of the initrd.
    pub initrd: Digest,
    /// The kernel command line.
    pub options: Options,
}

/// Why a text is no whole entry of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The text is torn: no UTF-8, a control character, or its last line is not ended.
    #[error("the entry is torn")]
    Torn,
    /// A key is not there, or there twice.
    #[error("the entry has not exactly one line `{0}`")]
    Key(&'static str),
    /// A value does not parse.
    #[error("the entry's line `{key}` says {value:?}")]
    Value {
        /// The key of the line.
        key: &'static str,
        /// What stands there.
        value: String,
    },
    /// The options are not ours.
    #[error("the entry's options")]
    Options(#[from] OptionsError),
    /// The text speaks of another slot or generation than the file's name.
    #[error("the text is not that of an entry called {0}")]
    Name(EntryName),
}

impl Entry {
    /// Parses the content of the file `name`; text and name must agree.
    ///
    /// # Errors
    /// If it is torn, not ours, or belongs under another name.
    pub fn parse(name: EntryName, content: &[u8]) -> Result<Self, EntryError> {
        let entry: Self = std::str::from_utf8(content).map_err(|_| EntryError::Torn)?.parse()?;
        let same = entry.generation == name.generation && entry.options.slot == name.slot;
        if same { Ok(entry) } else { Err(EntryError::Name(name)) }
    }

    /// The contents the entry needs beside itself.
    #[must_use]
    pub fn objects(&self) -> [Digest; 2] {
        [self.kernel, self.initrd]
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "title {}\nsort-key {SORT_KEY}\nversion {}", self.title, self.generation)?;
        writeln!(f, "options {}", self.options)?;
        writeln!(f, "initrd /{OBJECTS}/{}\nlinux /{OBJECTS}/{}", self.initrd, self.kernel)
    }
}

const SORT_KEY: &str = "edeploy";

/// The one value of `key`.
fn value<'a>(text: &'a str, key: &'static str) -> Result<&'a str, EntryError> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) | (Some(_), Some(_)) => Err(EntryError::Key(key)),
    }
}

fn digest(key: &'static str, value: &str) -> Result<Digest, EntryError> {
    value.parse().map_err(|_| EntryError::Value { key, value: value.chars().take(80).collect() })
}

fn number(key: &'static str, value: &str) -> Result<u64, EntryError> {
    decimal(value).ok_or_else(|| EntryError::Value { key, value: value.chars().take(80).collect() })
}

fn object(text: &str, key: &'static str) -> Result<Digest, EntryError> {
    let path = value(text, key)?;
    let name = path.strip_prefix('/').and_then(|p| p.strip_prefix(OBJECTS)?.strip_prefix('/'));
    digest(key, name.unwrap_or(path))
}

impl FromStr for Entry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if !text.ends_with('\n') || text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(EntryError::Torn);
        }
        if value(text, "sort-key")? != SORT_KEY {
            return Err(EntryError::Key("sort-key"));
        }
        Ok(Self {
            title: value(text, "title")?.to_owned(),
            generation: number("version", value(text, "version")?)?,
            kernel: object(text, "linux")?,
            initrd: object(text, "initrd")?,
            options: value(text, "options")?.parse()?,
        })
    }
}
