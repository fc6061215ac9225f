//! Old versions go, and what nothing names goes with them.

use std::fs;

use edeploy_format::name::Object;
use rolebuild::site::TARGETS;

use crate::fixture::*;

fn versions(place: &Place) -> Vec<String> {
    place.state().roles[&web()].versions().iter().map(|listed| listed.version.to_string()).collect()
}

#[test]
fn the_versions_with_the_highest_serials_stay() {
    let place = Place::new();
    for (name, serial) in [("3.0", 1), ("2.0", 2), ("1.0", 3)] {
        place.publish(name, serial, &[("zz", name.as_bytes())]).unwrap();
    }
    assert_eq!(place.names(TARGETS).len(), 15);
    let pruned = place.site().prune(2, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(pruned.versions, [(web(), version("3.0"))]);
    assert_eq!(versions(&place), ["2.0", "1.0"]);
    assert_eq!(place.names(TARGETS).len(), 10);
    place.object("2.0", Object::Pack);
    let expected = [
        "1.root.json",
        "2.targets.json",
        "4.role-web.json",
        "5.snapshot.json",
        "root.json",
        "timestamp.json",
    ];
    assert_eq!(place.metadata(), expected);
}

#[test]
fn an_object_that_two_versions_share_stays_with_the_other() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    place.publish("1.1", 2, &[]).unwrap();
    place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(versions(&place), ["1.1"]);
    for object in [Object::Manifest, Object::PackIndex, Object::Pack, Object::Transition, Object::Sbom] {
        place.object("1.1", object);
    }
}

#[test]
fn leftovers_of_a_run_that_was_cut_off_are_removed_without_any_key() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    fs::write(place.repo().join("targets/.pack.new"), "half").unwrap();
    fs::write(place.repo().join("metadata/9.snapshot.json"), "never named").unwrap();
    fs::remove_dir_all(place.path().join("keys")).unwrap();
    let pruned = place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    let mut files = pruned.files;
    files.sort();
    assert_eq!(files, [".pack.new", "1.snapshot.json", "1.targets.json", "9.snapshot.json"]);
    assert_eq!(versions(&place), ["1.0"]);
}

#[test]
fn roots_are_never_removed() {
    let place = Place::new();
    let one = rolebuild::site::RootKeys { keys: 1, threshold: 1 };
    place.site().rotate(&[].into(), one, &mut place.keys(), LIFETIMES, now()).unwrap();
    let pruned = place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(pruned.files, [""; 0]);
    let roots: Vec<String> = place.metadata().into_iter().filter(|name| name.contains("root")).collect();
    assert_eq!(roots, ["1.root.json", "2.root.json", "root.json"]);
}
