//! The keys of the fleet service: what `targets.json` lets sign plans, and nothing else.

use edeploy_format::tuf::{Delegation, Key, KeyId, RoleKeys, Time};

use super::rotate::put;
use super::{Draft, Lifetimes, Site, SiteError};
use crate::keys::{Keys, KeysError};

impl Site {
    /// Lets `fleet`, each of them alone, sign plans, in place of those that did; the private halves are the service's
    /// and are not needed here.
    ///
    /// # Errors
    /// [`SiteError`]: a key that is named twice, or keys that must sign and are not at hand.
    pub fn delegate_fleet(
        &mut self,
        fleet: Vec<Key>,
        keys: &Keys,
        lifetimes: Lifetimes,
        now: Time,
    ) -> Result<Vec<KeyId>, SiteError> {
        let mut named: Vec<(KeyId, Key)> = Vec::with_capacity(fleet.len());
        for key in fleet {
            let id = key.id().map_err(KeysError::Id)?;
            if named.iter().any(|(other, _)| *other == id) {
                return Err(SiteError::Twice(id.to_string()));
            }
            named.push((id, key));
        }
        let ids: Vec<KeyId> = named.iter().map(|(id, _)| id.clone()).collect();
        let mut targets = (**self.state.chain.targets()).clone();
        put(&mut targets, Delegation::of_fleet(RoleKeys::new(ids.clone(), 1)), named);
        self.commit(Draft { targets: Some(targets), ..Draft::default() }, keys, lifetimes, now)?;
        Ok(ids)
    }
}
