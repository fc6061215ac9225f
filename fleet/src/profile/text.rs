//! The text of one `<name>.toml`: every key known, what is wrong told with its line.

use std::collections::BTreeMap;

use edeploy_format::fleet::{OnFailure, OnSuccess};
use edeploy_format::name::{Channel, Role};
use serde::Deserialize;
use toml::Spanned;

use super::{ProfileError, Wanted};

/// One `<name>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Text {
    pub role: Spanned<Role>,
    pub version: Option<Wanted>,
    pub channel: Option<Channel>,
    #[serde(default)]
    pub repos: Vec<String>,
    pub slot_size: Option<Size>,
    pub spec: Option<Vec<serde_json::Value>>,
    #[serde(default)]
    pub cmdb_key: Vec<String>,
    #[serde(default)]
    pub disk: Disk,
    #[serde(default)]
    pub file: Vec<File>,
    #[serde(default)]
    pub script: Vec<Script>,
    #[serde(default)]
    pub on_success: OnSuccess,
    #[serde(default)]
    pub on_failure: OnFailure,
}

/// `[disk]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Disk {
    pub name: Option<Spanned<String>>,
    pub by_id: Option<Spanned<String>>,
    pub serial: Option<Spanned<String>>,
    pub model: Option<Spanned<String>>,
    pub min_size: Option<Size>,
    pub max_size: Option<Size>,
    pub rotational: Option<bool>,
}

/// `[[file]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub path: Spanned<String>,
    #[serde(default)]
    pub mode: Mode,
    #[serde(default)]
    pub uid: u32,
    #[serde(default)]
    pub gid: u32,
    pub text: Option<Spanned<String>>,
    pub from: Option<Spanned<String>>,
    #[serde(default)]
    pub plain: bool,
}

/// `[[script]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Script {
    pub name: Spanned<String>,
    pub text: Option<Spanned<String>>,
    pub from: Option<Spanned<String>>,
    pub seconds: u64,
    #[serde(default)]
    pub env: BTreeMap<Variable, Spanned<String>>,
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == "newest" {
            return Ok(Self::Newest);
        }
        text.parse().map(Self::Exact).map_err(serde::de::Error::custom)
    }
}

/// A number of bytes: `512MiB`, `4GiB`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("MiB", 1_u64 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        let parsed = units.iter().find_map(|(suffix, unit)| {
            let number: u64 = text.strip_suffix(suffix)?.trim_end().parse().ok()?;
            number.checked_mul(*unit).filter(|bytes| *bytes > 0)
        });
        parsed.map(Self).ok_or_else(|| format!("{text:?}: a size is a number with MiB, GiB or TiB"))
    }
}

/// Permission bits in octal, four digits.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Mode(pub String);

impl Default for Mode {
    fn default() -> Self {
        Self("0644".to_owned())
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        if octal && (3..=4).contains(&text.len()) {
            return Ok(Self(format!("{text:0>4}")));
        }
        Err(format!("{text:?}: a mode is three or four octal digits, as 0644"))
    }
}

/// The name of a variable of an environment.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub(super) struct Variable(pub String);

impl TryFrom<String> for Variable {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if starts && text.len() <= 64 && text.chars().all(plain) {
            return Ok(Self(text));
        }
        Err(format!("{text:?}: a variable of the environment has letters, digits and `_`"))
    }
}

/// Parses a file.
pub(super) fn parse(file: &str, source: &str) -> Result<Text, ProfileError> {
    toml::from_str(source).map_err(|error: toml::de::Error| ProfileError::Text {
        file: file.to_owned(),
        line: line(source, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })
}

/// The line of a byte, from 1 on.
pub(super) fn line(source: &str, at: usize) -> usize {
    source.as_bytes()[..at.min(source.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line on which the content of a text begins: after three quotes a line break does not count.
pub(super) fn first_line(source: &str, text: &Spanned<String>) -> usize {
    let at = text.span().start;
    let rest = source.get(at..).unwrap_or_default();
    let long = rest.strip_prefix("\"\"\"").or_else(|| rest.strip_prefix("'''"));
    let breaks = long.is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"));
    line(source, at) + usize::from(breaks)
}
