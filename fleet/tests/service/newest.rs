//! A profile that wants the newest version, with a repository that the service serves itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ed25519_dalek::SigningKey;
use edeploy_format::name::Role;
use edeploy_format::tuf::*;
use serde_json::{Map, json};

use crate::fleet::Fleet;
use crate::toy::Toy;

/// One key for everything.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// Writes a repository with these versions of `web`: name, serial, architecture.
fn publish(folder: &Path, version: u64, versions: &[(&str, u64, &str)]) {
    publish_with(folder, version, versions, &[]);
}

/// The same with channels: name, version.
fn publish_with(folder: &Path, version: u64, versions: &[(&str, u64, &str)], channels: &[(&str, &str)]) {
    let web: Role = "web".parse().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let expires = Time::new(now).plus_days(1);
    let public = Key::from(&key().verifying_key());
    let id = public.id().unwrap();
    let one = || RoleKeys::new([id.clone()], 1);
    let keys: BTreeMap<_, _> = [(id.clone(), public)].into();
    let mut role = Targets::empty(Common::new::<Targets>(version, expires));
    for (name, serial, architecture) in versions {
        let blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        let custom =
            json!({"blake3": blake3, "size": 3, "serial": serial, "architecture": architecture, "built": 1});
        let target = Target::new(3, Sha256::of(b"abc"), Some(&custom));
        role.targets.insert(format!("web@{name}@manifest"), target);
    }
    for (name, version) in channels {
        role.set_channel(&name.parse().unwrap(), Some(&version.parse().unwrap()));
    }
    let mut targets = Targets::empty(Common::new::<Targets>(version, expires));
    let roles = vec![Delegation::of(&web, one())];
    targets.delegations = Some(Delegations { keys: keys.clone(), roles, extra: Map::new() });
    let (role, targets) = (sign(&role, &[&key()]).unwrap(), sign(&targets, &[&key()]).unwrap());
    let meta = [
        ("role-web.json".to_owned(), MetaFile::of(version, &role)),
        ("targets.json".to_owned(), MetaFile::of(version, &targets)),
    ];
    let common = Common::new::<Snapshot>(version, expires);
    let snapshot = sign(&Snapshot { common, meta: meta.into(), extra: Map::new() }, &[&key()]).unwrap();
    let meta = [("snapshot.json".to_owned(), MetaFile::of(version, &snapshot))];
    let common = Common::new::<Timestamp>(version, expires);
    let timestamp = Timestamp { common, meta: meta.into(), issued: None, extra: Map::new() };
    let roles = RootRoles { root: one(), snapshot: one(), targets: one(), timestamp: one() };
    let common = Common::new::<Root>(1, expires);
    let root = Root { common, consistent_snapshot: true, keys, roles, extra: Map::new() };
    let root = sign(&root, &[&key()]).unwrap();
    let timestamp = sign(&timestamp, &[&key()]).unwrap();
    fs::create_dir_all(folder.join("metadata")).unwrap();
    for (name, bytes) in [
        ("1.root.json".to_owned(), root),
        ("timestamp.json".to_owned(), timestamp),
        (format!("{version}.snapshot.json"), snapshot),
        (format!("{version}.targets.json"), targets),
        (format!("{version}.role-web.json"), role),
    ] {
        fs::write(folder.join("metadata").join(name), bytes).unwrap();
    }
}

const NEWEST: &str = "role = \"web\"\nversion = \"newest\"\nspec = []\n";

