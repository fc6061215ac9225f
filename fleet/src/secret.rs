//! What only its holder knows: 256 random bits, told once; kept is what they hash to.
//!
//! SHA-256 without salt or delay is enough for what nobody can guess.

use std::fmt;
use std::io;

use edeploy_format::digest::hex;
use edeploy_format::tuf::Sha256;
use rustix::rand::{GetRandomFlags, getrandom};

/// A secret, in 64 hexadecimal digits. Shown by `Display` alone, to whom it is for.
pub struct Secret(String);

/// What a secret hashes to: this is kept, and looked up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretHash(String);

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// If the kernel has no random bytes.
    pub fn new() -> io::Result<Self> {
        let mut bytes = [0; 32];
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self(hex(&bytes)))
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl SecretHash {
    /// Of what somebody says is a secret.
    #[must_use]
    pub fn of(said: &str) -> Self {
        Self(Sha256::of(said.as_bytes()).to_string())
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
