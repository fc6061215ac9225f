//! The channels of a role: which version each names, signed by the role's own key.

use edeploy_format::name::{Channel, Role, Version};
use edeploy_format::tuf::{Time, TrustedRole};

use super::{Draft, Lifetimes, Site, SiteError};
use crate::keys::Keys;

impl Site {
    /// Names `version` by a channel of `role` from now on, or nothing; gives what it named before. What it names
    /// already is not signed again.
    ///
    /// # Errors
    /// [`SiteError`]: no such role, a version that is not published or was ended, no such channel to remove, or keys
    /// that must sign and are not at hand.
    pub fn set_channel(
        &mut self,
        role: &Role,
        name: &Channel,
        version: Option<&Version>,
        keys: &Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<Option<Version>, SiteError> {
        let metadata = self.state.role(role)?;
        let before = metadata.document().channels().remove(name);
        match (version, &before) {
            (Some(version), _) => check(metadata, version)?,
            (None, Some(_)) => {}
            (None, None) => return Err(SiteError::NoChannel { role: role.clone(), name: name.clone() }),
        }
        if version != before.as_ref() {
            let mut document = (**metadata.document()).clone();
            document.set_channel(name, version);
            let roles = [(role.clone(), document)].into();
            self.commit(Draft { roles, ..Draft::default() }, keys, lifetimes, now)?;
        }
        Ok(before)
    }
}

/// Refuses a version that no host could be given.
fn check(metadata: &TrustedRole, version: &Version) -> Result<(), SiteError> {
    let (role, least) = (metadata.role().clone(), metadata.document().min_serial());
    let version = version.clone();
    match metadata.versions().into_iter().find(|listed| listed.version == version) {
        None => Err(SiteError::NoVersion { role, version }),
        Some(listed) if listed.identity.serial < least => {
            let serial = listed.identity.serial;
            Err(SiteError::Ended { role, version, serial, least })
        }
        Some(_) => Ok(()),
    }
}