#[test]
fn the_newest_version_is_the_one_of_the_highest_serial_that_the_repository_signs() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), 2, &[("1.9", 1, "amd64"), ("1.10", 2, "amd64"), ("2.0", 9, "arm64")]);
    let root = folder.path().join("metadata/1.root.json");
    let assets = folder.path().to_str().unwrap();
    let more = ["--assets", assets, "--root", root.to_str().unwrap()];
    let profiles = [("state", "[('web', '*')]"), ("web.toml", NEWEST)];
    let mut fleet = Fleet::start_with(&profiles, &more);
    let repo = fleet.url("/install");
    fleet.kill();
    fleet.more.extend(["--repo".to_owned(), repo.clone()]);
    fleet.run();
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let plan = toy.plan(&fleet);
    assert_eq!((plan.version.as_str(), plan.repos), ("1.10", vec![repo.clone()]));
    // What was accepted stays the least that is accepted, also by a service that was started anew.
    publish(folder.path(), 1, &[("1.9", 1, "amd64")]);
    fleet.kill();
    fleet.run();
    let answer = toy.report(&fleet);
    assert_eq!(answer.header("retry-after"), Some("5"));
    let says = "the newest version of web is not known: reading timestamp.json: version 1 of timestamp.json is \
                offered, version 2 was seen before";
    assert_eq!(answer.problem(503), says);
    // No second attempt.
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &fleet.operator()).json();
    assert_eq!(host["permission"]["attempts"], 1);
}

#[test]
fn a_channel_is_the_version_that_the_roles_key_says_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let versions = [("1.9", 1, "amd64"), ("1.10", 2, "amd64"), ("2.0", 9, "arm64")];
    let channels = [("stable", "1.9"), ("arm", "2.0"), ("gone", "0.1")];
    publish_with(folder.path(), 1, &versions, &channels);
    let root = folder.path().join("metadata/1.root.json");
    let more = ["--assets", folder.path().to_str().unwrap(), "--root", root.to_str().unwrap()];
    let wanting =
        |name: &str| format!("role = \"web\"\nchannel = \"{name}\"\nrepos = [\"REPO\"]\nspec = []\n");
    let mut fleet =
        Fleet::start_with(&[("state", "[('web', '*')]"), ("web.toml", &wanting("stable"))], &more);
    let repo = fleet.url("/install");
    let want = |fleet: &mut Fleet, name: &str| {
        fs::write(fleet.profiles().join("web.toml"), wanting(name).replace("REPO", &repo)).unwrap();
        // What was answered serves for a minute.
        fleet.kill();
        fleet.run();
    };
    want(&mut fleet, "stable");
    fleet.must("permit --new 1");
    let operator = fleet.operator();
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    assert_eq!(toy.plan(&fleet).version.as_str(), "1.9");
    for (name, says) in [
        ("beta", "web has no channel beta, but arm, gone, stable"),
        ("arm", "channel arm of web names 2.0, which is not published for amd64, or was withdrawn"),
        ("gone", "channel gone of web names 0.1, which is not published for amd64, or was withdrawn"),
    ] {
        want(&mut fleet, name);
        let says = format!("the version of channel {name} of web is not known: {says}");
        assert_eq!(toy.report(&fleet).problem(503), says);
        let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &operator).json();
        assert_eq!(host["failure"], says);
    }
    publish_with(folder.path(), 2, &versions, &[("stable", "1.10")]);
    want(&mut fleet, "stable");
    assert_eq!(toy.plan(&fleet).version.as_str(), "1.10");
}

#[test]
fn without_a_root_or_a_repository_the_reason_is_told() {
    let profiles = [("state", "[('web', '*')]"), ("web.toml", NEWEST)];
    let mut fleet = Fleet::start(&profiles);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let says = "profile web: it has no repos, and the service was started without --repo";
    assert_eq!(toy.report(&fleet).problem(409), says);
    fleet.kill();
    fleet.more = vec!["--repo".to_owned(), "http://127.0.0.1:1".to_owned()];
    fleet.run();
    let says = "the newest version of web is not known: a profile wants the newest version or that of a channel, \
                and the service was started without --root";
    assert_eq!(toy.report(&fleet).problem(503), says);
}

