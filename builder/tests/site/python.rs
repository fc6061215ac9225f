//! python-tuf, an independent implementation: it reads our sites, and we read what it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ed25519_dalek::SigningKey;
use edeploy_format::name::Object;
use edeploy_format::tuf::{Expiry, Key, Seen, Sha256, TrustedRole, TrustedRoot};
use rolebuild::clock;
use rolebuild::site::{METADATA, RootKeys, init, replacement};

use crate::fixture::*;

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a script of `tests/python`, and gives what it printed, line by line.
fn python(script: &str, args: &[&str]) -> Result<Vec<String>, String> {
    let python = source("../target/python-tuf/bin/python");
    assert!(python.exists(), "python-tuf is missing; install it with: just python-tuf");
    let script = source("tests/python").join(script);
    let output = Command::new(python).arg(script).args(args).output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

/// A site whose dates are those of the real clock, as python-tuf asks that one.
fn site() -> (Place, String) {
    let place = Place::bare();
    let one = RootKeys { keys: 1, threshold: 1 };
    init(&place.repo(), &mut place.keys(), one, LIFETIMES, clock::now()).unwrap();
    place.publish_at("1.0", 1, clock::now());
    // Nothing of this delegation is ever published: other clients must find their way past it.
    let fleet = Key::from(&SigningKey::from_bytes(&[6; 32]).verifying_key());
    place.site().delegate_fleet(vec![fleet], &place.keys(), LIFETIMES, clock::now()).unwrap();
    // Nor does any of them know channels.
    let (stable, first) = ("stable".parse().unwrap(), version("1.0"));
    place.site().set_channel(&web(), &stable, Some(&first), &place.keys(), LIFETIMES, clock::now()).unwrap();
    let serving = rolebuild::serve::serve(&place.repo(), ([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/", serving.address());
    std::thread::spawn(move || serving.forever());
    (place, url)
}

/// Downloads as a client that began with the first root, and keeps what it believed in `client`.
fn download(place: &Place, url: &str, target: &str) -> Result<Vec<String>, String> {
    let root = place.repo().join(METADATA).join("1.root.json");
    let client = place.path().join("client");
    python("download.py", &[url, root.to_str().unwrap(), target, client.to_str().unwrap()])
}

/// The role as a host sees it now, that has seen `seen` before.
fn host(place: &Place, seen: &Seen) -> TrustedRole {
    let read = |name: &str| fs::read(place.repo().join(METADATA).join(name)).unwrap();
    let root = TrustedRoot::anchor(&read("root.json")).unwrap();
    let timestamp = root.timestamp(&read("timestamp.json"), seen, Expiry::At(clock::now())).unwrap();
    let bytes = read(&timestamp.snapshot_listing().file);
    let snapshot = timestamp.snapshot(&bytes, seen).unwrap();
    let bytes = read(&snapshot.targets_listing().unwrap().file);
    let targets = snapshot.targets(&bytes).unwrap();
    let bytes = read(&targets.role_listing(&web()).unwrap().file);
    targets.role(&web(), &bytes).unwrap()
}

#[test]
fn its_client_downloads_what_we_published() {
    let (place, url) = site();
    let lines = download(&place, &url, "web@1.0@manifest").unwrap();
    let custom: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&custom["serial"], &custom["architecture"]), (&1.into(), &"amd64".into()));
    assert_eq!(fs::read(&lines[1]).unwrap(), place.object("1.0", Object::Manifest).1);
    let error = download(&place, &url, "db@1.0@manifest").unwrap_err();
    assert!(error.contains("db@1.0@manifest is not listed"), "{error}");
}

#[test]
fn its_client_follows_our_new_roots_and_new_keys() {
    let (place, url) = site();
    download(&place, &url, "web@1.0@sbom").unwrap();
    let replace =
        ["root", "targets", "snapshot", "timestamp", "role-web"].map(|name| replacement(name).unwrap());
    let two = RootKeys { keys: 3, threshold: 2 };
    place.site().rotate(&replace.into(), two, &mut place.keys(), LIFETIMES, clock::now()).unwrap();
    place.publish_at("1.1", 2, clock::now());
    let lines = download(&place, &url, "web@1.1@pack").unwrap();
    assert_eq!(fs::read(&lines[1]).unwrap(), place.object("1.1", Object::Pack).1);
}

#[test]
fn its_client_refuses_a_tampered_object_and_an_older_site() {
    let (place, url) = site();
    let before = fs::read(place.repo().join("metadata/timestamp.json")).unwrap();
    place.publish_at("1.1", 2, clock::now());
    download(&place, &url, "web@1.1@sbom").unwrap();
    let (target, bytes) = place.object("1.0", Object::Pack);
    let file = place.repo().join("targets").join(target.file("web@1.0@pack"));
    fs::write(&file, vec![0; bytes.len()]).unwrap();
    let error = download(&place, &url, "web@1.0@pack").unwrap_err();
    assert!(error.contains("LengthOrHashMismatchError"), "{error}");
    fs::write(place.repo().join("metadata/timestamp.json"), before).unwrap();
    let error = download(&place, &url, "web@1.1@sbom").unwrap_err();
    assert!(error.contains("BadVersionNumberError"), "{error}");
}

#[test]
fn what_it_signs_with_our_keys_is_read_by_hosts_and_by_us() {
    let (place, url) = site();
    let root = TrustedRoot::anchor(&fs::read(place.repo().join("metadata/root.json")).unwrap()).unwrap();
    let seen_timestamp = fs::read(place.repo().join("metadata/timestamp.json")).unwrap();
    let seen_snapshot = fs::read(place.repo().join("metadata/2.snapshot.json")).unwrap();
    let seen = root.seen(&[seen_timestamp], &[seen_snapshot]);

    let note = place.path().join("note");
    fs::write(&note, "from python").unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (repo, keys) = (path(&place.repo()), path(&place.path().join("keys")));
    let lines = python("update.py", &[&repo, &keys, "role-web", "web@1.0@note", &path(&note)]).unwrap();
    let sha256: Sha256 = lines[0].parse().unwrap();

    let role = host(&place, &seen);
    assert_eq!(role.target("web@1.0@note").unwrap().hashes.sha256, sha256);
    assert_eq!(role.versions().len(), 1);
    assert_eq!(rolebuild::fsck::fsck(&place.repo(), &mut |_| {}).unwrap().findings, []);

    // We go on from there, and its client goes on with us.
    place.publish_at("1.1", 2, clock::now());
    let role = host(&place, &seen);
    assert!(role.target("web@1.0@note").is_some(), "what it added is kept");
    assert_eq!(
        role.document().channels(),
        [("stable".parse().unwrap(), version("1.0"))].into(),
        "and so is ours"
    );
    assert_eq!(role.versions().len(), 2);
    let lines = download(&place, &url, "web@1.0@note").unwrap();
    assert_eq!(fs::read(&lines[1]).unwrap(), b"from python");
}
