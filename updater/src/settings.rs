//! What a machine remembers of its set-up, carried from slot to slot.
//!
//! Each slot has it as it was when the slot was filled. What `remember` changed lies on the state
//! partition and counts before that, until the next upgrade has it in its slot too, and after.

use std::io;
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::failure::Failure;
use crate::slot::{Fault, Tree};

/// Its name in the slot's own folder.
pub const NAME: &str = "host.json";
/// Where it lies on the state partition, below the root of the machine.
const STATE: &str = "var/lib/edeploy/host.json";
/// A bundle of all public authorities has a third of this.
const LIMIT: u64 = 1 << 20;

/// The set-up of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The address of the site that is asked first.
    pub repo: String,
    /// Those of the sites asked after it, in this order. Beside `repo`, not in it: an older program in the other
    /// slot reads `repo` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
    /// What the machine was installed as, for hooks and people; may be empty.
    #[serde(default)]
    pub profile: String,
    /// Certificates to trust for https, as PEM, instead of the system's. Themselves, not where they are: a
    /// file may not be there when the next version runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
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
    #[error("{}", .file.display())]
    Form {
        /// Which copy.
        file: PathBuf,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The state partition's copy cannot be read or written.
    #[error("{doing} {}", .file.display())]
    State {
        /// `reading` or `writing`.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Settings {
    /// The addresses of all sites, the preferred one first.
    #[must_use]
    pub fn repos(&self) -> Vec<String> {
        let mut repos = self.mirrors.clone();
        repos.insert(0, self.repo.clone());
        repos
    }

    /// Those of a slot.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(slot: &Tree) -> Result<Self, SettingsError> {
        let text = slot.own_text(NAME, LIMIT)?.ok_or(SettingsError::Missing)?;
        parse(&text, Path::new(NAME))
    }

    /// Those that were remembered on the state partition of the machine whose root is `root`, if any.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn remembered(root: &Path) -> Result<Option<Self>, SettingsError> {
        let file = root.join(STATE);
        match std::fs::read_to_string(&file) {
            Ok(text) => parse(&text, &file).map(Some),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(SettingsError::State { doing: "reading", file, source }),
        }
    }

    /// Remembers them on the state partition; on the disk when this returns.
    ///
    /// # Errors
    /// [`SettingsError::State`].
    pub fn remember(&self, root: &Path) -> Result<(), SettingsError> {
        let file = root.join(STATE);
        let replaced = durable::replace(&file, &self.text(), 0o644);
        replaced.map_err(|source| SettingsError::State { doing: "writing", file, source })
    }

    /// The text, as slots and the state partition have it.
    ///
    /// # Panics
    /// Never: texts are always JSON.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts are always JSON")
    }
}

fn parse(text: &str, file: &Path) -> Result<Settings, SettingsError> {
    serde_json::from_slice(text.as_bytes())
        .map_err(|e| SettingsError::Form { file: file.to_owned(), source: e.into() })
}

/// The certificates in `file`.
///
/// # Errors
/// [`Exit::Usage`] if it cannot be read or is no text.
pub fn certificates(file: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(file);
    text.map_err(|e| Failure::new(Exit::Usage, format!("reading the certificates {}: {e}", file.display())))
}

/// The first of `repos` and the others, each an address that means the same from anywhere: a relative folder is
/// made absolute.
///
/// # Errors
/// [`Exit::Usage`] if there is none, or no working folder it could lie in.
pub fn lasting(repos: &[String]) -> Result<(String, Vec<String>), Failure> {
    let mut all = repos.to_vec();
    for repo in all.iter_mut().filter(|repo| !repo.contains("://")) {
        let path = std::path::absolute(&*repo);
        let path = path.map_err(|e| Failure::new(Exit::Usage, format!("the folder {repo:?}: {e}")))?;
        *repo = path.to_string_lossy().into_owned();
    }
    if all.is_empty() {
        return Err(Failure::new(Exit::Usage, "no repository is given"));
    }
    Ok((all.remove(0), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_the_same_from_everywhere() {
        let here = std::env::current_dir().unwrap().join("site").to_str().unwrap().to_owned();
        let typed = ["https://a/b", "site", "/srv/site"].map(str::to_owned);
        assert_eq!(lasting(&typed).unwrap(), (typed[0].clone(), vec![here, typed[2].clone()]));
        assert!(lasting(&[]).is_err());
    }

    #[test]
    fn one_repository_is_written_as_it_always_was_and_several_beside_it() {
        let old = r#"{"repo":"http://a","profile":""}"#;
        let mut settings = parse(old, Path::new(NAME)).unwrap();
        assert_eq!((settings.repos(), settings.text()), (vec!["http://a".to_owned()], old.into()));
        settings.mirrors = vec!["http://b".to_owned()];
        let text = String::from_utf8(settings.text()).unwrap();
        assert_eq!(text, r#"{"repo":"http://a","mirrors":["http://b"],"profile":""}"#);
        assert_eq!(parse(&text, Path::new(NAME)).unwrap().repos(), ["http://a", "http://b"]);
    }
}
