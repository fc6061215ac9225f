//! Who signs: a private key in memory, or a command that has one elsewhere.

use std::path::Path;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::command::{Command, CommandError};

/// Signs as one key.
///
/// A private key is wiped when it is dropped, and no `Debug` shows it.
#[derive(Debug)]
pub struct Signer {
    public: VerifyingKey,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Here.
    Here(SigningKey),
    /// By a command.
    Elsewhere(Command),
}

impl From<SigningKey> for Signer {
    fn from(key: SigningKey) -> Self {
        Self { public: key.verifying_key(), held: Held::Here(key) }
    }
}

impl Signer {
    /// Reads the file of a command.
    pub(super) fn command(path: &Path) -> Result<Self, super::KeysError> {
        let (public, command) = super::command::read(path)?;
        Ok(Self { public, held: Held::Elsewhere(command) })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The private half, where it is here.
    pub(super) fn private(&self) -> Option<&SigningKey> {
        match &self.held {
            Held::Here(key) => Some(key),
            Held::Elsewhere(_) => None,
        }
    }

    /// The signature of `message`. It is one by [`Signer::public`], whoever made it.
    ///
    /// # Errors
    /// [`CommandError`] when a command does not give one.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], CommandError> {
        match &self.held {
            Held::Here(key) => Ok(key.sign(message).to_bytes()),
            Held::Elsewhere(command) => command.sign(&self.public, message),
        }
    }
}