#[test]
fn the_password_of_a_repository_is_told_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), 1, &[]);
    let root = folder.path().join("metadata/1.root.json");
    let repo = "http://reader:s3cret@127.0.0.1:1/";
    let profiles = [("state", "[('web', '*')]"), ("web.toml", NEWEST)];
    let fleet = Fleet::start_with(&profiles, &["--root", root.to_str().unwrap(), "--repo", repo]);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    let says = toy.report(&fleet).problem(503);
    assert!(says.contains(": http://…@127.0.0.1:1/metadata/2.root.json: "), "{says}");
    let host = fleet.get(&format!("/v1/hosts/{}", toy.mac), &fleet.operator()).text;
    let page = fleet.plainly("GET", &format!("/machines/{}", toy.mac), &[], "").text;
    for text in [says, host, page, fleet.must("hosts")] {
        assert!(text.contains("http://…@127.0.0.1:1/") && !text.contains("s3cret"), "{text}");
    }
}

/// A server on loopback that takes a while over each request, and then says that `site` has it; where it is.
fn slow(site: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            lines.read_line(&mut line).unwrap();
            let path = line.split(' ').nth(1).unwrap_or_default();
            lines.lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            std::thread::sleep(Duration::from_millis(30));
            let head = format!("HTTP/1.1 302 Found\r\nLocation: {site}{path}\r\nContent-Length: 0\r\n");
            write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
        }
    });
    address
}

#[test]
fn a_crowd_that_asks_for_the_newest_version_at_once_has_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), 1, &[("1.0", 1, "amd64")]);
    let root = folder.path().join("metadata/1.root.json");
    let more = ["--assets", folder.path().to_str().unwrap(), "--root", root.to_str().unwrap()];
    let profiles = [("state", "[('web', '*')]"), ("web.toml", NEWEST)];
    let mut fleet = Fleet::start_with(&profiles, &more);
    let repo = slow(fleet.url("/install"));
    fleet.kill();
    fleet.more.extend(["--repo".to_owned(), repo]);
    fleet.run();
    let toys: Vec<Toy> = (1..9).map(|n| Toy::new(n, 20)).collect();
    fleet.must("permit --new 8");
    let fleet = &fleet;
    std::thread::scope(|scope| {
        for mut toy in toys {
            toy.boot(fleet);
            scope.spawn(move || assert_eq!(toy.plan(fleet).version.as_str(), "1.0"));
        }
    });
}

#[test]
fn of_its_own_site_the_service_asks_nobody_so_that_no_crowd_keeps_it_from_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), 1, &[("1.0", 1, "amd64")]);
    let root = folder.path().join("metadata/1.root.json");
    let more = ["--site", folder.path().to_str().unwrap(), "--root", root.to_str().unwrap()];
    let fleet = Fleet::start_with(&[("state", "[('web', '*')]"), ("web.toml", NEWEST)], &more);
    fleet.must("permit --new 1");
    let mut toy = Toy::new(1, 20);
    toy.boot(&fleet);
    // All connections but one are held, by who says nothing for now.
    let held: Vec<TcpStream> = (1..64).map(|_| TcpStream::connect(&fleet.address).unwrap()).collect();
    let plan = toy.plan(&fleet);
    assert_eq!((plan.version.as_str(), plan.repos), ("1.0", vec![fleet.url("/repo")]));
    assert_eq!(held.len(), 63);
}

#[test]
fn a_repository_that_does_not_answer_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    publish(folder.path(), 1, &[]);
    let root = folder.path().join("metadata/1.root.json");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let repo = format!("http://{}", silent.local_addr().unwrap());
    let profiles = [("state", "[('web', '*')]"), ("web.toml", NEWEST)];
    let fleet = Fleet::start_with(&profiles, &["--root", root.to_str().unwrap(), "--repo", &repo]);
    fleet.must("permit --new 2");
    let (mut one, mut two) = (Toy::new(1, 20), Toy::new(2, 20));
    one.boot(&fleet);
    two.boot(&fleet);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| one.report(&fleet));
        let (asked, _) = silent.accept().unwrap();
        let says = "the newest version of web is not known: it is being asked for";
        assert_eq!(two.report(&fleet).problem(503), says);
        drop(asked);
        first.join().unwrap().problem(503);
    });
}
