//! What a machine is told: a profile with all its templates expanded, or nothing.
//!
//! The service adds what it alone knows: the nonce, the expiry, a version where the profile wants the newest or that of a channel, and the
//! signature.

use std::collections::BTreeSet;

use edeploy_format::fleet::{File, Hint, OnFailure, OnSuccess, Plan, Script};
use edeploy_format::name::{Role, Version};
use edeploy_format::path::{BadPath, TreePath};
use edeploy_format::tuf::Common;

use crate::profile::{DiskTemplate, Profile, Wanted};
use crate::template::{Template, TemplateError, Variables};

/// Bytes of all files and scripts together as they are written in a plan, at most: it has a limit of its own.
const LARGEST: usize = 768 << 10;

/// A profile that is expanded for one machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filled {
    /// The machine.
    pub machine: String,
    /// The profile.
    pub profile: String,
    /// The role.
    pub role: Role,
    /// Its version, as the profile wants it.
    pub version: Wanted,
    /// Where it is published; empty: where the service says.
    pub repos: Vec<String>,
    /// The disk.
    pub disk: Hint,
    /// Bytes of each slot.
    pub slot_size: Option<u64>,
    /// Files of the machine.
    pub files: Vec<File>,
    /// Programs for the installer.
    pub scripts: Vec<Script>,
    /// What the machine does once installed.
    pub on_success: OnSuccess,
    /// What it does where that fails.
    pub on_failure: OnFailure,
}

/// Why a profile cannot be expanded for a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A name stands for nothing.
    #[error("profile {profile}")]
    Template {
        /// The profile.
        profile: String,
        /// Which, and where.
        #[source]
        source: TemplateError,
    },
    /// The path of a file is none.
    #[error("profile {profile}: file {path}")]
    Path {
        /// The profile.
        profile: String,
        /// What it came to.
        path: String,
        /// What is wrong with it.
        #[source]
        source: PathError,
    },
    /// A value cannot be what it is to be.
    #[error("profile {profile}: {what} is empty or holds a control character")]
    Value {
        /// The profile.
        profile: String,
        /// Which value.
        what: String,
    },
    /// Two files are one.
    #[error("profile {profile}: two files are {path}")]
    Twice {
        /// The profile.
        profile: String,
        /// Where both would be.
        path: String,
    },
    /// It does not go into a plan.
    #[error("profile {profile}: files and scripts of {bytes} bytes: more than {LARGEST}")]
    Large {
        /// The profile.
        profile: String,
        /// How many.
        bytes: usize,
    },
}

/// Why a text is no path of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin at the root.
    #[error("it does not begin with /")]
    Relative,
    /// A value broke a line, or worse.
    #[error("it holds a control character")]
    Control,
    /// `..`, a name too long.
    #[error("{0}")]
    Bad(String),
}

impl From<BadPath> for PathError {
    fn from(bad: BadPath) -> Self {
        Self::Bad(bad.to_string())
    }
}

/// Checks the path of a file.
///
/// # Errors
/// [`PathError`].
pub fn check_path(path: &str) -> Result<(), PathError> {
    let below = path.strip_prefix('/').ok_or(PathError::Relative)?;
    if path.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    TreePath::new(below)?;
    Ok(())
}

impl Profile {
    /// The profile for a machine. `variables` are what [`crate::cmdb::merged`] gave; to them come `edeploy-machine`,
    /// `edeploy-profile` and `edeploy-role`.
    ///
    /// # Errors
    /// [`PlanError`]: nothing is expanded then.
    pub fn fill(&self, machine: &str, variables: &Variables) -> Result<Filled, PlanError> {
        let mut variables = variables.clone();
        for (name, value) in [("machine", machine), ("profile", &self.name), ("role", self.role.as_str())] {
            variables.insert(format!("edeploy-{name}"), value.to_owned());
        }
        let filling = Filling { profile: &self.name, variables: &variables };
        let files = filling.files(self)?;
        let scripts = filling.scripts(self)?;
        let texts = files.iter().map(|file| written(&file.text) + written(&file.path));
        let bytes = texts.chain(scripts.iter().map(size)).sum();
        if bytes > LARGEST {
            return Err(PlanError::Large { profile: self.name.clone(), bytes });
        }
        Ok(Filled {
            machine: machine.to_owned(),
            profile: self.name.clone(),
            role: self.role.clone(),
            version: self.version.clone(),
            repos: self.repos.clone(),
            disk: filling.disk(&self.disk)?,
            slot_size: self.slot_size,
            files,
            scripts,
            on_success: self.on_success,
            on_failure: self.on_failure,
        })
    }
}

