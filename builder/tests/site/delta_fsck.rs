//! Deltas that are damaged, or signed and do not fit their versions, are found and named.

use edeploy_format::delta::{Frame, Head, IndexReader};
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Version};
use edeploy_format::tuf::Contents;
use rolebuild::site::{Draft, TARGETS};

use crate::delta::{delta, noise, two_versions};
use crate::fixture::*;
use crate::fsck::{faults, flip, replace};

const DELTA: &str = "web@2.0@delta@1.0";
const INDEX: &str = "web@2.0@delta-index@1.0";

/// Two versions, the delta between them, and the older one's name.
fn site() -> (Place, Version) {
    let place = Place::new();
    two_versions(&place);
    assert!(delta(&place, "1.0", "2.0").unwrap().published);
    (place, version("1.0"))
}

/// Publishes another delta under this name, signed: what `change` makes of its frames and their streams.
pub(crate) fn publish(place: &Place, from: &Version, change: impl Fn(usize, &mut Frame, &mut Vec<u8>)) {
    let ((target, packed), (_, bytes)) =
        (place.object("2.0", Object::DeltaIndex(from)), place.object("2.0", Object::Delta(from)));
    let listed: Contents = target.custom(INDEX).unwrap();
    let text = zstd::bulk::decompress(&packed, usize::try_from(listed.size).unwrap()).unwrap();
    let (head, frames) = IndexReader::new(&text[..]).unwrap();
    let (mut index, mut delta) = (head.to_string(), Vec::new());
    for (n, frame) in frames.map(Result::unwrap).enumerate() {
        let end = frame.offset + u64::from(frame.compressed);
        let compressed = &bytes[usize::try_from(frame.offset).unwrap()..usize::try_from(end).unwrap()];
        let mut streams = zstd::bulk::decompress(compressed, frame.length as usize).unwrap();
        let mut frame = frame;
        change(n, &mut frame, &mut streams);
        let compressed = zstd::bulk::compress(&streams, 3).unwrap();
        frame.compressed = u32::try_from(compressed.len()).unwrap();
        frame.digest = Digest::of(&compressed);
        index += &frame.to_string();
        delta.extend(compressed);
    }
    replace_index(place, from, &index);
    replace(place, "2.0", Object::Delta(from), &delta, None);
}

fn replace_index(place: &Place, from: &Version, text: &str) {
    let contents = Contents { blake3: Digest::of(text.as_bytes()), size: text.len() as u64 };
    let packed = zstd::encode_all(text.as_bytes(), 3).unwrap();
    let custom = serde_json::to_value(contents).unwrap();
    replace(place, "2.0", Object::DeltaIndex(from), &packed, Some(&custom));
}

/// A module with a bit changed in every so many bytes; every 5000 is that of version 2.0.
fn module(step: usize) -> Vec<u8> {
    let mut bytes = noise(1, 200_000);
    bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 1);
    bytes
}

