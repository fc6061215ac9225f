//! The keys of the fleet service, as clients and the build side see them.

use ed25519_dalek::SigningKey;
use edeploy_format::fleet::{Hint, OnFailure, OnSuccess, Plan};
use edeploy_format::tuf::{Common, Key, KeyId, sign};
use rolebuild::fsck::fsck;
use rolebuild::keys::public;
use rolebuild::site::SiteError;

use crate::fixture::*;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn delegate(place: &Place, seeds: &[u8]) -> Result<Vec<KeyId>, SiteError> {
    let keys = seeds.iter().map(|seed| Key::from(&key(*seed).verifying_key())).collect();
    place.site().delegate_fleet(keys, &place.keys(), LIFETIMES, now())
}

fn believed(place: &Place, seed: u8) -> bool {
    let plan = Plan {
        common: Common::new::<Plan>(1, now()),
        nonce: "n".to_owned(),
        machine: "acme-7".to_owned(),
        profile: "web".to_owned(),
        role: web(),
        version: version("1.0"),
        repos: vec!["http://a/".to_owned()],
        disk: Hint::default(),
        slot_size: None,
        files: Vec::new(),
        scripts: Vec::new(),
        on_success: OnSuccess::Reboot,
        on_failure: OnFailure::Console,
    };
    let bytes = sign(&plan, &[&key(seed)]).unwrap();
    place.state().chain.plan(&bytes, "n").is_ok()
}

#[test]
fn keys_of_the_service_are_delegated_to_and_replaced() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    assert_eq!(delegate(&place, &[6, 7]).unwrap().len(), 2);
    assert_eq!([6, 7, 8].map(|seed| believed(&place, seed)), [true, true, false]);
    delegate(&place, &[7, 8]).unwrap();
    assert_eq!([6, 7, 8].map(|seed| believed(&place, seed)), [false, true, true]);
    let delegations = place.state().chain.targets().delegations.clone().unwrap();
    assert_eq!(
        delegations.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
        ["role-web", "fleet"]
    );
    assert_eq!(delegations.keys.len(), 3, "of those that sign nothing any more no key is left");
}

#[test]
fn what_comes_later_keeps_the_delegation_and_the_site_is_sound() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    delegate(&place, &[6]).unwrap();
    place.publish("1.1", 2, &[("zz", b"two")]).unwrap();
    place.site().refresh(true, &place.keys(), LIFETIMES, now()).unwrap();
    place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    assert!(believed(&place, 6));
    let report = fsck(&place.repo(), &mut |_| {}).unwrap();
    assert_eq!((report.findings.len(), report.leftovers.len(), report.versions), (0, 0, 1));
}

#[test]
fn a_key_that_is_named_twice_and_a_file_without_one_are_refused() {
    let place = Place::new();
    let before = place.state().chain.targets().common.version;
    assert!(matches!(delegate(&place, &[6, 6]), Err(SiteError::Twice(_))));
    assert_eq!(place.state().chain.targets().common.version, before);
    let file = place.path().join("fleet.pub");
    std::fs::write(&file, "no key").unwrap();
    let refused = public(&file).unwrap_err().to_string();
    let expected = "holds no Ed25519 public key: 64 hex digits or PEM (BEGIN PUBLIC KEY) were expected";
    assert_eq!(refused, format!("{} {expected}", file.display()));
    let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    std::fs::write(&file, pem).unwrap();
    let hex = "19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
    let other = place.path().join("fleet.hex");
    std::fs::write(&other, hex).unwrap();
    assert_eq!(public(&file).unwrap(), public(&other).unwrap());
}
