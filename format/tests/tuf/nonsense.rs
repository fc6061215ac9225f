//! Files that the right keys signed, and that our own writer would refuse to write.

use crate::hostile::edit;
use crate::site::*;
use edeploy_format::tuf::*;
use serde_json::{Value, json};

#[test]
fn well_signed_nonsense_is_refused() {
    let files = Site::new().publish();
    let cases: &[(&str, Value, &str)] = &[
        ("/version", json!(0), "version 0 is not between 1 and 2^53 - 1"),
        ("/version", json!(1_u64 << 63), "version 9223372036854775808 is not between 1 and 2^53 - 1"),
        ("/version", json!(-1), "signed, but not well formed: invalid value: integer `-1`, expected u64"),
        ("/version", json!("1"), "signed, but not well formed: invalid type: string \"1\", expected u64"),
        ("/_type", json!("snapshot"), "a `snapshot` where `timestamp` belongs"),
        ("/spec_version", json!("2.0.0"), "written for TUF \"2.0.0\", this program reads 1.x"),
        ("/spec_version", json!("1.x"), "written for TUF \"1.x\", this program reads 1.x"),
        (
            "/expires",
            json!("tomorrow"),
            "signed, but not well formed: not a time as 2026-11-20T18:00:00Z, from 1970 on: \"tomorrow\"",
        ),
        ("/meta", json!({}), "does not list snapshot.json"),
        (
            "/meta/snapshot.json/version",
            json!(1_u64 << 63),
            "version 9223372036854775808 is not between 1 and 2^53 - 1",
        ),
        (
            "/meta/snapshot.json/hashes",
            json!({"sha512": "00"}),
            "signed, but not well formed: missing field `sha256`",
        ),
    ];
    for (pointer, value, expected) in cases {
        let bytes = signed_again(&files.timestamp, TIMESTAMP, pointer, value);
        let root = TrustedRoot::anchor(&files.root).unwrap();
        let error = root.timestamp(&bytes, &Seen::default(), Expiry::Ignored).unwrap_err();
        assert_eq!(chain(&error), format!("reading timestamp.json: {expected}"), "{pointer}");
    }
}

#[test]
fn roots_that_weaken_their_own_rules_are_refused() {
    let files = Site::new().publish();
    let wrong_id = id(66).to_string();
    let cases: &[(&str, Value, &str)] = &[
        ("/roles/timestamp/threshold", json!(0), "a threshold of 0 with 1 keys"),
        ("/roles/targets/threshold", json!(2), "a threshold of 2 with 1 keys"),
        ("/consistent_snapshot", json!(false), "the repository has no consistent snapshots"),
        (
            &format!("/keys/{wrong_id}"),
            serde_json::to_value(public(ROOT)).unwrap(),
            &format!("the key listed as {wrong_id} has another identifier"),
        ),
    ];
    for (pointer, value, expected) in cases {
        let bytes = signed_again(&files.root, ROOT, pointer, value);
        let error = TrustedRoot::anchor(&bytes).unwrap_err();
        assert_eq!(chain(&error), format!("reading root.json: {expected}"), "{pointer}");
    }
}

/// `file` with one value of its signed part replaced or added, signed anew by `seed`.
fn signed_again(file: &[u8], seed: u8, pointer: &str, value: &Value) -> Vec<u8> {
    use ed25519_dalek::Signer;
    edit(file, |v| {
        let signed = &mut v["signed"];
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        signed.pointer_mut(parent).unwrap()[name] = value.clone();
        // Sorted and without white space, as these values hold nothing that needs more.
        let sorted: std::collections::BTreeMap<String, Value> =
            serde_json::from_value(signed.clone()).unwrap();
        let message = sort(&serde_json::to_value(sorted).unwrap());
        let signature = key(seed).sign(message.as_bytes()).to_bytes();
        v["signatures"][0]["sig"] = json!(edeploy_format::digest::hex(&signature));
    })
}

fn sort(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(k, v)| format!("\"{k}\":{}", sort(v))).collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sort).collect::<Vec<_>>().join(",")),
        Value::String(text) => format!("\"{text}\""),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[test]
fn custom_fields_that_are_wrong_name_their_target() {
    let target = Target::new(1, Sha256::of(b"x"), Some(&json!({"blake3": "00", "size": 1})));
    let error = target.custom::<Contents>("web@1@pack-index").unwrap_err();
    assert_eq!(error.to_string(), "web@1@pack-index: custom field");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "not a BLAKE3 digest of 64 lower-case hex digits: \"00\"");
}
