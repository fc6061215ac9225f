//! Public keys, their identifiers, and who must sign.

use std::collections::BTreeSet;
use std::fmt;

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::canonical::canonical;
use super::error::Fault;
use super::hash::Sha256;
use crate::digest::{hex, unhex};

const ED25519: &str = "ed25519";

/// What names a key: the SHA-256 of its canonical form, in hex.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key as metadata holds it. Keys of other kinds than Ed25519 are kept, and never count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Map<String, Value>);

impl From<&VerifyingKey> for Key {
    fn from(public: &VerifyingKey) -> Self {
        let Value::Object(fields) = json!({
            "keytype": ED25519, "keyval": {"public": hex(public.as_bytes())}, "scheme": ED25519,
        }) else {
            unreachable!("written as an object")
        };
        Self(fields)
    }
}

impl Key {
    /// The key; `None` when it is of another kind, or no point that may be used.
    #[must_use]
    pub fn ed25519(&self) -> Option<VerifyingKey> {
        if self.0.get("keytype")? != ED25519 || self.0.get("scheme")? != ED25519 {
            return None;
        }
        let bytes = unhex(self.0.get("keyval")?.get("public")?.as_str()?)?;
        VerifyingKey::from_bytes(&bytes.try_into().ok()?).ok().filter(|key| !key.is_weak())
    }

    /// The public key, if it is of Ed25519 and `signature` is its signature of `message`.
    #[must_use]
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        let key = self.ed25519()?;
        key.verify_strict(message, &Signature::from_slice(signature).ok()?).ok()?;
        Some(key.as_bytes().to_vec())
    }

    /// The text of a field, `keyval.public` under the name `public`.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        match field {
            "public" => self.0.get("keyval")?.get(field)?.as_str(),
            other => self.0.get(other)?.as_str(),
        }
    }

    /// Its identifier: what python-securesystemslib computes, over type, scheme and value alone.
    ///
    /// # Errors
    /// [`Fault::NotCanonical`].
    pub fn id(&self) -> Result<KeyId, Fault> {
        let named: Map<String, Value> = ["keytype", "keyval", "scheme"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), self.0.get(name)?.clone())))
            .collect();
        Ok(KeyId(Sha256::of(&canonical(&Value::Object(named))?).to_string()))
    }
}

/// Who may sign a file, and how many of them must.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleKeys {
    /// The keys that count.
    pub keyids: BTreeSet<KeyId>,
    /// How many of them must have signed.
    pub threshold: u64,
    /// What this code does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl RoleKeys {
    /// `threshold` of `keyids`.
    #[must_use]
    pub fn new(keyids: impl IntoIterator<Item = KeyId>, threshold: u64) -> Self {
        Self { keyids: keyids.into_iter().collect(), threshold, extra: Map::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::from(&ed25519_dalek::SigningKey::from_bytes(&[1; 32]).verifying_key())
    }

    /// Both as python-securesystemslib writes them for the same private key.
    #[test]
    fn key_and_identifier_are_those_of_securesystemslib() {
        let text = r#"{"keytype":"ed25519","keyval":{"public":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"},"scheme":"ed25519"}"#;
        assert_eq!(serde_json::to_string(&key()).unwrap(), text);
        let id = "7ab6b86cb2c9684b0ddc10896153aa2595decf4d4327a5ff1a8ab7422c828b12";
        assert_eq!(key().id().unwrap().as_str(), id);
    }

    #[test]
    fn keys_of_other_kinds_and_weak_keys_are_no_keys() {
        let with = |field: &str, value: Value| {
            let mut other = key();
            other.0.insert(field.to_owned(), value);
            other.ed25519()
        };
        assert!(key().ed25519().is_some());
        assert_eq!(with("keytype", json!("rsa")), None);
        assert_eq!(with("scheme", json!("ed25519ph")), None);
        for public in ["", "00", &"00".repeat(32), &format!("01{}", "00".repeat(31)), &"zz".repeat(32)] {
            assert_eq!(with("keyval", json!({"public": public})), None, "{public}");
        }
    }
}
