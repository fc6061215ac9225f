//! What runs: read from the kernel command line, the slot's manifest and the loader's variables.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use edeploy_format::boot::{EntryName, Options, OptionsError};
use edeploy_format::manifest::{Head, Reader, SLOT_FOLDER};

use super::trial::Trial;
use crate::efi::{Efi, Variable};
use crate::journal::Deployment;

/// The running tree and how it was booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The kernel's command line.
    pub options: Options,
    /// What the slot's manifest says of itself; `None` if it cannot be read.
    pub head: Option<Head>,
    /// The entry that was booted, as it was called before a trial was blessed.
    pub entry: Option<EntryName>,
    /// Whether this boot is counted.
    pub trial: Trial,
    /// The same, as the journal tells it.
    pub deployment: Deployment,
}

/// Why it is not known what runs.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// The command line cannot be read.
    #[error("reading the kernel command line")]
    Read(#[source] io::Error),
    /// It was not booted by an entry of ours.
    #[error("this boot is not of an entry of ours")]
    Foreign(#[source] OptionsError),
}

impl Running {
    /// What runs on the machine whose root is `root`.
    ///
    /// # Errors
    /// [`RunningError`] when the kernel command line is not one of ours.
    pub fn of(root: &Path) -> Result<Self, RunningError> {
        let text = fs::read_to_string(root.join("proc/cmdline")).map_err(RunningError::Read)?;
        let options = Options::of_command_line(&text).map_err(RunningError::Foreign)?;
        let efi = Efi::of(root);
        let trial = Trial::of(efi.as_ref());
        let entry = trial.entry().or_else(|| selected(efi.as_ref()?)).filter(|e| e.slot == options.slot);
        let head = head(root);
        let deployment = Deployment {
            version: head.as_ref().map(|head| head.version.clone()),
            manifest: options.manifest,
            slot: options.slot,
            generation: entry.map(|entry| entry.generation),
        };
        Ok(Self { options, head, entry, trial, deployment })
    }
}

fn selected(efi: &Efi) -> Option<EntryName> {
    efi.read(Variable::EntrySelected).ok()??.parse().ok()
}

fn head(root: &Path) -> Option<Head> {
    let file = File::open(root.join(SLOT_FOLDER).join("manifest")).ok()?;
    Some(Reader::new(BufReader::new(file)).ok()?.head().clone())
}
