//! What describes a version, compressed against what describes the one that a delta starts from.

use edeploy_format::digest::Digest;
use edeploy_format::name::Object;
use edeploy_format::tuf::Contents;
use rolebuild::delta::texts::decompress;
use rolebuild::site::Draft;
use serde_json::json;

use crate::delta::{delta, noise, two_versions};
use crate::fixture::*;
use crate::fsck::{faults, replace_named};

const TEXTS: [(&str, Object<'static>); 2] =
    [("web@2.0@manifest@1.0", Object::Manifest), ("web@2.0@pack-index@1.0", Object::PackIndex)];

/// Two versions, and the delta between them.
fn site() -> Place {
    let place = Place::new();
    two_versions(&place);
    assert!(delta(&place, "1.0", "2.0").unwrap().published);
    place
}

/// The text of an object that is published whole.
fn text(place: &Place, name: &str, object: Object<'_>) -> Vec<u8> {
    let (target, bytes) = place.object(name, object);
    let contents: Contents = target.custom(name).unwrap();
    zstd::bulk::decompress(&bytes, usize::try_from(contents.size).unwrap()).unwrap()
}

#[test]
fn with_a_delta_come_the_texts_of_its_version_against_those_of_the_older_one() {
    let place = site();
    for (name, object) in TEXTS {
        let (target, bytes) = place.named(name);
        let [older, newer] = ["1.0", "2.0"].map(|version| text(&place, version, object));
        assert!(decompress(&bytes, &older, newer.len() as u64).unwrap() == newer, "{name}");
        let against = Contents { blake3: Digest::of(&older), size: older.len() as u64 };
        assert_eq!(target.custom::<Contents>(name).unwrap(), against, "{name}");
        assert!(target.length < place.object("2.0", object).0.length, "{name}");
    }
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_version_without_a_delta_has_none() {
    let place = Place::new();
    place.publish("1.0", 1, &[("zz", &noise(1, 5000))]).unwrap();
    place.publish("2.0", 2, &[("zz", &noise(2, 5000))]).unwrap();
    assert!(!delta(&place, "1.0", "2.0").unwrap().published);
    assert!(TEXTS.iter().all(|(name, _)| place.state().roles[&web()].target(name).is_none()));
}

#[test]
fn one_that_is_wrong_is_named() {
    let place = site();
    let [(manifest, _), (index, _)] = TEXTS;
    let (_, of_index) = place.named(index);
    replace_named(&place, manifest.to_owned(), &of_index, None);
    assert_eq!(faults(&place), [format!("{manifest}: it does not make web@2.0@manifest")]);
    replace_named(&place, manifest.to_owned(), b"no frame", None);
    assert_eq!(faults(&place), [format!("{manifest}: it does not make web@2.0@manifest")]);
    let place = site();
    let (_, bytes) = place.named(manifest);
    let other = json!(Contents { blake3: Digest::of(b"another"), size: 7 });
    replace_named(&place, manifest.to_owned(), &bytes, Some(&other));
    assert_eq!(
        faults(&place),
        [format!("{manifest}: it is compressed against another text than web@1.0@manifest")]
    );
    let place = site();
    let mut document = (**place.state().roles[&web()].document()).clone();
    let object = document.targets.remove(index).unwrap();
    document.targets.insert("web@2.0@pack-index@0.9".to_owned(), object);
    let mut draft = Draft::default();
    draft.roles.insert(web(), document);
    place.site().commit(draft, &place.keys(), LIFETIMES, now()).unwrap();
    let says = "web@2.0@pack-index@0.9: web@0.9@pack-index is not published";
    assert_eq!(faults(&place).last().map(String::as_str), Some(says));
}
