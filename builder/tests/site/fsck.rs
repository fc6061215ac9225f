//! Damage anywhere is found and named.

use std::fs;
use std::path::PathBuf;

use edeploy_format::digest::Digest;
use edeploy_format::name::Object;
use edeploy_format::tuf::{Sha256, Target};
use rolebuild::fsck::{Report, fsck};
use rolebuild::site::{Draft, METADATA, RootKeys, TARGETS, replacement};

use crate::fixture::*;

fn check(place: &Place) -> Report {
    fsck(&place.repo(), &mut |_| {}).unwrap()
}

fn damaged(place: &Place) -> Vec<String> {
    check(place).findings.into_iter().map(|finding| finding.object).collect()
}

/// A site with two versions, two roots, and old metadata still there.
fn site() -> Place {
    let place = Place::new();
    place.publish("1.0", 1, &[("zz", b"one")]).unwrap();
    let replace = ["root", "timestamp", "role-web"].map(|name| replacement(name).unwrap());
    let root = RootKeys { keys: 2, threshold: 2 };
    place.site().rotate(&replace.into(), root, &mut place.keys(), LIFETIMES, now()).unwrap();
    place.publish("1.1", 2, &[("zz", b"two"), ("zzz", &[7; 5000])]).unwrap();
    place
}

#[test]
fn a_sound_site_is_sound() {
    let place = site();
    let report = check(&place);
    assert_eq!(report.findings, []);
    assert_eq!((report.versions, report.files), (2, 24));
    assert_eq!(report.leftovers.len(), 7, "what older versions of metadata left: {:?}", report.leftovers);
    place.site().prune(2, &place.keys(), LIFETIMES, now()).unwrap();
    let report = check(&place);
    assert_eq!((report.findings.len(), report.leftovers.len()), (0, 0));
}

/// Flips a bit in each of `at` bytes of a file in turn, and checks each time that the file is named.
pub(crate) fn flip(place: &Place, path: &PathBuf, step: usize) {
    let sound = fs::read(path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    for at in (0..sound.len()).step_by(step) {
        let mut bytes = sound.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path, &bytes).unwrap();
        let found = damaged(place);
        assert!(found.iter().any(|object| object.ends_with(name)), "{name}, byte {at}: {found:?}");
    }
    fs::write(path, sound).unwrap();
}

#[test]
fn a_flipped_bit_in_any_object_is_found_and_named() {
    let place = site();
    for name in place.names(TARGETS) {
        flip(&place, &place.repo().join(TARGETS).join(&name), 61);
    }
    assert_eq!(damaged(&place), [""; 0]);
}

#[test]
fn a_flipped_bit_in_any_metadata_is_found_and_named() {
    let place = site();
    for name in place.metadata() {
        flip(&place, &place.repo().join(METADATA).join(&name), 37);
    }
    assert_eq!(damaged(&place), [""; 0]);
}

#[test]
fn no_byte_of_the_metadata_changes_unseen() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    for name in place.metadata() {
        // One bit of each byte, spread over all eight.
        let bit = |at: usize| [(at.wrapping_mul(2_654_435_761) >> 13) as u32 % 8];
        assert_eq!(unseen(&place, &place.repo().join(METADATA).join(&name), bit), [], "{name}");
    }
    assert_eq!(damaged(&place), [""; 0]);
}

#[test]
fn a_missing_and_a_shortened_object_are_named() {
    let place = site();
    let (target, bytes) = place.object("1.1", Object::Pack);
    let name = format!("{TARGETS}/{}", target.file("web@1.1@pack"));
    let path = place.repo().join(&name);
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let report = check(&place);
    let sha256 = Sha256::of(&bytes[..bytes.len() - 1]);
    assert_eq!(report.findings[0].fault, format!("its SHA-256 is {sha256}"));
    fs::remove_file(&path).unwrap();
    let report = check(&place);
    assert_eq!((&*report.findings[0].object, &*report.findings[0].fault), (&*name, "is missing"));
    assert_eq!((report.findings.len(), report.versions), (1, 1));
}

#[test]
fn leftovers_are_no_damage() {
    let place = site();
    fs::write(place.repo().join("targets/.pack.new"), "half").unwrap();
    fs::write(place.repo().join("metadata/notes.txt"), "mine").unwrap();
    let report = check(&place);
    assert_eq!(report.findings, []);
    for name in ["targets/.pack.new", "metadata/notes.txt"] {
        assert!(report.leftovers.iter().any(|left| left == name), "{name}");
    }
}

/// Replaces an object by `bytes` and signs that, as a holder of the keys could by mistake.
pub(crate) fn replace(
    place: &Place,
    name: &str,
    object: Object,
    bytes: &[u8],
    custom: Option<&serde_json::Value>,
) {
    replace_named(place, object.target(&web(), &version(name)), bytes, custom);
}

/// The same of the object of this name.
pub(crate) fn replace_named(place: &Place, name: String, bytes: &[u8], custom: Option<&serde_json::Value>) {
    let (before, _) = place.named(&name);
    let mut target = Target::new(bytes.len() as u64, Sha256::of(bytes), custom);
    if custom.is_none() {
        target.custom = before.custom;
    }
    fs::write(place.repo().join(TARGETS).join(target.file(&name)), bytes).unwrap();
    let mut document = (**place.state().roles[&web()].document()).clone();
    document.targets.insert(name, target);
    let mut draft = Draft::default();
    draft.roles.insert(web(), document);
    place.site().commit(draft, &place.keys(), LIFETIMES, now()).unwrap();
}

pub(crate) fn faults(place: &Place) -> Vec<String> {
    let findings = check(place).findings.into_iter();
    findings.map(|finding| format!("{}: {}", finding.object, finding.fault)).collect()
}

#[test]
fn objects_that_are_signed_and_do_not_fit_together_are_named() {
    let place = site();
    let (_, pack) = place.object("1.1", Object::Pack);
    let mut bent = pack.clone();
    bent[12] ^= 1;
    replace(&place, "1.1", Object::Pack, &bent, None);
    assert_eq!(faults(&place), ["web@1.1@pack: the frame at byte 0 is not the one of the index"]);
    replace(&place, "1.1", Object::Pack, &[&pack[..], b"more"].concat(), None);
    assert_eq!(faults(&place), ["web@1.1@pack: goes on behind its last frame"]);
    replace(&place, "1.1", Object::Pack, &pack, None);
    assert_eq!(faults(&place), [""; 0]);

    let (_, manifest) = place.object("1.0", Object::Manifest);
    replace(&place, "1.1", Object::Manifest, &manifest, None);
    let [fault] = &faults(&place)[..] else { panic!("one finding") };
    assert!(fault.starts_with("web@1.1@manifest: "), "{fault}");
    assert!(fault.contains("not what is listed"), "{fault}");
}

#[test]
fn a_content_that_no_frame_holds_is_named() {
    let place = site();
    let (index, pack) = (place.object("1.0", Object::PackIndex), place.object("1.0", Object::Pack).1);
    replace(&place, "1.1", Object::PackIndex, &index.1, Some(&index.0.custom.into()));
    replace(&place, "1.1", Object::Pack, &pack, None);
    let expected = format!(
        "web@1.1@pack: the content {} is in no file of the manifest, or has another size there",
        Digest::of(b"one")
    );
    assert_eq!(faults(&place), [expected]);
}
