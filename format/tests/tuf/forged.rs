//! Signatures and form: what an attacker without keys can do. One case per attack.

use crate::hostile::{Case, edit, run};
use crate::site::*;
use edeploy_format::tuf::*;
use serde_json::{Value, json};

/// Signatures and form.
const FORGED: &[Case] = &[
    (
        "no signature at all",
        |site| site.signers.extend([("timestamp", vec![])]),
        "reading timestamp.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "signed by a key that may sign something else",
        |site| site.signers.extend([("snapshot", vec![TIMESTAMP, TARGETS, WEB])]),
        "reading snapshot.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "a field added after signing",
        |site| site.bend.extend([("targets", (|b| edit(&b, |v| v["signed"]["a"] = json!(1))) as Bend)]),
        "reading targets.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "a version changed after signing",
        |site| {
            site.bend.extend([("timestamp", (|b| edit(&b, |v| v["signed"]["version"] = json!(2))) as Bend)]);
        },
        "reading timestamp.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "the signature of one key under the name of another",
        |site| {
            site.signers.extend([("role", vec![WEB, 66])]);
            site.root.keys.insert(id(66), public(66));
            site.targets.delegations.as_mut().unwrap().roles[0].keys = RoleKeys::new([id(WEB)], 1);
            site.bend.extend([(
                "role",
                (|b| {
                    edit(&b, |v| {
                        let other = id(66).to_string();
                        let list = v["signatures"].as_array_mut().unwrap();
                        list.retain(|s| s["keyid"] == json!(other));
                        list[0]["keyid"] = json!(id(WEB));
                    })
                }) as Bend,
            )]);
        },
        "reading role-web.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "one of two",
        |site| {
            site.root.keys.insert(id(66), public(66));
            site.root.roles.targets = RoleKeys::new([id(TARGETS), id(66)], 2);
        },
        "reading targets.json: signed by 1 of the keys that may sign it, and 2 must",
    ),
    (
        "the same signature twice",
        |site| {
            site.root.keys.insert(id(66), public(66));
            site.root.roles.targets = RoleKeys::new([id(TARGETS), id(66)], 2);
            site.bend.extend([(
                "targets",
                (|b| {
                    edit(&b, |v| {
                        let list = v["signatures"].as_array_mut().unwrap();
                        list.push(list[0].clone());
                    })
                }) as Bend,
            )]);
        },
        "reading targets.json: has two signatures of the key \
         3336b222894653a1c328c2636b5ada9d8c2f53be3b927369d64e7087014bf619",
    ),
    (
        "the same key under two identifiers",
        |site| {
            let delegations = site.targets.delegations.as_mut().unwrap();
            let mut twin: Value = serde_json::to_value(public(WEB)).unwrap();
            twin["keyval"]["private"] = json!("");
            let twin: Key = serde_json::from_value(twin).unwrap();
            delegations.keys.insert(twin.id().unwrap(), twin.clone());
            delegations.roles[0].keys = RoleKeys::new([id(WEB), twin.id().unwrap()], 2);
            site.bend.extend([(
                "role",
                (|b| {
                    edit(&b, |v| {
                        let mut twin: Value = serde_json::to_value(public(WEB)).unwrap();
                        twin["keyval"]["private"] = json!("");
                        let twin: Key = serde_json::from_value(twin).unwrap();
                        let mut again = v["signatures"][0].clone();
                        again["keyid"] = json!(twin.id().unwrap());
                        v["signatures"].as_array_mut().unwrap().push(again);
                    })
                }) as Bend,
            )]);
        },
        "reading role-web.json: signed by 1 of the keys that may sign it, and 2 must",
    ),
    (
        "signed, but in a form that is not canonical: the signature covers other bytes",
        |site| {
            site.bend.extend([(
                "timestamp",
                (|b| {
                    edit(&b, |v| {
                        use ed25519_dalek::Signer;
                        let pretty = serde_json::to_vec_pretty(&v["signed"]).unwrap();
                        let signature = key(TIMESTAMP).sign(&pretty).to_bytes();
                        v["signatures"][0]["sig"] = json!(edeploy_format::digest::hex(&signature));
                    })
                }) as Bend,
            )]);
        },
        "reading timestamp.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "a number with a fraction",
        |site| site.bend.extend([("timestamp", (|b| edit(&b, |v| v["signed"]["a"] = json!(0.5))) as Bend)]),
        "reading timestamp.json: 0.5 has no canonical form: only whole numbers of 64 bits do",
    ),
    (
        "a signature in upper case",
        |site| {
            site.bend.extend([(
                "timestamp",
                (|b| {
                    edit(&b, |v| {
                        let upper = v["signatures"][0]["sig"].as_str().unwrap().to_uppercase();
                        v["signatures"][0]["sig"] = json!(upper);
                    })
                }) as Bend,
            )]);
        },
        "reading timestamp.json: signed by 0 of the keys that may sign it, and 1 must",
    ),
    (
        "a page instead of metadata",
        |site| site.bend.extend([("timestamp", (|_| b"<html>log in first</html>".to_vec()) as Bend)]),
        "reading timestamp.json: not a signed JSON document: expected value at line 1 column 1",
    ),
    (
        "an endless file",
        |site| site.bend.extend([("timestamp", (|b| [b, vec![b' '; 16 << 10]].concat()) as Bend)]),
        "reading timestamp.json: 16899 bytes, at most 16384 may be",
    ),
    (
        "nesting without end",
        |site| {
            site.bend.extend([(
                "timestamp",
                (|_| [br#"{"signatures":[],"signed":"#, "[".repeat(10_000).as_bytes()].concat()) as Bend,
            )]);
        },
        "reading timestamp.json: not a signed JSON document: recursion limit exceeded at line 1 column 153",
    ),
];

#[test]
fn forged_files_are_refused() {
    run(FORGED);
}
