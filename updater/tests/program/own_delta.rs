//! The delta of a version from itself: taken by a first install, and by an upgrade to which no other leads.

use std::fs;
use std::path::PathBuf;

use edeploy_format::delta::patch::Step;
use edeploy_format::delta::{Frame, Head, Piece};
use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Version as Name};
use edeploy_format::tuf::Contents;
use serde_json::{Value, json};

use crate::bad_site::{file, tamper};
use crate::delta::noise;
use crate::lab::{Lab, Ran, manifest, rule, tree};
use crate::version::Version;

/// A file of all versions, which their initrds hold; each begins with what tells the version.
const MEMBER: usize = 200_000;
const INITRD: usize = MEMBER + 1;

fn initrd(version: &str) -> Vec<u8> {
    [version.as_bytes(), &noise(5, MEMBER)].concat()
}

/// A version with the initrd of `of`.
fn version(name: &str, of: &str) -> Version {
    let mut tree = tree(name).without("boot/initrd.img");
    tree.file("boot/initrd.img", &initrd(of));
    tree.file("usr/member", &noise(5, MEMBER));
    tree
}

/// Makes the initrd of a version, and its frame's bytes.
fn delta(name: &str) -> (Vec<u8>, Frame) {
    let mut control = Vec::new();
    Step { add: 0, insert: 1, seek: 0 }.write(&mut control);
    Step { add: MEMBER as u64, insert: 0, seek: 0 }.write(&mut control);
    let number = |n: usize| u32::try_from(n).unwrap();
    let piece = Piece {
        view: Digest::of(&initrd(name)).into(),
        offset: 0,
        length: number(INITRD),
        control: number(control.len()),
        difference: number(MEMBER),
        proof: None,
        bases: vec![Digest::of(&noise(5, MEMBER)).into()],
    };
    let streams = [&control[..], &vec![0; MEMBER], name.as_bytes()].concat();
    let bytes = zstd::bulk::compress(&streams, 3).unwrap();
    let (compressed, length, digest) = (number(bytes.len()), number(streams.len()), Digest::of(&bytes));
    (bytes, Frame { offset: 0, compressed, length, digest, pieces: vec![piece] })
}

/// Lists this delta for version `to`, its index with the last word of `change`.
fn list(lab: &mut Lab, from: &str, to: &str, head: Head, change: impl Fn(String) -> String) {
    let (bytes, frame) = delta(to);
    let (index, from) = (change(head.to_string() + &frame.to_string()), from.parse::<Name>().unwrap());
    let contents = Contents { blake3: Digest::of(index.as_bytes()), size: index.len() as u64 };
    lab.site.packed(Object::DeltaIndex(&from), to, index.as_bytes(), &contents);
    lab.site.add(Object::Delta(&from), to, bytes, None::<&()>);
    lab.sign();
}

fn head(name: &str, serial: u64) -> Head {
    let own = manifest(name, serial, &version(name, name));
    Head { from: own, to: own }
}

/// Version 1 is published with its delta from itself, and there is an empty disk.
fn blank(change: impl Fn(String) -> String) -> Lab {
    let mut lab = Lab::new();
    lab.publish("1", 1, &version("1", "1"), &rule("1", &json!({})), |_| ());
    list(&mut lab, "1", "1", head("1", 1), change);
    lab.disk();
    lab
}

/// Version 1 runs; version 3 is published with its delta from itself.
fn running(change: impl Fn(String) -> String) -> Lab {
    use std::sync::OnceLock;
    static FIRST: OnceLock<Lab> = OnceLock::new();
    let mut lab = FIRST.get_or_init(|| Lab::first(&version("1", "1"))).copy();
    lab.site.version = 2;
    lab.publish("3", 3, &version("3", "3"), &rule("3", &json!({})), |_| ());
    list(&mut lab, "3", "3", head("3", 3), change);
    lab
}

fn numbers<const N: usize>(json: &Value, keys: [&str; N]) -> [u64; N] {
    keys.map(|key| json[key].as_u64().unwrap_or_else(|| panic!("{key}: {json}")))
}

#[test]
fn a_first_install_takes_the_delta_of_the_version_from_itself() {
    let lab = blank(|index| index);
    let ran = lab.install(&["--json"]).done();
    let [downloaded, written, patched] = numbers(&ran.json(), ["downloaded", "written", "patched"]);
    assert_eq!(patched, INITRD as u64);
    assert!(
        written > 2 * INITRD as u64 && (MEMBER as u64..MEMBER as u64 + 2000).contains(&downloaded),
        "{ran:?}"
    );
    let ran = blank(|index| index).install(&[]).done();
    let said = |line: &str| line.contains(" to download, ") && line.contains(" of it by its own delta; ");
    assert!(ran.err.lines().any(said), "{ran:?}");
    assert!(ran.out.ends_with(" written, 200.0 kB of it patched\n"), "{ran:?}");
    assert_eq!(lab.run(&["verify"]).done().code, 0);
}

