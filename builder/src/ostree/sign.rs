//! Signatures on commits, in the format of libostree's own Ed25519 engine.
//!
//! The detached metadata of a commit holds, under `ostree.sign.ed25519`, an array of 64-byte signatures of the
//! commit object's bytes (`aay`; libostree's `ostree-sign-ed25519.c`). Debian builds libostree without that engine,
//! so signing and checking are done here. Trust in what hosts install is TUF's; this is for those who use the
//! repository itself.

use ed25519_dalek::{Signature, VerifyingKey};
use edeploy_format::tuf::Sha256;
use ostree::gio;
use ostree::{ObjectType, glib};

use super::seal::SEAL;
use super::{OstreeError, Repository};
use crate::keys::Signer;

/// The key of the signatures in a commit's detached metadata.
const SIGNATURES: &str = "ostree.sign.ed25519";

/// What is known of a commit beside itself.
pub(super) struct Detached {
    metadata: glib::VariantDict,
    signatures: Vec<Vec<u8>>,
    pub(super) seal: Option<Sha256>,
}

fn is_by(key: &VerifyingKey, bytes: &[u8], signature: &[u8]) -> bool {
    Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(bytes, &signature).is_ok())
}

impl Repository {
    /// Signs a commit with `keys`, in place of signatures that are there, and seals it if it is not sealed yet.
    ///
    /// A seal stays: made anew, it would cover up what has changed since.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn sign(&self, commit: &str, keys: &[&Signer]) -> Result<(), OstreeError> {
        let bytes = self.commit_bytes(commit)?;
        let detached = self.detached(commit)?;
        let is_signed = detached.signatures.len() == keys.len()
            && keys.iter().zip(&detached.signatures).all(|(key, by)| is_by(key.public(), &bytes, by));
        // A command that signs may ask a person each time.
        if detached.seal.is_some() && is_signed {
            return Ok(());
        }
        let signatures = keys.iter().map(|key| key.sign(&bytes).map(Vec::from));
        let signatures: Vec<Vec<u8>> = signatures.collect::<Result<_, _>>()?;
        let seal = detached.seal.map_or_else(|| self.seal(commit), Ok)?;
        detached.metadata.insert(SIGNATURES, signatures);
        detached.metadata.insert(SEAL, seal.to_string());
        self.repo
            .write_commit_detached_metadata(commit, Some(&detached.metadata.end()), gio::Cancellable::NONE)
            .map_err(self.failed(format!("signing {commit}")))
    }

    /// Whether the commit has signatures, and each is by one of `keys`.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn is_signed_by(&self, commit: &str, keys: &[VerifyingKey]) -> Result<bool, OstreeError> {
        let bytes = self.commit_bytes(commit)?;
        let signatures = self.detached(commit)?.signatures;
        let valid = |signature: &Vec<u8>| keys.iter().any(|key| is_by(key, &bytes, signature));
        Ok(!signatures.is_empty() && signatures.iter().all(valid))
    }

    fn commit_bytes(&self, commit: &str) -> Result<Vec<u8>, OstreeError> {
        self.trust_commit(commit)?;
        let variant = self.repo.load_variant(ObjectType::Commit, commit);
        variant
            .map(|variant| variant.data().to_vec())
            .map_err(self.failed(format!("reading commit {commit}")))
    }

    /// A commit's detached metadata.
    pub(super) fn detached(&self, commit: &str) -> Result<Detached, OstreeError> {
        let metadata = self
            .repo
            .read_commit_detached_metadata(commit, gio::Cancellable::NONE)
            .map_err(self.failed(format!("reading the signatures of {commit}")))?;
        let metadata = glib::VariantDict::new(metadata.as_ref());
        let signatures = metadata.lookup::<Vec<Vec<u8>>>(SIGNATURES).ok().flatten().unwrap_or_default();
        let damaged = || {
            let (object, what) = (self.path.join(format!("commit {commit}")), "its seal is none".to_owned());
            OstreeError::Damaged { object, what }
        };
        let text = metadata.lookup::<String>(SEAL).map_err(|_| damaged())?;
        let seal = text.map(|text| text.parse().map_err(|_| damaged())).transpose()?;
        Ok(Detached { metadata, signatures, seal })
    }
}