/// Bytes of a script and its environment in a plan.
fn size(script: &Script) -> usize {
    let env = script.env.iter().map(|(name, value)| written(name) + written(value));
    written(&script.text) + env.sum::<usize>()
}

/// Bytes of a text in JSON.
fn written(text: &str) -> usize {
    serde_json::to_string(text).map_or(usize::MAX, |json| json.len())
}

impl Filled {
    /// The plan; `version` is the one that the profile wants.
    #[must_use]
    pub fn plan(self, common: Common, nonce: String, version: Version) -> Plan {
        Plan {
            common,
            nonce,
            machine: self.machine,
            profile: self.profile,
            role: self.role,
            version,
            repos: self.repos,
            disk: self.disk,
            slot_size: self.slot_size,
            files: self.files,
            scripts: self.scripts,
            on_success: self.on_success,
            on_failure: self.on_failure,
        }
    }
}

/// One expansion.
struct Filling<'a> {
    profile: &'a str,
    variables: &'a Variables,
}

impl Filling<'_> {
    fn text(&self, template: &Template) -> Result<String, PlanError> {
        let wrong = |source| PlanError::Template { profile: self.profile.to_owned(), source };
        template.expand(self.variables).map_err(wrong)
    }

    /// A text of one line that is not empty.
    fn value(&self, what: &str, template: Option<&Template>) -> Result<Option<String>, PlanError> {
        let Some(template) = template else { return Ok(None) };
        let text = self.text(template)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(PlanError::Value { profile: self.profile.to_owned(), what: what.to_owned() });
        }
        Ok(Some(text))
    }

    fn disk(&self, disk: &DiskTemplate) -> Result<Hint, PlanError> {
        // eDeploy's scripts give the device, a report the kernel's name.
        let name = self.value("disk.name", disk.name.as_ref())?;
        let name = name.map(|name| name.strip_prefix("/dev/").map(str::to_owned).unwrap_or(name));
        Ok(Hint {
            name,
            by_id: self.value("disk.by-id", disk.by_id.as_ref())?,
            serial: self.value("disk.serial", disk.serial.as_ref())?,
            model: self.value("disk.model", disk.model.as_ref())?,
            min_size: disk.min_size,
            max_size: disk.max_size,
            rotational: disk.rotational,
        })
    }

    fn files(&self, profile: &Profile) -> Result<Vec<File>, PlanError> {
        let mut paths = BTreeSet::new();
        let mut files = Vec::new();
        for file in &profile.files {
            let path = self.text(&file.path)?;
            check_path(&path).map_err(|source| PlanError::Path {
                profile: self.profile.to_owned(),
                path: path.escape_debug().to_string(),
                source,
            })?;
            if !paths.insert(path.clone()) {
                return Err(PlanError::Twice { profile: self.profile.to_owned(), path });
            }
            let text = self.text(&file.text)?;
            files.push(File { path, mode: file.mode.clone(), uid: file.uid, gid: file.gid, text });
        }
        Ok(files)
    }

    fn scripts(&self, profile: &Profile) -> Result<Vec<Script>, PlanError> {
        let one = |script: &crate::profile::ScriptTemplate| {
            let mut env = std::collections::BTreeMap::new();
            for (name, template) in &script.env {
                let value = self.text(template)?;
                if value.contains('\0') {
                    let what = format!("{name} of script {}", script.name);
                    return Err(PlanError::Value { profile: self.profile.to_owned(), what });
                }
                env.insert(name.clone(), value);
            }
            let (name, text) = (script.name.clone(), script.text.clone());
            Ok(Script { name, text, seconds: script.seconds, env })
        };
        profile.scripts.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests;
