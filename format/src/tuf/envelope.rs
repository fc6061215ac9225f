//! The outer form of every metadata file: signatures over the canonical form of what is signed.
//!
//! A file is opened in a fixed order: length, JSON, signatures, and only then is anything inside
//! looked at. What is read is the very value whose canonical form was verified.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::canonical::canonical;
use super::error::{Fault, TufError};
use super::key::{Key, KeyId, RoleKeys};
use super::metadata::{MetaFile, Signed};
use super::rules::{Profile, Rules};
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

    /// Whether enough of those listed signed, each under its identifier once. Each key counts once, whatever it is
    /// called.
    pub(super) fn check(&self, by: Signers<'_>) -> Result<(), Fault> {
        // Few sign, so this is no set.
        let mut valid: Vec<Vec<u8>> = Vec::new();
        for id in &by.role.keyids {
            let mut named = self.signatures.iter().filter(|entry| entry.keyid == *id);
            let (Some(entry), Some(key)) = (named.next(), by.keys.get(id)) else { continue };
            if named.next().is_some() {
                return Err(Fault::SignedTwice(id.clone()));
            }
            let signer = unhex(&entry.sig).and_then(|sig| by.rules.signer(key, &self.message, &sig));
            valid.extend(signer.filter(|signer| !valid.contains(signer)));
        }
        let (valid, threshold) = (valid.len(), by.role.threshold);
        let enough = threshold > 0 && valid as u64 >= threshold;
        if enough { Ok(()) } else { Err(Fault::Signatures { valid, threshold }) }
    }

    /// What is signed, as a `T`, whoever signed it: check that first.
    ///
    /// # Errors
    /// The [`Fault`] of its form.
    pub fn read<T: Signed>(&self) -> Result<T, Fault> {
        self.read_under(&Profile)
    }

    pub(super) fn read_under<T: Signed>(&self, rules: &dyn Rules) -> Result<T, Fault> {
        let value: T = T::deserialize(&self.signed).map_err(Fault::Shape)?;
        value.common().check::<T>()?;
        value.check(rules)?;
        Ok(value)
    }
}

/// Whoever must have signed: those of `keys` that `role` names, counted by `rules`.
#[derive(Clone, Copy)]
pub(super) struct Signers<'a> {
    pub(super) keys: &'a BTreeMap<KeyId, Key>,
    pub(super) role: &'a RoleKeys,
    pub(super) rules: &'static dyn Rules,
}

/// A document whose signatures were checked, with the bytes it came from.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    value: T,
    bytes: Vec<u8>,
}

impl<T: Signed> Verified<T> {
    /// Opens `bytes`, which `by` must have signed.
    pub(super) fn open(file: &str, bytes: &[u8], by: Signers<'_>) -> Result<Self, TufError> {
        Self::opened(bytes, by.rules, |envelope| envelope.check(by)).map_err(|fault| fault.of(file))
    }

    /// Opens `bytes` after `check` has passed the envelope.
    pub(super) fn opened(
        bytes: &[u8],
        rules: &dyn Rules,
        check: impl FnOnce(&Envelope) -> Result<(), Fault>,
    ) -> Result<Self, Fault> {
        let length = bytes.len() as u64;
        if length > T::LIMIT {
            return Err(Fault::TooLong { length, limit: T::LIMIT });
        }
        let envelope = Envelope::parse(bytes)?;
        check(&envelope)?;
        Ok(Self { value: envelope.read_under(rules)?, bytes: bytes.to_vec() })
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
    let message = message(document)?;
    let mut signatures = BTreeMap::new();
    for key in keys {
        signatures.insert(Key::from(&key.verifying_key()).id()?, key.sign(&message).to_bytes());
    }
    signed(document, &signatures)
}

/// The bytes of `document` that are signed: for keys that are not at hand as values.
///
/// # Errors
/// As [`sign`].
pub fn message<T: Signed>(document: &T) -> Result<Vec<u8>, Fault> {
    document.common().check::<T>()?;
    document.check(&Profile)?;
    Ok(canonical(&serde_json::to_value(document).map_err(Fault::Shape)?)?)
}

/// The file of `document` with `signatures` of its [`message`], which are not looked at.
///
/// # Errors
/// As [`sign`].
pub fn signed<T: Signed>(document: &T, signatures: &BTreeMap<KeyId, [u8; 64]>) -> Result<Vec<u8>, Fault> {
    let signed = serde_json::to_value(document).map_err(Fault::Shape)?;
    let entry = |(keyid, sig): (&KeyId, &[u8; 64])| Entry { keyid: keyid.clone(), sig: hex(sig) };
    let signatures = signatures.iter().map(entry).collect();
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
}

impl Listing {
    pub(super) fn of<T: Signed>(name: &str, meta: &MetaFile, consistent: bool) -> Self {
        let version = if consistent { format!("{}.", meta.version) } else { String::new() };
        Self { file: format!("{version}{name}.json"), limit: meta.length.unwrap_or(T::LIMIT).min(T::LIMIT) }
    }
}
