//! The outer form of every metadata file: signatures over the canonical form of what is signed.
//!
//! A file is opened in a fixed order: length, JSON, signatures, and only then is anything inside
//! looked at. What is read is the very value whose canonical form was verified.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical::canonical;
use super::error::{Fault, TufError};
use super::hash::Sha256;
use super::key::{Key, KeyId, RoleKeys};
use super::metadata::{MetaFile, Signed};
use crate::digest::{hex, unhex};

/// One signature as the file holds it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    keyid: KeyId,
    sig: String,
}

#[derive(Serialize, Deserialize)]
struct File {
    signatures: Vec<Entry>,
    signed: Value,
}

/// A metadata file before anything in it is believed.
pub struct Envelope {
    signatures: Vec<Entry>,
    signed: Value,
    /// The canonical form of `signed`.
    message: Vec<u8>,
}

impl Envelope {
    /// Reads the outer form.
    ///
    /// # Errors
    /// [`Fault::Envelope`] or [`Fault::NotCanonical`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let File { signatures, signed } = serde_json::from_slice(bytes).map_err(Fault::Envelope)?;
        let message = canonical(&signed)?;
        Ok(Self { signatures, signed, message })
    }

    /// The keys that are said to have signed, in the order of the file.
    pub fn signers(&self) -> impl Iterator<Item = &KeyId> {
        self.signatures.iter().map(|entry| &entry.keyid)
    }

    /// Whether the first signature under `id` is one of `key`.
    #[must_use]
    pub fn is_signed_by(&self, id: &KeyId, key: &VerifyingKey) -> bool {
        let entry = self.signatures.iter().find(|entry| entry.keyid == *id);
        let signature =
            entry.and_then(|entry| unhex(&entry.sig)).and_then(|b| Signature::from_slice(&b).ok());
        signature.is_some_and(|signature| key.verify_strict(&self.message, &signature).is_ok())
    }

    /// Whether enough of the listed keys signed. Each key counts once, whatever it is called.
    pub(super) fn check(&self, keys: &BTreeMap<KeyId, Key>, role: &RoleKeys) -> Result<(), Fault> {
        let listed = role.keyids.iter().filter_map(|id| Some((id, keys.get(id)?.ed25519()?)));
        let signed = listed.filter(|(id, key)| self.is_signed_by(id, key));
        let valid = signed.map(|(_, key)| key.to_bytes()).collect::<BTreeSet<_>>().len();
        let threshold = role.threshold;
        let enough = threshold > 0 && valid as u64 >= threshold;
        if enough { Ok(()) } else { Err(Fault::Signatures { valid, threshold }) }
    }

    /// What is signed, as a `T`, whoever signed it: check that first.
    ///
    /// # Errors
    /// The [`Fault`] of its form.
    pub fn read<T: Signed>(&self) -> Result<T, Fault> {
        let value: T = T::deserialize(&self.signed).map_err(Fault::Shape)?;
        value.common().check::<T>()?;
        value.check()?;
        Ok(value)
    }
}

/// A document whose signatures were checked, with the bytes it came from.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    bytes: Vec<u8>,
}

impl<T: Signed> Verified<T> {
    /// Opens `bytes`, which `role` of `keys` must have signed.
    ///
    /// # Errors
    /// The first [`Fault`] found, under the name `file`.
    pub fn open(
        file: &str,
        bytes: &[u8],
        keys: &BTreeMap<KeyId, Key>,
        role: &RoleKeys,
    ) -> Result<Self, TufError> {
        Self::opened(bytes, |envelope| envelope.check(keys, role)).map_err(|fault| fault.of(file))
    }

    /// Opens `bytes` after `check` has passed the envelope.
    pub(super) fn opened(
        bytes: &[u8],
        check: impl FnOnce(&Envelope) -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        let length = bytes.len() as u64;
        if length > T::LIMIT {
            return Err(Fault::TooLong { length, limit: T::LIMIT });
        }
        let envelope = Envelope::parse(bytes)?;
        check(&envelope)?;
        Ok(Self { value: envelope.read()?, bytes: bytes.to_vec() })
    }

    /// The file as it was read.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T> std::ops::Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// The file of `document`, signed by each of `keys`.
///
/// # Errors
/// [`Fault::Shape`] or [`Fault::NotCanonical`] when an unknown field in it cannot be signed,
/// [`Fault::TooLong`], and what a client would refuse in it.
pub fn sign<T: Signed>(document: &T, keys: &[&SigningKey]) -> Result<Vec<u8>, Fault> {
    document.common().check::<T>()?;
    document.check()?;
    let signed = serde_json::to_value(document).map_err(Fault::Shape)?;
    let message = canonical(&signed)?;
    let mut signatures = BTreeMap::new();
    for key in keys {
        let id = Key::from(&key.verifying_key()).id()?;
        signatures.insert(id, hex(&key.sign(&message).to_bytes()));
    }
    let signatures = signatures.into_iter().map(|(keyid, sig)| Entry { keyid, sig }).collect();
    let bytes = serde_json::to_vec(&File { signatures, signed }).map_err(Fault::Shape)?;
    let length = bytes.len() as u64;
    if length > T::LIMIT { Err(Fault::TooLong { length, limit: T::LIMIT }) } else { Ok(bytes) }
}

/// A file that must be had next: its name below `metadata/`, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its name: `7.snapshot.json`.
    pub file: String,
    /// No more bytes than this need be read.
    pub limit: u64,
    /// Its hash, where it is listed.
    pub sha256: Option<Sha256>,
}

impl Listing {
    pub(super) fn of<T: Signed>(name: &str, meta: &MetaFile) -> Self {
        Self {
            file: format!("{}.{name}.json", meta.version),
            limit: meta.length.unwrap_or(T::LIMIT).min(T::LIMIT),
            sha256: meta.hashes.as_ref().map(|hashes| hashes.sha256),
        }
    }

    /// Whether `bytes` are known to be this file, so that it need not be fetched.
    #[must_use]
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.sha256.is_some_and(|sha256| sha256 == Sha256::of(bytes))
    }
}
