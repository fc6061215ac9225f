//! TUF metadata, before and after its signatures are believed.

use ed25519_dalek::SigningKey;
use edeploy_format::tuf::{
    Envelope, Expiry, Fault, Key, Root, Seen, Signed, Snapshot, Targets, Timestamp, TrustedRoot, message,
    sign,
};
use serde_json::{Value, json};

/// Who signs here.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_bytes(&[1; 32])
}

/// A document that is read can be signed, and what is signed is read as the same; nothing is trusted that nobody signed.
///
/// The bytes are a file, or what stands below `signed` in one.
pub(crate) fn metadata(data: &[u8]) {
    file(data);
    let Ok(signed) = serde_json::from_slice::<Value>(data) else { return };
    if signed.get("signatures").is_none() {
        let bytes = serde_json::to_vec(&json!({"signatures": [], "signed": signed})).expect("a value");
        file(&bytes);
    }
}

fn file(bytes: &[u8]) {
    let _ = TrustedRoot::anchor(bytes);
    let Ok(envelope) = Envelope::parse(bytes) else { return };
    document::<Timestamp>(&envelope);
    document::<Snapshot>(&envelope);
    if document::<Targets>(&envelope).is_some() {
        channels(&envelope.read().expect("it was read"));
    }
    if let Some(root) = document::<Root>(&envelope) {
        trusted(&root);
    }
}

/// A channel that is read is one that can be set, and then nothing changes.
fn channels(targets: &Targets) {
    let all = targets.channels();
    for (name, version) in &all {
        let mut again = targets.clone();
        again.set_channel(name, Some(version));
        assert_eq!(again.channels(), all);
    }
}

/// The file of a document that is read, signed by our key.
pub(crate) fn document<T: Signed>(envelope: &Envelope) -> Option<Vec<u8>> {
    let document: T = envelope.read().ok()?;
    let message_of = message(&document).ok()?;
    let bytes = match sign(&document, &[&key()]) {
        Ok(bytes) => bytes,
        Err(Fault::TooLong { .. }) => return None,
        Err(fault) => panic!("what was read cannot be signed: {fault}"),
    };
    let again = Envelope::parse(&bytes).expect("what was signed is read");
    let public = key().verifying_key();
    let id = Key::from(&public).id().expect("plain fields");
    assert!(again.is_signed_by(&id, &public));
    let read: T = again.read().expect("what was read is read again");
    assert_eq!(message(&read).expect("as before"), message_of, "a document has one canonical form");
    Some(bytes)
}

/// A root that our key signed is trusted only where our key is enough; and what it does not sign is not.
fn trusted(bytes: &[u8]) {
    let Ok(root) = TrustedRoot::anchor(bytes) else { return };
    let id = Key::from(&key().verifying_key()).id().expect("plain fields");
    let role = &root.root().roles.root;
    assert!(role.keyids.contains(&id) && role.threshold == 1, "one signature is enough for {role:?}");
    assert!(
        root.clone().timestamp(bytes, &Seen::default(), Expiry::Ignored).is_err(),
        "a root is no timestamp"
    );
    let _ = root.next(bytes).map_err(|error| error.to_string());
}
