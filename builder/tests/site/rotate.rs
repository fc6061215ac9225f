//! New roots and new dates, as hosts with the old root see them.

use std::fs;

use edeploy_format::tuf::{Expiry, Seen, TrustedRoot, TrustedTargets, TufError, VERSION_LIMIT, sign};
use rolebuild::failure::Fault as _;
use rolebuild::keys::Keys;
use rolebuild::site::{Replacements, RootKeys, Rotated, SiteError, init, replacement};

use crate::fixture::*;

const ONE: RootKeys = RootKeys { keys: 1, threshold: 1 };

fn rotate(place: &Place, replace: &[&str], root: RootKeys) -> Result<Rotated, SiteError> {
    let replace: Replacements = replace.iter().map(|text| replacement(text).unwrap()).collect();
    place.site().rotate(&replace, root, &mut place.keys(), LIFETIMES, now().plus_days(1))
}

fn file(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.repo().join("metadata").join(name)).unwrap()
}

/// Walks the site as a host that trusts `root` and knows of roots up to `newest`.
fn walk(place: &Place, root: &[u8], newest: u64) -> Result<TrustedTargets, TufError> {
    let mut root = TrustedRoot::anchor(root)?;
    while root.root().common.version < newest {
        root = root.next(&file(place, &root.next_listing().file))?;
    }
    let seen = Seen::default();
    let timestamp = root.timestamp(&file(place, "timestamp.json"), &seen, Expiry::At(now()))?;
    let bytes = file(place, &timestamp.snapshot_listing().file);
    let snapshot = timestamp.snapshot(&bytes, &seen)?;
    let targets = file(place, &snapshot.targets_listing()?.file);
    snapshot.targets(&targets)
}

#[test]
fn a_new_root_without_new_keys_is_a_new_date() {
    let place = Place::new();
    let rotated = rotate(&place, &[], ONE).unwrap();
    assert_eq!(rotated, Rotated { version: 2, made: vec![] });
    assert_eq!(place.state().chain.root().common.expires, now().plus_days(366));
    assert_eq!(place.state().chain.timestamp().common.version, 1, "a root alone needs no online key");
    assert_eq!(file(&place, "root.json"), file(&place, "2.root.json"));
}

#[test]
fn a_root_is_signed_where_no_online_key_is() {
    let place = Place::new();
    for name in ["targets", "snapshot", "timestamp"] {
        fs::remove_file(place.path().join(format!("keys/{name}.pem"))).unwrap();
    }
    assert_eq!(rotate(&place, &["root"], ONE).unwrap().version, 2);
}

#[test]
fn hosts_with_the_old_root_and_with_the_new_one_accept_what_is_published() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    let anchor = file(&place, "1.root.json");
    let rotated = rotate(&place, &["root", "targets", "snapshot", "timestamp", "role-web"], ONE).unwrap();
    assert_eq!(rotated.made.len(), 5);
    for newest in [1, 2] {
        let chain = walk(&place, &anchor, newest).unwrap();
        assert_eq!(chain.timestamp().common.version, 3);
        let role = file(&place, &chain.role_listing(&web()).unwrap().file);
        assert_eq!(chain.role(&web(), &role).unwrap().versions().len(), 1);
    }
    // From here on the new keys sign alone, and a host with the old root must take the new one.
    for old in ["root", "targets", "snapshot", "timestamp", "role-web"] {
        fs::remove_file(place.path().join(format!("keys/{old}.pem"))).unwrap();
    }
    place.site().refresh(true, &place.keys(), LIFETIMES, now()).unwrap();
    assert!(walk(&place, &anchor, 2).is_ok());
    let error = walk(&place, &anchor, 1).unwrap_err();
    assert!(
        matches!(error.fault, edeploy_format::tuf::Fault::Signatures { valid: 0, threshold: 1 }),
        "{error:?}"
    );
}

#[test]
fn a_lost_online_key_is_replaced_without_it() {
    let place = Place::new();
    fs::remove_file(place.path().join("keys/timestamp.pem")).unwrap();
    rotate(&place, &["timestamp"], ONE).unwrap();
    assert!(walk(&place, &file(&place, "1.root.json"), 2).is_ok());
}

#[test]
fn replaced_keys_make_hosts_forget_versions_that_jumped() {
    let place = Place::new();
    let forged = {
        let chain = place.state().chain;
        let mut timestamp = (**chain.timestamp()).clone();
        timestamp.common.version = VERSION_LIMIT;
        sign(&timestamp, &[&place.secret("timestamp")]).unwrap()
    };
    let anchor = TrustedRoot::anchor(&file(&place, "1.root.json")).unwrap();
    rotate(&place, &["snapshot", "timestamp"], ONE).unwrap();
    let honest = file(&place, "timestamp.json");
    let seen = anchor.seen(std::slice::from_ref(&forged), &[]);
    assert!(anchor.clone().timestamp(&honest, &seen, Expiry::At(now())).is_err());
    let root = anchor.next(&file(&place, "2.root.json")).unwrap();
    let seen = root.seen(&[forged], &[]);
    assert!(root.timestamp(&honest, &seen, Expiry::At(now())).is_ok());
}

