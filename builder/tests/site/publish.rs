//! Builds become versions, or are refused.

use std::fs;

use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::name::Object;
use edeploy_format::transition::Transition;
use edeploy_format::tuf::{Contents, Identity, Sha256};
use rolebuild::failure::Fault;
use rolebuild::publish::Change;
use rolebuild::site::{SiteError, State, TARGETS, next_serial};

use crate::fixture::*;

#[test]
fn a_published_version_is_found_with_all_its_objects() {
    let place = Place::new();
    let published = place.publish("1.0", 1, &[("zz", b"content")]).unwrap();
    let build = place.build("1.0", 1, &[("zz", b"content")]);
    let read = |name: &str| fs::read(build.folder.join(name)).unwrap();
    assert_eq!((published.serial, published.change), (1, Change::Version));
    assert_eq!(published.manifest, Digest::of(&read("manifest")));

    for (object, part) in [(Object::Manifest, "manifest"), (Object::PackIndex, "pack-index")] {
        let (target, bytes) = place.object("1.0", object);
        assert_eq!((target.length, target.hashes.sha256), (bytes.len() as u64, Sha256::of(&bytes)));
        assert_eq!(zstd::stream::decode_all(&bytes[..]).unwrap(), read(part));
        let size = zstd::zstd_safe::get_frame_content_size(&bytes).unwrap();
        assert_eq!(size, Some(read(part).len() as u64), "the frame says how long its content is");
        let contents: Contents = target.custom(part).unwrap();
        assert_eq!((contents.blake3, contents.size), (Digest::of(&read(part)), read(part).len() as u64));
    }
    let identity: Identity = place.object("1.0", Object::Manifest).0.custom("").unwrap();
    assert_eq!((identity.serial, identity.built), (1, 1_795_190_000));
    for (object, part) in [(Object::Pack, "pack"), (Object::Sbom, "sbom")] {
        assert_eq!(place.object("1.0", object).1, read(part));
    }
    let transition = place.object("1.0", Object::Transition).1;
    let transition = Transition::parse(&transition, &web(), &version("1.0")).unwrap();
    assert_eq!(transition.rules[0].exclude, "/etc/hostname\n");
    assert_eq!(place.names(TARGETS).len(), 5, "nothing else lies there");
}

#[test]
fn publishing_the_same_build_again_changes_nothing() {
    let place = Place::new();
    let first = place.publish("1.0", 1, &[]).unwrap();
    let metadata = place.metadata();
    let again = place.publish("1.0", 1, &[]).unwrap();
    assert_eq!((first.change, again.change), (Change::Version, Change::Nothing));
    assert_eq!((again.manifest, again.bytes), (first.manifest, first.bytes));
    assert_eq!(place.metadata(), metadata);
    assert_eq!(place.names(TARGETS).len(), 5);
}

#[test]
fn another_build_under_a_published_version_is_refused() {
    let place = Place::new();
    place.publish("1.0", 1, &[("zz", b"one")]).unwrap();
    let error = place.publish("1.0", 1, &[("zz", b"two")]).unwrap_err();
    assert_eq!(error.exit(), Exit::Refused);
    assert_eq!(chain(error), "web 1.0 is published with another pack; a change needs a new version");
    assert_eq!(place.names(TARGETS).len(), 5, "what was refused left nothing");
}

#[test]
fn other_rules_that_lead_to_a_published_version_replace_those_before() {
    let place = Place::new();
    place.publish("1.0", 1, &[("zz", b"one")]).unwrap();
    place.publish("1.1", 2, &[("zz", b"two")]).unwrap();
    place.build("1.0", 1, &[("zz", b"one")]);
    place.rule("1.1/web/1.0", "post", b"#!/bin/sh\nexit 100\n", 0o755);
    assert_eq!(place.publish("1.0", 1, &[("zz", b"one")]).unwrap().change, Change::Rules);
    let rules =
        Transition::parse(&place.object("1.0", Object::Transition).1, &web(), &version("1.0")).unwrap();
    assert!(rules.rule(&version("1.1")).unwrap().is_exact(), "the way down is open");
}

#[test]
fn serials_only_grow() {
    let place = Place::new();
    let next = |name: &str| next_serial(&place.repo(), &web(), &version(name)).unwrap();
    assert_eq!(next("1.0"), 1);
    place.publish("1.0", 7, &[]).unwrap();
    assert_eq!((next("1.0"), next("1.1")), (7, 8));
    for serial in [6, 7] {
        let error = place.publish("1.1", serial, &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Refused);
        let expected = format!("web 1.1 has serial {serial}, and 7 is published; build it again");
        assert_eq!(chain(error), expected);
    }
    place.publish("1.1", 8, &[]).unwrap();
    let versions = place.state().roles[&web()].versions();
    let versions: Vec<String> = versions.iter().map(|v| v.version.to_string()).collect();
    assert_eq!(versions, ["1.0", "1.1"]);
    assert_eq!(next_serial(&place.path().join("nowhere"), &web(), &version("1")).unwrap(), 1);
}

