//! Honest repositories.

use crate::site::*;
use edeploy_format::tuf::*;

#[test]
fn an_honest_repository_is_believed_down_to_its_targets() {
    let (targets, role) = Site::new().publish().walk(None, NOW).unwrap();
    assert_eq!(targets.targets().roles().collect::<Vec<_>>(), [web()]);
    let name = "web@D12-1.0.0@manifest";
    let target = role.target(name).unwrap();
    assert_eq!((target.length, target.hashes.sha256), (3, Sha256::of(b"abc")));
    let identity: Identity = target.custom(name).unwrap();
    assert_eq!((identity.serial, identity.built, identity.contents.size), (7, 1_795_190_000, 3));
    assert_eq!(identity.architecture, "amd64".parse().unwrap());
    assert_eq!(identity.contents.blake3, edeploy_format::digest::Digest::of(b"abc"));
    assert_eq!(role.document().min_serial(), 3);
    assert_eq!(role.target("web@D12-1.0.1@manifest"), None);
}

#[test]
fn a_channel_and_whatever_else_is_beside_the_least_serial_is_signed_and_passed_over() {
    let mut site = Site::new();
    let more = serde_json::json!({"channels": {"stable": "D12-1.0.0"}, "later": [1]});
    site.role.policy.as_mut().unwrap().extra = more.as_object().unwrap().clone();
    let (_, role) = site.publish().walk(None, NOW).unwrap();
    assert_eq!((role.document().min_serial(), role.versions().len()), (3, 1));
    assert_eq!(
        role.document().channels(),
        [("stable".parse().unwrap(), "D12-1.0.0".parse().unwrap())].into()
    );
}

#[test]
fn versions_are_ordered_by_serial_and_strangers_are_left_out() {
    let mut site = Site::new();
    let mut add = |name: &str, custom: serde_json::Value| {
        site.role.targets.insert(name.to_owned(), Target::new(1, Sha256::of(b"x"), Some(&custom)));
    };
    let with = |serial: u64| {
        let mut fields = custom();
        fields["serial"] = serial.into();
        fields
    };
    add("web@D12-0.9.0@manifest", with(9));
    add("web@D12-2.0.0@manifest", with(2));
    add("web@D12-2.0.0@pack", with(2));
    add("web@any@manifest", with(1));
    add("web@bare@manifest", serde_json::json!({}));
    let (_, role) = site.publish().walk(None, NOW).unwrap();
    let versions: Vec<String> = role.versions().iter().map(|v| v.version.to_string()).collect();
    assert_eq!(versions, ["D12-2.0.0", "D12-1.0.0", "D12-0.9.0"]);
}

#[test]
fn what_must_be_fetched_next_is_named_with_its_bound() {
    let site = Site::new().advanced(4);
    let files = site.publish();
    let root = TrustedRoot::anchor(&files.root).unwrap();
    assert_eq!(root.next_listing().file, "2.root.json");
    let timestamp = root.timestamp(&files.timestamp, &Seen::default(), Expiry::Ignored).unwrap();
    let listing = timestamp.snapshot_listing();
    assert_eq!((&*listing.file, listing.limit), ("4.snapshot.json", files.snapshot.len() as u64));
    let snapshot = timestamp.snapshot(&files.snapshot, &Seen::default()).unwrap();
    assert_eq!(snapshot.targets_listing().unwrap().file, "4.targets.json");
    let targets = snapshot.targets(&files.targets).unwrap();
    assert_eq!(targets.role_listing(&web()).unwrap().file, "4.role-web.json");
    let error = targets.role_listing(&"db".parse().unwrap()).unwrap_err();
    assert_eq!(chain(&error), "reading targets.json: no role db is published");
}

#[test]
fn hashes_and_lengths_may_be_left_out_of_what_is_listed() {
    let mut site = Site::new();
    let bare = |version| MetaFile { version, length: None, hashes: None, extra: serde_json::Map::new() };
    site.snapshot.meta = [("targets.json".to_owned(), bare(1)), ("role-web.json".to_owned(), bare(1))].into();
    site.timestamp.meta = [("snapshot.json".to_owned(), bare(1))].into();
    let files = site.publish();
    assert!(files.walk(None, NOW).is_ok());
    let root = TrustedRoot::anchor(&files.root).unwrap();
    let timestamp = root.timestamp(&files.timestamp, &Seen::default(), Expiry::Ignored).unwrap();
    assert_eq!(timestamp.snapshot_listing().limit, Snapshot::LIMIT);
}

