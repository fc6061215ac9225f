//! Names that stand for a version of a role.

use edeploy_format::name::{Channel, Version};
use edeploy_format::tuf::{Policy, TrustedRole};
use rolebuild::publish::{Build, PublishError};
use rolebuild::site::SiteError;

use crate::fixture::*;

fn channel(name: &str) -> Channel {
    name.parse().unwrap()
}

fn set(place: &Place, name: &str, to: Option<&str>) -> Result<Option<Version>, SiteError> {
    let to = to.map(version);
    place.site().set_channel(&web(), &channel(name), to.as_ref(), &place.keys(), LIFETIMES, now())
}

fn role(place: &Place) -> TrustedRole {
    place.state().roles[&web()].clone()
}

fn two_versions() -> Place {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    place.publish("1.1", 2, &[("zz", b"two")]).unwrap();
    place
}

#[test]
fn a_channel_names_a_published_version_until_it_names_another_or_none() {
    let place = two_versions();
    assert_eq!(set(&place, "stable", Some("1.0")).unwrap(), None);
    assert_eq!(set(&place, "beta", Some("1.1")).unwrap(), None);
    let named = |place: &Place| role(place).document().channels();
    assert_eq!(
        named(&place),
        [(channel("beta"), version("1.1")), (channel("stable"), version("1.0"))].into()
    );
    let before = role(&place).document().common.version;
    assert_eq!(set(&place, "stable", Some("1.0")).unwrap(), Some(version("1.0")));
    assert_eq!(role(&place).document().common.version, before, "nothing is signed where nothing changes");
    assert_eq!(set(&place, "stable", Some("1.1")).unwrap(), Some(version("1.0")));
    assert_eq!(set(&place, "beta", None).unwrap(), Some(version("1.1")));
    assert_eq!(named(&place), [(channel("stable"), version("1.1"))].into());
    place.publish("1.2", 3, &[("zz", b"three")]).unwrap();
    place.site().refresh(true, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(named(&place), [(channel("stable"), version("1.1"))].into(), "what comes later keeps it");
    assert_eq!(rolebuild::fsck::fsck(&place.repo(), &mut |_| {}).unwrap().findings, []);
}

#[test]
fn what_is_not_published_or_was_withdrawn_has_no_channel() {
    let place = two_versions();
    let refused = |name: &str, to: Option<&str>| chain(set(&place, name, to).unwrap_err());
    assert_eq!(refused("stable", Some("9")), "web 9 is not published here");
    assert_eq!(refused("stable", None), "web has no channel stable");
    let mut build = place.build("1.1", 2, &[("zz", b"two")]);
    build.min_serial = Some(2);
    place.publish_build(&build).unwrap();
    let says = "web 1.0 has serial 1; versions below serial 2 were withdrawn";
    assert_eq!(refused("stable", Some("1.0")), says);
    set(&place, "stable", Some("1.1")).unwrap();
    let policy = role(&place).document().policy.clone();
    assert!(matches!(policy, Some(Policy { min_serial: 2, .. })), "the least serial stays: {policy:?}");
}

#[test]
fn a_version_that_a_channel_names_is_neither_withdrawn_nor_pruned() {
    let place = two_versions();
    set(&place, "stable", Some("1.0")).unwrap();
    let mut build = place.build("1.1", 2, &[("zz", b"two")]);
    build.min_serial = Some(2);
    let refused = place.publish_build(&build).unwrap_err();
    assert!(matches!(refused, PublishError::Channel { .. }));
    let says = "channel stable of web names 1.0, of serial 1, which that would withdraw; let it name another one first";
    assert_eq!(chain(refused), says);
    place.publish("1.2", 3, &[("zz", b"three")]).unwrap();
    let pruned = place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(pruned.versions, [(web(), version("1.1"))]);
    let kept: Vec<_> = pruned.kept.iter().map(|kept| (&kept.version, kept.channel.as_str())).collect();
    assert_eq!(kept, [(&version("1.0"), "stable")]);
    let versions: Vec<_> = role(&place).versions().into_iter().map(|listed| listed.version).collect();
    assert_eq!(versions, [version("1.0"), version("1.2")]);
    set(&place, "stable", Some("1.2")).unwrap();
    place
        .publish_build(&Build { min_serial: Some(3), ..place.build("1.2", 3, &[("zz", b"three")]) })
        .unwrap();
}