#[test]
fn a_flipped_bit_in_a_delta_or_its_index_is_found_and_named() {
    let (place, from) = site();
    for object in [Object::Delta(&from), Object::DeltaIndex(&from)] {
        let (target, _) = place.object("2.0", object);
        let name = object.target(&web(), &version("2.0"));
        flip(&place, &place.repo().join(TARGETS).join(target.file(&name)), 61);
    }
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn a_delta_that_is_signed_and_not_that_of_its_index_is_named() {
    let (place, from) = site();
    let (_, bytes) = place.object("2.0", Object::Delta(&from));
    let mut bent = bytes.clone();
    bent[20] ^= 1;
    let longer = [&bytes[..], b"more"].concat();
    for (bytes, fault) in [
        (&bent[..], "the delta's frame at byte 0 is not the one of its index"),
        (&bytes[..bytes.len() - 1], "reading the delta: failed to fill whole buffer"),
        (&longer, "the delta goes on behind its last frame"),
    ] {
        replace(&place, "2.0", Object::Delta(&from), bytes, None);
        assert_eq!(faults(&place), [format!("{DELTA}: {fault}")]);
    }
    replace(&place, "2.0", Object::Delta(&from), &bytes, None);
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn the_index_of_another_pair_is_named() {
    let (place, from) = site();
    place.publish("3.0", 3, &[("nf-6.1.0-14.ko", &module(7_000))]).unwrap();
    assert!(delta(&place, "2.0", "3.0").unwrap().published);
    let (target, bytes) = place.object("3.0", Object::DeltaIndex(&version("2.0")));
    replace(&place, "2.0", Object::DeltaIndex(&from), &bytes, Some(&target.custom.into()));
    let [two, three] = ["2.0", "3.0"].map(|name| {
        let (target, _) = place.object(name, Object::Manifest);
        target.custom::<Contents>(name).unwrap().blake3
    });
    let between = "not between the two it is published for";
    assert_eq!(faults(&place), [format!("{INDEX}: leads from the tree {two} to {three}, {between}")]);
}

#[test]
fn an_index_that_makes_no_sense_is_named() {
    let (place, from) = site();
    let none = Digest([0; 32]);
    for (text, fault) in [
        ("nonsense\n".to_owned(), "no index of a delta, or of a format this program does not know"),
        (format!("{}frame 1\n", Head { from: none, to: none }), "leads from the tree"),
    ] {
        replace_index(&place, &from, &text);
        let [found] = &faults(&place)[..] else { panic!("one finding") };
        assert!(found.starts_with(&format!("{INDEX}: {fault}")), "{found}");
    }
}

#[test]
fn a_delta_that_does_not_make_its_version_is_named() {
    let (place, from) = site();
    let module = Digest::of(&module(5_000));
    let says = |fault: String| assert_eq!(faults(&place), [format!("{DELTA}: {fault}")]);
    publish(&place, &from, |_, _, _| ());
    assert_eq!(faults(&place), [""; 0]);
    let (original, index) =
        (place.object("2.0", Object::Delta(&from)), place.object("2.0", Object::DeltaIndex(&from)));
    let restore = || {
        replace(&place, "2.0", Object::Delta(&from), &original.1, None);
        replace(&place, "2.0", Object::DeltaIndex(&from), &index.1, Some(&index.0.custom.clone().into()));
    };
    publish(&place, &from, |_, frame, streams| {
        frame.pieces.iter_mut().for_each(|piece| piece.proof = None);
        *streams.last_mut().unwrap() ^= 1;
    });
    let [found] = &faults(&place)[..] else { panic!("one finding") };
    assert!(found.starts_with(&format!("{DELTA}: the delta makes another ")), "{found}");
    restore();
    publish(&place, &from, |_, _, streams| streams.push(0));
    says("the delta's frame at byte 0 is not the one of its index".to_owned());
    restore();
    let absent = Digest::of(b"in neither");
    publish(&place, &from, |_, frame, _| {
        let made = frame.pieces.iter_mut().filter(|piece| piece.view.content == module);
        made.for_each(|piece| piece.bases[0].content = absent);
    });
    says(format!("the base {absent} is neither in the older tree nor made before it is needed"));
    restore();
    assert_eq!(faults(&place), [""; 0]);
}

#[test]
fn half_a_delta_and_one_of_no_version_are_named() {
    let (place, _) = site();
    let mut document = (**place.state().roles[&web()].document()).clone();
    let index = document.targets.remove(INDEX).unwrap();
    document.targets.insert("web@2.0@delta-index@0.9".to_owned(), index);
    let mut draft = Draft::default();
    draft.roles.insert(web(), document);
    place.site().commit(draft, &place.keys(), LIFETIMES, now()).unwrap();
    let mut found = faults(&place);
    found.retain(|fault| !fault.starts_with(TARGETS));
    let other = "is not published, though the other part of the delta is";
    assert_eq!(
        found,
        [
            format!("web@2.0@delta@0.9: {other}"),
            "web@2.0@delta@0.9: 0.9 is not published".to_owned(),
            format!("{INDEX}: {other}"),
        ]
    );
}
