//! What a machine remembers of its set-up, carried from slot to slot.

use std::io;

use serde::{Deserialize, Serialize};

use crate::slot::{Fault, Tree};

/// Its name in the slot's own folder.
const NAME: &str = "host.json";
const LIMIT: u64 = 64 << 10;

/// The set-up of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The address of the site.
    pub repo: String,
    /// What the machine was installed as, for hooks and people; may be empty.
    #[serde(default)]
    pub profile: String,
    /// Certificates to trust for https, in PEM, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<std::path::PathBuf>,
}

/// Why the set-up is not known.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Slot(#[from] Fault),
    /// The slot has none.
    #[error("the slot does not remember how it was set up: host.json is missing")]
    Missing,
    /// It does not parse.
    #[error("host.json")]
    Form(#[source] io::Error),
}

impl Settings {
    /// Those of a slot.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(slot: &Tree) -> Result<Self, SettingsError> {
        let text = slot.own_text(NAME, LIMIT)?.ok_or(SettingsError::Missing)?;
        serde_json::from_str(&text).map_err(|e| SettingsError::Form(e.into()))
    }

    /// Leaves them in a slot.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn store(&self, slot: &Tree) -> Result<(), SettingsError> {
        let text = serde_json::to_vec(self).map_err(|e| SettingsError::Form(e.into()))?;
        Ok(slot.write_own(NAME, &mut &text[..])?)
    }
}
