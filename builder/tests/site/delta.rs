//! Deltas between published versions.

use edeploy_format::exit::Exit;
use edeploy_format::name::Object;
use rolebuild::delta::choose::Effort;
use rolebuild::delta::publish::{DeltaError, Done, Wanted, publish};
use rolebuild::failure::Fault;
use rolebuild::fsck::fsck;

use crate::fixture::*;

pub(crate) fn delta(place: &Place, from: &str, to: &str) -> Result<Done, DeltaError> {
    let (from, to) = (version(from), version(to));
    let wanted = Wanted { role: web(), from, to, effort: Effort::FAST };
    publish(&mut place.site(), &wanted, &place.keys(), LIFETIMES, now(), |_| ())
}

/// Bytes that do not compress, the same each time.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(byte).take(length).collect()
}

/// Two versions of a module under another path, of which a few bytes differ; and a file that is new.
pub(crate) fn two_versions(place: &Place) {
    let old = noise(1, 200_000);
    let mut new = old.clone();
    new.iter_mut().step_by(5_000).for_each(|byte| *byte ^= 1);
    let gone = noise(3, 1000);
    place.publish("1.0", 1, &[("nf-6.1.0-9.ko", &old), ("zz", &gone)]).unwrap();
    place.publish("2.0", 2, &[("new", b"something else"), ("nf-6.1.0-13.ko", &new)]).unwrap();
}

#[test]
fn a_delta_is_far_smaller_than_what_it_spares_and_is_published() {
    let place = Place::new();
    two_versions(&place);
    let done = delta(&place, "1.0", "2.0").unwrap();
    assert!(done.published && done.bytes < 1500 && done.spares > 200_000, "{done:?}");
    let module = done.costs.iter().find(|cost| cost.path == "nf-6.1.0-13.ko").unwrap();
    assert_eq!((module.size, module.base.as_deref()), (200_000, Some("nf-6.1.0-9.ko")));
    let from = version("1.0");
    for object in [Object::Delta(&from), Object::DeltaIndex(&from)] {
        assert!(!place.object("2.0", object).1.is_empty());
    }
    assert_eq!(fsck(&place.repo(), &mut |_| ()).unwrap().findings, []);
    let hidden = |name: &String| name.starts_with(".delta");
    assert!(!place.names("").iter().any(hidden));
}

#[test]
fn a_delta_that_spares_nothing_is_not_published() {
    let place = Place::new();
    place.publish("1.0", 1, &[("zz", &noise(1, 5000))]).unwrap();
    place.publish("2.0", 2, &[("zz", &noise(2, 5000))]).unwrap();
    let done = delta(&place, "1.0", "2.0").unwrap();
    assert!(!done.published && done.bytes >= done.spares, "{done:?}");
    assert!(place.state().roles[&web()].target("web@2.0@delta@1.0").is_none());
}

#[test]
fn a_delta_goes_with_either_of_its_versions() {
    let place = Place::new();
    two_versions(&place);
    delta(&place, "1.0", "2.0").unwrap();
    place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    let state = place.state();
    let names: Vec<_> = state.roles[&web()].targets().map(|(name, _)| name).collect();
    assert!(names.iter().all(|name| name.starts_with("web@2.0@") && !name.contains("delta")), "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("@1.0")), "{names:?}");
}

#[test]
fn what_is_not_published_has_no_delta() {
    let place = Place::new();
    two_versions(&place);
    for (from, to) in [("1.0", "3.0"), ("0.9", "2.0"), ("3.0", "3.0")] {
        let error = delta(&place, from, to).err().unwrap();
        assert_eq!(error.exit(), Exit::NotFound, "{error}");
    }
}
