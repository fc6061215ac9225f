//! Signatures on commits, in the format of libostree's own Ed25519 engine.
//!
//! The detached metadata of a commit holds, under `ostree.sign.ed25519`, an array of 64-byte signatures of the
//! commit object's bytes (`aay`; libostree's `ostree-sign-ed25519.c`). Debian builds libostree without that engine,
//! so signing and checking are done here. Trust in what hosts install is TUF's; this is for those who use the
//! repository itself.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use ostree::gio;
use ostree::{ObjectType, glib};

use super::{OstreeError, Repository};

/// The key of the signatures in a commit's detached metadata.
const SIGNATURES: &str = "ostree.sign.ed25519";

impl Repository {
    /// Signs a commit; a signature that is there already stays, and none is there twice.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn sign(&self, commit: &str, key: &SigningKey) -> Result<(), OstreeError> {
        let signature = key.sign(&self.commit_bytes(commit)?).to_bytes().to_vec();
        let (metadata, mut signatures) = self.signatures(commit)?;
        if signatures.contains(&signature) {
            return Ok(());
        }
        signatures.push(signature);
        metadata.insert(SIGNATURES, signatures);
        self.repo
            .write_commit_detached_metadata(commit, Some(&metadata.end()), gio::Cancellable::NONE)
            .map_err(self.failed(format!("signing {commit}")))
    }

    /// Whether one of the commit's signatures is by `key`.
    ///
    /// # Errors
    /// [`OstreeError`].
    pub fn is_signed_by(&self, commit: &str, key: &VerifyingKey) -> Result<bool, OstreeError> {
        let bytes = self.commit_bytes(commit)?;
        let (_, signatures) = self.signatures(commit)?;
        let valid = |signature: &Vec<u8>| {
            let signature = Signature::from_slice(signature);
            signature.is_ok_and(|signature| key.verify_strict(&bytes, &signature).is_ok())
        };
        Ok(signatures.iter().any(valid))
    }

    fn commit_bytes(&self, commit: &str) -> Result<Vec<u8>, OstreeError> {
        self.trust_commit(commit)?;
        let variant = self.repo.load_variant(ObjectType::Commit, commit);
        variant
            .map(|variant| variant.data().to_vec())
            .map_err(self.failed(format!("reading commit {commit}")))
    }

    /// A commit's detached metadata, and the signatures in it.
    fn signatures(&self, commit: &str) -> Result<(glib::VariantDict, Vec<Vec<u8>>), OstreeError> {
        let metadata = self
            .repo
            .read_commit_detached_metadata(commit, gio::Cancellable::NONE)
            .map_err(self.failed(format!("reading the signatures of {commit}")))?;
        let metadata = glib::VariantDict::new(metadata.as_ref());
        let signatures = metadata.lookup::<Vec<Vec<u8>>>(SIGNATURES).ok().flatten().unwrap_or_default();
        Ok((metadata, signatures))
    }
}
