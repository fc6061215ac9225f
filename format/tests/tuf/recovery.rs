//! New roots, and what they make a client forget.

use crate::site::*;
use edeploy_format::tuf::*;

/// Replaces the keys of all online roles, and signs the root with the old root key and `root`.
fn rotated(site: &Site, root: u8) -> Site {
    let mut new = site.clone();
    new.root.common.version += 1;
    let keys = [(root, "root"), (22, "timestamp"), (23, "snapshot"), (24, "targets")];
    new.root.keys = keys.iter().map(|(seed, _)| (id(*seed), public(*seed))).collect();
    let one = |seed| RoleKeys::new([id(seed)], 1);
    new.root.roles = RootRoles { root: one(root), timestamp: one(22), snapshot: one(23), targets: one(24) };
    new.signers.extend(keys.map(|(seed, name)| (name, vec![seed])));
    new.signers.insert("root", vec![ROOT, root]);
    new
}

#[test]
fn a_root_is_followed_when_the_old_and_the_new_keys_signed_it() {
    let old = TrustedRoot::anchor(&Site::new().publish().root).unwrap();
    let new = rotated(&Site::new(), 21);
    let root = old.next(&new.publish().root).unwrap();
    assert_eq!(root.root().common.version, 2);
    assert_eq!(root.next_listing().file, "3.root.json");
    for (signers, faults) in [(vec![21], "0"), (vec![ROOT], "0"), (vec![22, 23], "0")] {
        let mut bad = new.clone();
        bad.signers.insert("root", signers);
        let error = old.next(&bad.publish().root).unwrap_err();
        let expected =
            format!("reading 2.root.json: signed by {faults} of the keys that may sign it, and 1 must");
        assert_eq!(chain(&error), expected);
    }
}

#[test]
fn a_root_may_not_be_left_out() {
    let old = TrustedRoot::anchor(&Site::new().publish().root).unwrap();
    let mut new = rotated(&Site::new(), 21);
    for version in [1, 3] {
        new.root.common.version = version;
        let error = old.next(&new.publish().root).unwrap_err();
        let expected = format!("reading 2.root.json: version {version} where version 2 must come");
        assert_eq!(chain(&error), expected);
    }
}

#[test]
fn an_expired_root_is_a_step_on_the_way_but_not_the_end_of_it() {
    let mut site = Site::new();
    site.root.common.expires = at("2026-01-01T00:00:00Z");
    let old = site.publish();
    let error = old.walk(None, NOW).unwrap_err();
    let expected = "reading root.json: expired 2026-01-01T00:00:00Z, and it is 2026-11-20T18:00:00Z; \
        run `rolebuild root rotate` on the build side, or set the clock";
    assert_eq!(chain(&error), expected);
    let mut new = rotated(&site, 21);
    new.root.common.expires = at(LATER);
    let new = new.publish();
    let root = TrustedRoot::anchor(&old.root).unwrap().next(&new.root).unwrap();
    assert!(new.walk_from(root, None, NOW).is_ok());
}

/// The attacker held the online keys and made the versions jump; then all keys were replaced.
#[test]
fn versions_that_jumped_are_forgotten_with_the_keys_that_signed_them() {
    let jumped = Site::new().advanced(VERSION_LIMIT).publish();
    assert!(jumped.walk(None, NOW).is_ok());
    let honest = Site::new().advanced(2).publish();
    let error = honest.walk(Some(&jumped), NOW).unwrap_err();
    let expected = "reading timestamp.json: version 2 of timestamp.json is offered, \
        version 9007199254740991 was seen before";
    assert_eq!(chain(&error), expected);

    let recovered = rotated(&Site::new().advanced(2), 21).publish();
    let root = TrustedRoot::anchor(&honest.root).unwrap().next(&recovered.root).unwrap();
    assert!(recovered.walk_from(root, Some(&jumped), NOW).is_ok());
}

#[test]
fn a_new_snapshot_key_alone_makes_both_bounds_forgotten() {
    let jumped = Site::new().advanced(100).publish();
    let mut site = Site::new().advanced(2);
    site.root.common.version = 2;
    site.root.keys.insert(id(23), public(23));
    site.root.roles.snapshot = RoleKeys::new([id(23)], 1);
    site.signers.insert("snapshot", vec![23]);
    let files = site.publish();
    let root = TrustedRoot::anchor(&Site::new().publish().root).unwrap().next(&files.root).unwrap();
    assert!(files.walk_from(root, Some(&jumped), NOW).is_ok());
}

#[test]
fn a_new_root_key_alone_forgets_nothing() {
    let seen = Site::new().advanced(100).publish();
    let mut site = Site::new().advanced(2);
    site.root.common.version = 2;
    site.root.keys.insert(id(21), public(21));
    site.root.roles.root = RoleKeys::new([id(21)], 1);
    site.signers.insert("root", vec![ROOT, 21]);
    let files = site.publish();
    let root = TrustedRoot::anchor(&Site::new().publish().root).unwrap().next(&files.root).unwrap();
    assert!(files.walk_from(root, Some(&seen), NOW).is_err());
}

#[test]
fn a_damaged_copy_is_absent_and_the_newest_of_several_counts() {
    let copies: Vec<Files> = [2, 9, 4].iter().map(|v| Site::new().advanced(*v).publish()).collect();
    let mut timestamps: Vec<Vec<u8>> = copies.iter().map(|c| c.timestamp.clone()).collect();
    timestamps.push(b"torn {".to_vec());
    let snapshots = [b"".to_vec()];
    let root = TrustedRoot::anchor(&copies[0].root).unwrap();
    let seen = root.seen(&timestamps, &snapshots);
    let error = root.timestamp(&copies[2].timestamp, &seen, Expiry::Ignored).unwrap_err();
    let expected =
        "reading timestamp.json: version 4 of timestamp.json is offered, version 9 was seen before";
    assert_eq!(chain(&error), expected);
}