#[test]
fn an_upgrade_to_which_no_delta_leads_takes_that_of_the_version_from_itself() {
    let lab = running(|index| index);
    let plan = lab.run(&["test-upgrade", "3", "--json"]).done().json();
    let way = plan["way"].as_str().unwrap();
    assert!(way.ends_with(" of it by its own delta"), "{way}");
    let done = lab.run(&["upgrade", "3", "--json"]).done().json();
    assert_eq!(numbers(&plan, ["download", "patch"]), numbers(&done, ["downloaded", "patched"]));
    assert_eq!(done["patched"], json!(INITRD));
    assert!(numbers(&done, ["downloaded"])[0] < 1000, "{done}");
}

#[test]
fn of_a_delta_from_itself_that_is_damaged_missing_or_of_a_later_format_nothing_is_taken_and_the_pack_serves()
{
    fn gone(file: &PathBuf) {
        fs::remove_file(file).unwrap();
    }
    type Change = fn(String) -> String;
    let as_it_is: Change = |index| index;
    let later: Change = |index| index.replace("edeploy-delta 1\n", "edeploy-delta 2\n");
    let senseless: Change = |index| index.replacen("frame ", "frame -", 1);
    let nothing: fn(&PathBuf) = |_| ();
    let cases = [
        (as_it_is, "delta-index@", tamper as fn(&PathBuf), "no delta from V: "),
        (as_it_is, "delta@", tamper, "not patched, fetched whole: "),
        (as_it_is, "delta-index@", gone, "no delta from V: "),
        (as_it_is, "delta@", gone, "not there"),
        (
            later,
            "delta@",
            nothing,
            "no delta from V: no index of a delta, or of a format this program does not know",
        ),
        (senseless, "delta@", nothing, "no delta from V: line 4 of the index of the delta is wrong"),
    ];
    for (change, object, harm, said) in cases {
        let lab = running(change);
        harm(&file(&lab, "targets", &format!("web@3@{object}3")));
        assert_by_pack(&lab.run(&["upgrade", "3"]), &said.replace('V', "3"));
        let lab = blank(change);
        harm(&file(&lab, "targets", &format!("web@1@{object}1")));
        assert_by_pack(&lab.install(&[]), &said.replace('V', "1"));
    }
}

fn assert_by_pack(ran: &Ran, said: &str) {
    let none = [" 0 bytes patched,", " 0 bytes of it patched"].iter().any(|none| ran.out.contains(none));
    assert!(ran.code == 0 && none, "{ran:?}");
    assert!(ran.err.lines().any(|line| line.contains(said)), "{said}: {ran:?}");
}

#[test]
fn one_that_is_listed_under_its_name_and_starts_from_another_tree_is_not_taken() {
    let other = Digest::of(b"another manifest").to_string();
    for from in [true, false] {
        let change = |index: String| {
            let own = head("3", 3).to.to_string();
            let end = if from { "from" } else { "to" };
            index.replace(&format!("{end} {own}"), &format!("{end} {other}"))
        };
        let done = running(change).run(&["upgrade", "3", "--json"]).done().json();
        assert_eq!(done["patched"], json!(0));
    }
}

#[test]
fn a_delta_from_what_runs_comes_first_and_one_that_does_not_do_gives_way() {
    let from = || Head { from: manifest("1", 1, &version("1", "1")), to: head("3", 3).to };
    // Each lab notices when the delta from itself is asked for: its index is another than was signed.
    let unasked = |lab: &Lab| {
        tamper(&file(lab, "targets", "web@3@delta-index@3"));
        let ran = lab.run(&["upgrade", "3"]).done();
        assert!(!ran.err.contains("no delta from"), "{ran:?}");
        ran.out
    };
    let mut lab = running(|index| index);
    list(&mut lab, "1", "3", from(), |index| index);
    assert!(
        lab.run(&["test-upgrade", "3", "--json"]).done().json()["way"]
            .as_str()
            .unwrap()
            .ends_with("by the delta")
    );
    assert!(unasked(&lab).contains(" 200.0 kB patched,"));
    let mut lab = running(|index| index);
    list(&mut lab, "1", "3", from(), |index| index.replace("edeploy-delta 1\n", "edeploy-delta 2\n"));
    let ran = lab.run(&["upgrade", "3"]).done();
    let taken = ran.err.contains("no delta from 1: ") && ran.out.contains(" 200.0 kB patched,");
    assert!(taken, "{ran:?}");
    // A version with the initrd that runs needs none.
    let mut lab = running(|index| index);
    lab.publish("3", 3, &version("3", "1"), &rule("3", &json!({})), |_| ());
    assert!(unasked(&lab).contains(" 0 bytes patched,"));
}