#[test]
fn the_least_serial_grows_and_never_ends_the_version_it_comes_with() {
    let place = Place::new();
    let with = |name: &str, serial: u64, min: u64| {
        let mut build = place.build(name, serial, &[]);
        build.min_serial = Some(min);
        place.publish_build(&build).map(|published| published.change)
    };
    let least = || place.state().roles[&web()].document().min_serial();
    assert_eq!(with("1.0", 3, 2).unwrap(), Change::Version);
    assert_eq!(least(), 2);
    for wrong in [1, 4] {
        let error = chain(with("1.0", 3, wrong).unwrap_err());
        let expected = format!(
            "--min-serial {wrong} must lie between 2, as it is now, and 3, the serial of this version"
        );
        assert_eq!(error, expected);
    }
    assert_eq!(with("1.0", 3, 3).unwrap(), Change::MinSerial);
    assert_eq!(with("1.0", 3, 3).unwrap(), Change::Nothing);
    place.publish("1.1", 4, &[]).unwrap();
    assert_eq!(least(), 3, "it stays when nothing is said about it");
}

#[test]
fn a_build_that_is_not_whole_is_refused() {
    let place = Place::new();
    let error = |part: &str, change: fn(&mut Vec<u8>)| {
        let build = place.build("1.0", 1, &[("zz", b"content")]);
        let file = build.folder.join(part);
        let mut bytes = fs::read(&file).unwrap();
        change(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let error = place.publish_build(&build).unwrap_err();
        assert_eq!(error.exit(), Exit::Input, "{part}");
        chain(error).replace(&build.folder.display().to_string(), "BUILD")
    };
    let flipped: fn(&mut Vec<u8>) = |bytes| *bytes.last_mut().unwrap() ^= 1;
    let cut: fn(&mut Vec<u8>) = |bytes| bytes.truncate(bytes.len() - 1);
    let at = "BUILD/pack: the frame at byte 45 is not the one its index lists; build it again";
    assert_eq!(error("pack", flipped), at);
    assert_eq!(error("pack", cut), at);
    let longer = "BUILD/pack is longer than the 61 bytes its index lists";
    assert_eq!(error("pack", |bytes| bytes.push(0)), longer);
    assert_eq!(error("pack-index", cut), "BUILD/pack-index: line 9 of the index of the pack is wrong");
    assert_eq!(error("manifest", cut), "BUILD/manifest: manifest record 5 is cut short or too long");
    assert_eq!(place.names(TARGETS), [""; 0]);
}

#[test]
fn what_must_be_unique_to_a_machine_is_not_published() {
    for path in ["etc/machine-id", "etc/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key"] {
        let place = Place::new();
        let folders: Vec<Member<'_>> = ["etc", "etc/ssh"].map(|folder| (folder, None)).to_vec();
        let depth = path.matches('/').count();
        let build = place.build_of("1.0", 1, &[&folders[..depth], &[(path, Some(b"secret"))]].concat());
        if path == "etc/ssh_host_rsa_key" {
            assert!(place.publish_build(&build).is_ok(), "only its place makes it one");
            continue;
        }
        let error = place.publish_build(&build).unwrap_err();
        assert_eq!(error.exit(), Exit::Input);
        let expected = format!("/{path} must be unique to each machine; it cannot be in a role's tree");
        assert_eq!(chain(error), expected);
    }
    let place = Place::new();
    let build = place.build_of("1.0", 1, &[("etc", None), ("etc/machine-id", Some(b""))]);
    assert!(place.publish_build(&build).is_ok(), "an empty one is what a tree should have");
}

#[test]
fn a_build_of_another_version_is_refused() {
    let place = Place::new();
    let build = place.build("1.0", 1, &[]);
    let mut other = place.build("2.0", 2, &[]);
    other.folder = build.folder;
    let folder = other.folder.display().to_string();
    let error = place.publish_build(&other).unwrap_err();
    assert_eq!(chain(error), format!("{folder} holds web 1.0, not the build that was asked for"));

    fs::remove_dir_all(&other.folder).unwrap();
    let error = place.publish_build(&other).unwrap_err();
    assert_eq!(error.exit(), Exit::NotFound);
    assert_eq!(chain(error), format!("there is no build of web 2.0: {folder} has no manifest"));
}

#[test]
fn a_run_that_was_cut_off_before_the_timestamp_published_nothing() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    let timestamp = place.repo().join("metadata/timestamp.json");
    let before = fs::read(&timestamp).unwrap();
    place.publish("1.1", 2, &[]).unwrap();
    fs::write(&timestamp, before).unwrap();
    let versions = |state: State| state.roles[&web()].versions().len();
    assert_eq!(versions(place.state()), 1);
    place.publish("1.1", 2, &[]).unwrap();
    assert_eq!(versions(place.state()), 2);
}

#[test]
fn damaged_metadata_is_named_and_nothing_is_published_on_top_of_it() {
    let place = Place::new();
    place.publish("1.0", 1, &[]).unwrap();
    let file = place.repo().join("metadata/2.role-web.json");
    assert!(!file.exists());
    let file = place.repo().join("metadata/1.role-web.json");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = State::read(&place.repo()).unwrap_err();
    assert_eq!(error.exit(), Exit::Untrusted);
    let start =
        "the published metadata is damaged or was tampered with: reading role-web.json: its SHA-256 is ";
    assert!(chain(error).starts_with(start));
}

#[test]
fn without_a_site_the_command_that_makes_one_is_named() {
    let place = Place::bare();
    let error = State::read(&place.repo()).unwrap_err();
    let repo = place.repo().display().to_string();
    assert!(matches!(error, SiteError::NoSite(_)));
    let expected = format!("there is no repository at {repo}; make one with `rolebuild init --repo {repo}`");
    assert_eq!(chain(error), expected);
}
