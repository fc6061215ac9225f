//! One document of the site, signed by each of several keys.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use edeploy_format::tuf::{Key, Signed, message, signed};

use super::SiteError;
use crate::keys::{KeysError, Signer};

/// The file of `document`; each key signs once, however often it is named.
pub(super) fn sign<T: Signed>(file: &str, document: &T, signers: &[&Signer]) -> Result<Vec<u8>, SiteError> {
    let wrong = |source| SiteError::Sign { file: file.to_owned(), source };
    let message = message(document).map_err(wrong)?;
    let mut signatures = BTreeMap::new();
    for signer in signers {
        let id = Key::from(signer.public()).id().map_err(wrong)?;
        if let Entry::Vacant(place) = signatures.entry(id) {
            place.insert(signer.sign(&message).map_err(KeysError::from)?);
        }
    }
    signed(document, &signatures).map_err(wrong)
}