#[test]
fn two_of_three_holders_sign_a_root_together() {
    let place = Place::bare();
    let wanted = RootKeys { keys: 3, threshold: 2 };
    init(&place.repo(), &mut place.keys(), wanted, LIFETIMES, now()).unwrap();
    let others = place.path().join("vault");
    fs::create_dir(&others).unwrap();
    for name in ["root-2.pem", "root-3.pem"] {
        fs::rename(place.path().join("keys").join(name), others.join(name)).unwrap();
    }
    let error = rotate(&place, &[], wanted).unwrap_err();
    assert!(matches!(error, SiteError::Keys(_)));
    assert!(chain(error).starts_with("root must be signed by 2 of the keys "));
    assert_eq!(place.metadata().iter().filter(|name| name.ends_with(".root.json")).count(), 1);

    fs::remove_file(others.join("root-3.pem")).unwrap();
    let mut both = Keys::load(&[place.path().join("keys"), others]).unwrap();
    let rotated = place.site().rotate(&Replacements::new(), wanted, &mut both, LIFETIMES, now()).unwrap();
    assert_eq!(rotated.version, 2);
    assert!(walk(&place, &file(&place, "1.root.json"), 2).is_ok());
}

#[test]
fn the_threshold_of_the_root_can_change() {
    let place = Place::new();
    let rotated = rotate(&place, &[], RootKeys { keys: 3, threshold: 2 }).unwrap();
    assert_eq!(rotated.made.len(), 2);
    let root = place.state().chain.root().roles.root.clone();
    assert_eq!((root.keyids.len(), root.threshold), (3, 2));
    rotate(&place, &[], RootKeys { keys: 2, threshold: 1 }).unwrap();
    assert!(walk(&place, &file(&place, "1.root.json"), 3).is_ok());
    for (keys, threshold) in [(1, 2), (0, 0), (2, 0)] {
        let error = rotate(&place, &[], RootKeys { keys, threshold }).unwrap_err();
        assert!(matches!(error, SiteError::Threshold { .. }));
    }
}

#[test]
fn init_refuses_to_make_a_second_first_root_and_goes_on_where_it_was_cut_off() {
    let place = Place::new();
    let error = init(&place.repo(), &mut place.keys(), ONE, LIFETIMES, now()).unwrap_err();
    assert_eq!(error.exit(), edeploy_format::exit::Exit::Refused);
    fs::remove_file(place.repo().join("metadata/timestamp.json")).unwrap();
    init(&place.repo(), &mut place.keys(), ONE, LIFETIMES, now()).unwrap();
    assert!(walk(&place, &file(&place, "root.json"), 1).is_ok());
}

#[test]
fn init_refuses_a_root_key_that_lies_there_under_two_names() {
    let place = Place::bare();
    place.keys().make("root").unwrap();
    fs::copy(place.path().join("keys/root.pem"), place.path().join("keys/root-2.pem")).unwrap();
    let two = RootKeys { keys: 2, threshold: 2 };
    let error = init(&place.repo(), &mut place.keys(), two, LIFETIMES, now()).unwrap_err();
    assert!(matches!(error, SiteError::Twice(ref label) if label == "root-2"), "{error}");
}

#[test]
fn a_refresh_renews_the_timestamp_alone_unless_told() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    let versions = || place.state().good().into_iter().map(|g| (g.file, g.version)).collect::<Vec<_>>();
    let list = |all: [(&str, u64); 5]| all.map(|(file, version)| (file.to_owned(), version)).to_vec();
    let [timestamp, snapshot, targets, role, root] =
        ["timestamp.json", "snapshot.json", "targets.json", "role-web.json", "root.json"];
    assert_eq!(versions(), list([(timestamp, 2), (snapshot, 2), (targets, 2), (role, 1), (root, 1)]));
    let later = now().plus_days(3);
    place.site().refresh(false, &place.keys(), LIFETIMES, later).unwrap();
    assert_eq!(versions(), list([(timestamp, 3), (snapshot, 2), (targets, 2), (role, 1), (root, 1)]));
    let state = place.state();
    assert_eq!(state.chain.timestamp().common.expires, later.plus_days(7));
    assert_eq!(state.chain.timestamp().issued(), Some(later));
    place.site().refresh(true, &place.keys(), LIFETIMES, later).unwrap();
    assert_eq!(versions(), list([(timestamp, 4), (snapshot, 3), (targets, 3), (role, 2), (root, 1)]));
    assert!(place.state().good().iter().skip(1).take(3).all(|good| good.until == later.plus_days(90)));
}