#[test]
fn unknown_fields_are_kept_when_a_document_is_signed_again() {
    let text = |site: &Site| String::from_utf8(site.publish().role).unwrap();
    let mut site = Site::new();
    let unknown = serde_json::json!({"a": [1, null], "b": "ü"});
    site.role.extra.insert("x-other".to_owned(), unknown.clone());
    site.role.targets.values_mut().for_each(|t| {
        t.extra.insert("x-other".to_owned(), unknown.clone());
    });
    let (_, role) = site.publish().walk(None, NOW).unwrap();
    assert_eq!(**role.document(), site.role);
    site.role = (**role.document()).clone();
    assert_eq!(text(&site).matches(r#""x-other":{"a":[1,null],"b":"ü"}"#).count(), 2);
}

#[test]
fn dates_do_not_count_where_they_are_ignored() {
    let files = Site::new().publish();
    let root = TrustedRoot::anchor(&files.root).unwrap();
    let timestamp = root.timestamp(&files.timestamp, &Seen::default(), Expiry::Ignored).unwrap();
    let snapshot = timestamp.snapshot(&files.snapshot, &Seen::default()).unwrap();
    assert!(snapshot.targets(&files.targets).unwrap().role(&web(), &files.role).is_ok());
}

#[test]
fn the_clock_is_not_before_the_last_timestamp() {
    let seen = Site::new().publish();
    let mut site = Site::new().advanced(2);
    site.timestamp.common.expires = at("2026-11-20T16:30:00Z");
    site.timestamp.issued = None;
    // The clock of the host stands in 1970, and the timestamp seen before was signed at 17:00.
    let error = site.publish().walk(Some(&seen), "1970-01-01T00:00:00Z").unwrap_err();
    let expected = "reading timestamp.json: expired 2026-11-20T16:30:00Z, and it is 2026-11-20T17:00:00Z; \
        run `rolebuild refresh` on the build side, or set the clock";
    assert_eq!(chain(&error), expected);
}

#[test]
fn the_new_timestamp_bounds_the_clock_for_what_is_below_it() {
    let mut site = Site::new();
    site.snapshot.common.expires = at("2026-11-20T16:30:00Z");
    let error = site.publish().walk(None, "1970-01-01T00:00:00Z").unwrap_err();
    let expected = "reading snapshot.json: expired 2026-11-20T16:30:00Z, and it is 2026-11-20T17:00:00Z; \
        run `rolebuild refresh --all` on the build side, or set the clock";
    assert_eq!(chain(&error), expected);
}

#[test]
fn a_timestamp_cannot_put_the_clock_past_its_own_end() {
    let mut site = Site::new();
    site.timestamp.issued =
        Some(Issued { issued: at("3000-01-01T00:00:00Z"), extra: serde_json::Map::new() });
    let seen = site.publish();
    let mut next = Site::new().advanced(2);
    next.timestamp.common.expires = at(LATER).plus_days(1);
    let later: [&mut Common; 4] =
        [&mut next.root.common, &mut next.snapshot.common, &mut next.targets.common, &mut next.role.common];
    later.into_iter().for_each(|common| common.expires = at(LATER).plus_days(1));
    assert!(next.publish().walk(Some(&seen), NOW).is_ok());
}

#[test]
fn two_of_three_keys_are_enough_for_a_threshold_of_two() {
    let mut site = Site::new();
    site.root.keys.extend([(id(11), public(11)), (id(12), public(12))]);
    site.root.roles.root = RoleKeys::new([id(ROOT), id(11), id(12)], 2);
    site.signers.insert("root", vec![ROOT, 12]);
    assert!(site.publish().walk(None, NOW).is_ok());
    site.signers.insert("root", vec![12]);
    let error = TrustedRoot::anchor(&site.publish().root).unwrap_err();
    let expected = "reading root.json: signed by 1 of the keys that may sign it, and 2 must";
    assert_eq!(chain(&error), expected);
}
