//! The text of one recipe: TOML, every key known, every value checked where it stands.
//!
//! A mistake is reported with file, line and key.

use std::collections::BTreeMap;
use std::path::Path;

use edeploy_format::name::{Architecture, Role, Version};
use serde::Deserialize;

use super::RecipeError;
use super::value::{
    Absolute, AccountName, Argument, Hostname, InitrdForm, Package, Pattern, Persistent, ScriptName, Size,
    SourceLine, Suite, Variant,
};

/// One `recipe.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Text {
    pub role: Role,
    pub parent: Option<Role>,
    pub suite: Option<Suite>,
    pub variant: Option<Variant>,
    pub architecture: Option<Architecture>,
    #[serde(default)]
    pub sources: Vec<SourceLine>,
    pub slot_size: Option<Size>,
    pub hostname: Option<Hostname>,
    pub exclude_docs: Option<bool>,
    pub initrd: Option<InitrdForm>,
    #[serde(default)]
    pub persistent: Vec<Persistent>,
    #[serde(default)]
    pub ids: Ids,
    #[serde(default)]
    pub allow: Allow,
    #[serde(default)]
    pub packages: Vec<Package>,
    #[serde(default)]
    pub scripts: Vec<ScriptName>,
    #[serde(default)]
    pub remove: Vec<Pattern>,
    #[serde(default)]
    pub kernel_arguments: Vec<Argument>,
    #[serde(default)]
    pub version: BTreeMap<Version, Additions>,
}

/// What one version adds to its role.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Additions {
    #[serde(default)]
    pub packages: Vec<Package>,
    #[serde(default)]
    pub scripts: Vec<ScriptName>,
    #[serde(default)]
    pub remove: Vec<Pattern>,
    #[serde(default)]
    pub kernel_arguments: Vec<Argument>,
}

/// Numbers of users and groups that must never change.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// Users by name.
    #[serde(default)]
    pub users: BTreeMap<AccountName, User>,
    /// Group numbers by name.
    #[serde(default)]
    pub groups: BTreeMap<AccountName, u32>,
}

/// A user with a fixed number.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Primary group; `nogroup` when left out.
    #[serde(default = "nogroup")]
    pub gid: u32,
    /// Home folder.
    #[serde(default = "nowhere")]
    pub home: Absolute,
    /// Login shell.
    #[serde(default = "nologin")]
    pub shell: Absolute,
}

fn nogroup() -> u32 {
    65534
}

fn nowhere() -> Absolute {
    Absolute::try_from("/nonexistent".to_owned()).expect("an absolute path")
}

fn nologin() -> Absolute {
    Absolute::try_from("/usr/sbin/nologin".to_owned()).expect("an absolute path")
}

/// What a tree may hold although it looks like a machine's secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Allow {
    #[serde(default)]
    pub private_keys: Vec<Absolute>,
}

/// Parses the text of the recipe that lies at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Text, RecipeError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let (line, key) = place(text, error.span().map_or(0, |span| span.start));
        let message = error.message().to_owned();
        // What is missing stands nowhere; the line is that of its table.
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let key = missing.unwrap_or(key).to_owned();
        RecipeError::Text { path: path.to_owned(), line, key, message }
    })
}

/// The number of the line that holds byte `at`, and the key whose value stands there.
fn place(text: &str, at: usize) -> (usize, &str) {
    let line = text[..at.min(text.len())].matches('\n').count() + 1;
    let key_of = |line: &'_ str| -> Option<(usize, usize)> {
        let (key, _) = line.split_once('=')?;
        let key = key.trim();
        let plain = |c: char| c.is_alphanumeric() || "-_.\"' ".contains(c);
        let start = line.find(key)?;
        (!key.is_empty() && key.chars().all(plain)).then_some((start, start + key.len()))
    };
    let before: Vec<&str> = text.lines().take(line).collect();
    let key = before.iter().rev().find_map(|line| key_of(line).map(|(start, end)| &line[start..end]));
    (line, key.unwrap_or_else(|| before.last().map_or("", |line| line.trim())))
}
