//! What describes a version, compressed against what the running slot holds of it: it is taken where it is right, and
//! otherwise all of it comes.

use std::fs;
use std::io::Write;

use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Version as Name, against};
use edeploy_format::tuf::Contents;

use crate::bad_server::busy_for_texts;
use crate::bad_site::{file, tamper};
use crate::lab::{Lab, Ran, program, texts, tree};

const TEXTS: [Object<'static>; 2] = [Object::Manifest, Object::PackIndex];

/// An object as it is made, and what it says that it is compressed against.
struct Made {
    bytes: Vec<u8>,
    older: Vec<u8>,
}

fn made(text: &[u8], older: &[u8]) -> Made {
    let mut bytes = Vec::new();
    let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(&mut bytes, 3, older).unwrap();
    encoder.window_log(20).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap();
    Made { bytes, older: older.to_vec() }
}

/// Version 1 is installed; version 2 is published with both texts against those of 1, each as `change` has it.
fn lab(change: impl Fn(Made) -> Made) -> Lab {
    let mut lab = Lab::installed();
    let [newer, older] = [("2", 2), ("1", 1)].map(|(name, serial)| texts(name, serial, &tree(name)));
    let from: Name = "1".parse().unwrap();
    for ((object, newer), older) in TEXTS.into_iter().zip(newer).zip(older) {
        let Made { bytes, older } = change(made(&newer, &older));
        let contents = Contents { blake3: Digest::of(&older), size: older.len() as u64 };
        let name = against(&lab.site.name(object, "2"), &from);
        lab.site.add_as(name, bytes, Some(&contents));
    }
    lab.sign();
    lab
}

fn length(lab: &Lab, object: &str) -> u64 {
    fs::metadata(file(lab, "targets", object)).unwrap().len()
}

/// Looks at version 2, and upgrades to it: the bytes of these objects and of the transition describe it; what was noted.
fn described_by(lab: &Lab, objects: [&str; 2]) -> String {
    let looked = lab.run(&["test-upgrade", "2", "--json"]).done();
    let expected: u64 = objects.iter().chain(&["web@2@transition"]).map(|object| length(lab, object)).sum();
    assert_eq!(looked.json()["described"], expected, "{objects:?}: {looked:?}");
    let ran = lab.run(&["upgrade", "2"]).done();
    assert!(ran.out.contains("2 is in slot b, verified"), "{ran:?}");
    lab.run_as("b", &["verify"]).done();
    ran.err
}

const AGAINST: [&str; 2] = ["web@2@manifest@1", "web@2@pack-index@1"];
const WHOLE: [&str; 2] = ["web@2@manifest", "web@2@pack-index"];

#[test]
fn what_describes_a_version_comes_against_what_the_running_slot_holds() {
    let lab = lab(|made| made);
    for [whole, against] in [[WHOLE[0], AGAINST[0]], [WHOLE[1], AGAINST[1]]] {
        assert!(length(&lab, against) < length(&lab, whole), "{whole}");
    }
    assert_eq!(described_by(&lab, AGAINST).matches("is fetched").count(), 0);
}

#[test]
fn where_it_cannot_be_used_all_of_it_comes_and_that_is_told() {
    type Change = fn(Made) -> Made;
    let other_text: Change =
        |made| Made { bytes: zstd::encode_all(&b"another text"[..], 3).unwrap(), ..made };
    let no_frame: Change = |made| Made { bytes: b"no frame".to_vec(), ..made };
    let cut: Change = |made| Made { bytes: made.bytes[..made.bytes.len() / 2].to_vec(), ..made };
    for change in [other_text, no_frame, cut] {
        let said = described_by(&lab(change), WHOLE);
        for [whole, against] in [[WHOLE[0], AGAINST[0]], [WHOLE[1], AGAINST[1]]] {
            let begin = format!("all of {whole} is fetched: {against} is not what was signed: ");
            assert!(said.lines().any(|line| line.contains(&begin)), "{begin}: {said}");
        }
    }
    let tampered = lab(|made| made);
    AGAINST.iter().for_each(|object| tamper(&file(&tampered, "targets", object)));
    assert_eq!(described_by(&tampered, WHOLE).matches(" is fetched: ").count(), 2);
    let missing = lab(|made| made);
    AGAINST.iter().for_each(|object| fs::remove_file(file(&missing, "targets", object)).unwrap());
    let said = missing.run(&["upgrade", "2"]).done();
    assert_eq!(said.err.matches(" is fetched: ").count(), 2, "{said:?}");
}

#[test]
fn a_server_without_time_for_it_is_not_asked_for_all_of_it() {
    let lab = lab(|made| made);
    let mut command = program();
    command.args(["upgrade", "2", "--booted", "a", "--repo", &busy_for_texts(lab.site_folder()), "--disk"]);
    let ran = Ran::of(command.arg(lab.path("disk")).output().unwrap());
    let (code, said) = ran.failed();
    assert!(code == 6 && said.contains("@manifest@1: the server answered 503"), "{ran:?}");
}

#[test]
fn one_that_is_no_fewer_bytes_is_not_taken() {
    let noise =
        |made: Made| Made { bytes: [&made.bytes[..], &crate::delta::noise(7, 5000)].concat(), ..made };
    assert_eq!(described_by(&lab(noise), WHOLE).matches(" is fetched: ").count(), 0);
}

#[test]
fn a_slot_that_holds_another_text_or_none_has_no_use_for_it() {
    let of_another = |made: Made| Made { older: b"what another tree of that version has".to_vec(), ..made };
    assert_eq!(described_by(&lab(of_another), WHOLE).matches(" is fetched: ").count(), 0);
    // As a program left it that kept no index.
    let lab = lab(|made| made);
    lab.slot_a("rm /usr/lib/edeploy/slot/pack-index");
    assert_eq!(described_by(&lab, [AGAINST[0], WHOLE[1]]).matches(" is fetched: ").count(), 0);
}
