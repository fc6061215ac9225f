//! The delta of a version from itself.

use edeploy_format::digest::Digest;
use edeploy_format::name::{Object, Version};
use rolebuild::fsck::fsck;
use rolebuild::publish::{Change, Own, PublishError, Published, publish as publish_build};
use rolebuild::site::Draft;

use crate::delta::{delta, noise};
use crate::delta_fsck::publish;
use crate::fixture::*;
use crate::fsck::{faults, replace};

/// A cpio archive, as `rolebuild` writes initrds.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Vec::new();
    for (name, content) in files {
        let fields = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        archive.extend_from_slice(b"070701");
        fields.iter().for_each(|field| archive.extend_from_slice(format!("{field:08x}").as_bytes()));
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

fn modules() -> [Vec<u8>; 2] {
    [noise(1, 50_000), noise(2, 30_001)]
}

/// Publishes a version whose initrd is made of its modules, and of a line that only it has.
fn published(place: &Place, name: &str, serial: u64) -> Published {
    let [a, b] = modules();
    let line = format!("version {name}");
    let initrd = archive(&[("a.ko", &a), ("conf", line.as_bytes()), ("b.ko", &b)]);
    place.publish(name, serial, &[("boot/initrd", &initrd), ("m-a.ko", &a), ("m-b.ko", &b)]).unwrap()
}

/// The objects of deltas, sorted.
fn deltas(place: &Place) -> Vec<String> {
    let state = place.state();
    let names = state.roles[&web()].targets().map(|(name, _)| name.to_owned());
    names.filter(|name| name.contains("delta")).collect()
}

#[test]
fn a_new_version_is_published_with_the_delta_that_makes_its_initrd_of_its_own_files() {
    let place = Place::new();
    let first = published(&place, "1.0", 1);
    let Some(Own { bytes, spares }) = first.own_delta else { panic!("{first:?}") };
    assert!(bytes < 700 && spares > 80_000, "{bytes} in place of {spares}");
    assert_eq!(deltas(&place), ["web@1.0@delta-index@1.0", "web@1.0@delta@1.0"]);
    assert_eq!(fsck(&place.repo(), &mut |_| ()).unwrap().findings, []);
    assert!(!place.names("").iter().any(|name| name.starts_with(".delta")));
    // Again: nothing new, and nothing lost.
    let before = place.metadata();
    let again = published(&place, "1.0", 1);
    assert_eq!((again.change, again.own_delta), (Change::Nothing, None));
    assert_eq!(place.metadata(), before);
    assert_eq!(deltas(&place).len(), 2);
}

#[test]
fn a_version_whose_own_delta_cannot_be_made_is_published_without_and_that_is_told() {
    let place = Place::new();
    // The pack is small, and what is unpacked to make a delta is larger than any file may be here.
    let module = [b"module".repeat(300_000), noise(1, 1000)].concat();
    place.build("1.0", 1, &[("boot/initrd", &archive(&[("a.ko", &module)])), ("m-a.ko", &module)]);
    let line = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" publish web 1.0 --json";
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-c", line, env!("CARGO_BIN_EXE_rolebuild")]).current_dir(place.path());
    let output = shell.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let begin = "rolebuild: web 1.0 is published, but the delta from 1.0 is not: ";
    assert!(said.lines().last().unwrap().starts_with(begin), "{said}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&answer["change"], &answer["missed"][0]["from"]), (&"version".into(), &"1.0".into()));
    assert_eq!(deltas(&place), [""; 0]);
    assert_eq!(fsck(&place.repo(), &mut |_| ()).unwrap().findings, []);
    assert!(delta(&place, "1.0", "1.0").unwrap().published);
}

#[test]
fn a_build_that_changes_while_it_is_published_is_refused() {
    for part in ["manifest", "pack-index"] {
        let place = Place::new();
        let build = place.build("1.0", 1, &[("zz", b"content")]);
        let file = build.folder.join(part);
        let mut other = std::fs::read(&file).unwrap();
        *other.last_mut().unwrap() ^= 1;
        let change = |_| std::fs::write(&file, &other).unwrap();
        let done = publish_build(&mut place.site(), &build, &mut place.keys(), LIFETIMES, now(), change);
        let Err(PublishError::Changed(path)) = done else { panic!("{part}: {done:?}") };
        assert_eq!(path, file);
        assert!(!place.state().roles.contains_key(&web()));
    }
}

#[test]
fn an_initrd_that_is_not_made_of_its_tree_has_no_such_delta() {
    let place = Place::new();
    let [a, b] = modules();
    // No archive; one of files that the tree has not.
    for (name, serial, initrd) in
        [("1.0", 1, b"initrd".to_vec()), ("2.0", 2, archive(&[("a", &a), ("c", &noise(3, 60_000))]))]
    {
        let files: [(&str, &[u8]); 3] = [("boot/initrd", &initrd), ("m-a.ko", &a), ("m-b.ko", &b)];
        assert_eq!(place.publish(name, serial, &files).unwrap().own_delta, None);
        assert!(!delta(&place, name, name).unwrap().published);
    }
    assert_eq!(deltas(&place), [""; 0]);
}

#[test]
fn a_version_that_was_published_without_gets_it_by_delta_and_says_what_it_makes() {
    let place = Place::new();
    published(&place, "1.0", 1);
    let mut document = (**place.state().roles[&web()].document()).clone();
    document.targets.retain(|name, _| !name.contains("delta"));
    let mut draft = Draft::default();
    draft.roles.insert(web(), document);
    place.site().commit(draft, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(deltas(&place), [""; 0]);
    let done = delta(&place, "1.0", "1.0").unwrap();
    let made: Vec<_> = done.costs.iter().map(|cost| (cost.path.as_str(), cost.base.as_deref())).collect();
    assert_eq!((done.published, made), (true, vec![("boot/initrd", None)]));
    assert_eq!(deltas(&place), ["web@1.0@delta-index@1.0", "web@1.0@delta@1.0"]);
}

#[test]
fn a_delta_of_a_version_from_itself_goes_with_it() {
    let place = Place::new();
    published(&place, "1.0", 1);
    published(&place, "2.0", 2);
    place.site().prune(1, &place.keys(), LIFETIMES, now()).unwrap();
    assert_eq!(deltas(&place), ["web@2.0@delta-index@2.0", "web@2.0@delta@2.0"]);
    assert_eq!(fsck(&place.repo(), &mut |_| ()).unwrap().findings, []);
}

#[test]
fn one_that_is_signed_and_makes_something_else_is_named() {
    const DELTA: &str = "web@2.0@delta@2.0";
    let place = Place::new();
    published(&place, "1.0", 1);
    published(&place, "2.0", 2);
    let own = version("2.0");
    let objects = |name: &str, from: &Version| {
        [Object::Delta(from), Object::DeltaIndex(from)].map(|object| place.object(name, object))
    };
    let [sound, index] = objects("2.0", &own);
    let restore = || {
        replace(&place, "2.0", Object::Delta(&own), &sound.1, None);
        replace(&place, "2.0", Object::DeltaIndex(&own), &index.1, Some(&index.0.custom.clone().into()));
        assert_eq!(faults(&place), [""; 0]);
    };
    let finds = |fault: &str| {
        let [found] = &faults(&place)[..] else { panic!("one finding") };
        assert!(found.starts_with(fault), "{found}");
    };
    publish(&place, &own, |_, _, streams| *streams.last_mut().unwrap() ^= 1);
    finds(&format!("{DELTA}: the delta makes another "));
    restore();
    let [a, _] = modules().map(|module| Digest::of(&module));
    let absent = Digest::of(b"not in the tree");
    publish(&place, &own, |_, frame, _| {
        let bases = frame.pieces.iter_mut().flat_map(|piece| &mut piece.bases);
        bases.filter(|base| base.content == a).for_each(|base| base.content = absent);
    });
    finds(&format!("{DELTA}: the base {absent} is neither in the older tree nor made before it is needed"));
    restore();
    // What is not of the tree, whatever it is.
    publish(&place, &own, |_, frame, _| frame.pieces[0].view.content = absent);
    finds(&format!("{DELTA}: the delta makes another {absent}"));
    restore();
    let [_, other] = objects("1.0", &version("1.0"));
    replace(&place, "2.0", Object::DeltaIndex(&own), &other.1, Some(&other.0.custom.into()));
    finds("web@2.0@delta-index@2.0: leads from the tree ");
}
