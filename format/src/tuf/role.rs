//! The metadata of one server role, and the versions it publishes.

use super::envelope::Verified;
use super::matches;
use super::target::{Identity, Target, Targets};
use crate::name::{Role, Version};

/// A version that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub version: Version,
    /// What its manifest says about itself.
    pub identity: Identity,
}

/// The metadata of one server role is believed.
#[derive(Clone, Debug)]
pub struct TrustedRole {
    pub(super) role: Role,
    pub(super) targets: Verified<Targets>,
}

impl TrustedRole {
    /// The server role.
    #[must_use]
    pub fn role(&self) -> &Role {
        &self.role
    }

    /// The object `name`; `None` too when the role lists it and has no right to.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.targets.get(name).filter(|_| matches(&self.role, name))
    }

    /// All objects that the role lists and may list.
    pub fn targets(&self) -> impl Iterator<Item = (&str, &Target)> {
        let all = self.targets.targets.iter().map(|(name, target)| (name.as_str(), target));
        all.filter(|(name, _)| matches(&self.role, name))
    }

    /// The versions whose manifests the role lists, by serial. Names and custom fields that are not of
    /// this project's form are no versions.
    #[must_use]
    pub fn versions(&self) -> Vec<Listed> {
        let version = |name: &str| -> Option<Version> {
            let rest = name.strip_prefix(self.role.as_str())?.strip_prefix('@')?;
            rest.strip_suffix("@manifest")?.parse().ok()
        };
        let mut versions: Vec<Listed> = self
            .targets()
            .filter_map(|(name, target)| {
                Some(Listed { version: version(name)?, identity: target.custom(name).ok()? })
            })
            .collect();
        versions.sort_by(|a, b| (a.identity.serial, &a.version).cmp(&(b.identity.serial, &b.version)));
        versions
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &Verified<Targets> {
        &self.targets
    }
}
