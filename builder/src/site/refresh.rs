//! New dates for what is published, and which of them come to an end.

use edeploy_format::tuf::{Signed, Time, delegated};
use serde::Serialize;

use super::{Draft, Lifetimes, Site, SiteError, State};
use crate::keys::Keys;

/// A file of metadata and how long it is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Good {
    /// Its name, without version: `targets.json`.
    pub file: String,
    /// Its version.
    pub version: u64,
    /// Hosts refuse it from then on.
    pub until: Time,
    /// The command that gives it a new date.
    pub renewed_by: &'static str,
}

impl State {
    /// All files of metadata that hosts read now, the timestamp first.
    #[must_use]
    pub fn good(&self) -> Vec<Good> {
        fn good<T: Signed>(name: &str, document: &T) -> Good {
            let common = document.common();
            let file = format!("{name}.json");
            Good { file, version: common.version, until: common.expires, renewed_by: T::RENEWED_BY }
        }
        let chain = &self.chain;
        let mut all = vec![
            good("timestamp", &**chain.timestamp()),
            good("snapshot", &**chain.snapshot()),
            good("targets", &**chain.targets()),
        ];
        all.extend(self.roles.iter().map(|(role, metadata)| good(&delegated(role), &**metadata.document())));
        all.push(good("root", &**chain.root()));
        all
    }
}

impl Site {
    /// Signs the timestamp anew; with `all`, the metadata of roles, targets and the snapshot too. The root has its
    /// own command, as its keys lie elsewhere.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn refresh(
        &mut self,
        all: bool,
        keys: &Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<(), SiteError> {
        let mut draft = Draft::default();
        if all {
            let roles = self.state.roles.iter();
            draft.roles = roles.map(|(role, m)| (role.clone(), (**m.document()).clone())).collect();
            draft.targets = Some((**self.state.chain.targets()).clone());
            draft.snapshot = true;
        }
        self.commit(draft, keys, lifetimes, now)
    }
}
