//! Well signed, but not what it must be: the attacker holds a key. One case per attack, with the
//! error that must name it.

use crate::site::*;
use edeploy_format::tuf::*;
use serde_json::Value;

/// A case: its name, what the attacker does to the documents before they are signed (with keys
/// the case says he has) and to the bytes after, and the error.
pub(crate) type Case = (&'static str, fn(&mut Site), &'static str);

/// The JSON document `bytes` after `change`.
pub(crate) fn edit(bytes: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut value);
    serde_json::to_vec(&value).unwrap()
}

/// A snapshot of version `version` that lists `targets.json` alone.
pub(crate) fn without_role(version: u64) -> Vec<u8> {
    let mut site = Site::new().advanced(version);
    let file = MetaFile::of(version, &site.publish().targets);
    site.snapshot.meta.insert("targets.json".to_owned(), file);
    sign(&site.snapshot, &[&key(SNAPSHOT)]).unwrap()
}

pub(crate) fn run(cases: &[Case]) {
    for (name, attack, expected) in cases {
        let mut site = Site::new();
        attack(&mut site);
        let error = site.publish().walk(None, NOW).err();
        assert_eq!(error.as_ref().map(chain).as_deref(), Some(*expected), "{name}");
    }
}

const BENT: &[Case] = &[
    (
        "an expired timestamp",
        |site| site.timestamp.common.expires = at(NOW),
        "reading timestamp.json: expired 2026-11-20T18:00:00Z, and it is 2026-11-20T18:00:00Z; \
         run `rolebuild refresh` on the build side, or set the clock",
    ),
    (
        "an expired role",
        |site| site.role.common.expires = at("2026-11-20T17:59:59Z"),
        "reading role-web.json: expired 2026-11-20T17:59:59Z, and it is 2026-11-20T18:00:00Z; \
         run `rolebuild refresh --all` on the build side, or set the clock",
    ),
    (
        "expired targets",
        |site| site.targets.common.expires = at("2026-11-20T17:59:59Z"),
        "reading targets.json: expired 2026-11-20T17:59:59Z, and it is 2026-11-20T18:00:00Z; \
         run `rolebuild refresh --all` on the build side, or set the clock",
    ),
    (
        "a snapshot of another version than listed",
        |site| {
            let file = MetaFile { version: 2, length: None, hashes: None, extra: serde_json::Map::new() };
            site.timestamp.meta.insert("snapshot.json".to_owned(), file);
        },
        "reading snapshot.json: version 1 where version 2 must come",
    ),
    (
        "targets of another version than listed",
        |site| {
            let file = MetaFile { version: 2, length: None, hashes: None, extra: serde_json::Map::new() };
            site.snapshot.meta.insert("targets.json".to_owned(), file);
        },
        "reading targets.json: version 1 where version 2 must come",
    ),
    (
        "a role's metadata of another length than listed",
        |site| {
            let file = MetaFile { version: 1, length: Some(1), hashes: None, extra: serde_json::Map::new() };
            site.snapshot.meta.insert("role-web.json".to_owned(), file);
            site.bend.extend([("role", (|_| b"{}".to_vec()) as Bend)]);
        },
        "reading role-web.json: 2 bytes, 1 are listed",
    ),
    (
        "a role's metadata with another hash than listed",
        |site| {
            let file = MetaFile::of(1, b"{}");
            site.snapshot.meta.insert("role-web.json".to_owned(), file);
            site.bend.extend([("role", (|_| b"[]".to_vec()) as Bend)]);
        },
        "reading role-web.json: its SHA-256 is \
         4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945, listed is \
         44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    ),
    (
        "the delegation of another role",
        |site| {
            let delegations = site.targets.delegations.as_mut().unwrap();
            delegations.roles[0] = Delegation::of(&"db".parse().unwrap(), RoleKeys::new([id(WEB)], 1));
        },
        "reading targets.json: no role web is published",
    ),
    (
        "a delegation of every path",
        |site| site.targets.delegations.as_mut().unwrap().roles[0].paths = vec!["*".to_owned()],
        "reading targets.json: the delegation `role-web` is not one role `role-<name>`, terminating, \
         with the one path `<name>@*`",
    ),
    (
        "a delegation of the paths of another role as well",
        |site| site.targets.delegations.as_mut().unwrap().roles[0].paths.push("db@*".to_owned()),
        "reading targets.json: the delegation `role-web` is not one role `role-<name>`, terminating, \
         with the one path `<name>@*`",
    ),
    (
        "a delegation that does not end the search",
        |site| site.targets.delegations.as_mut().unwrap().roles[0].terminating = false,
        "reading targets.json: the delegation `role-web` is not one role `role-<name>`, terminating, \
         with the one path `<name>@*`",
    ),
    (
        "a second delegation of the same role, to the attacker's key",
        |site| {
            let delegations = site.targets.delegations.as_mut().unwrap();
            delegations.keys.insert(id(66), public(66));
            delegations.roles.insert(0, Delegation::of(&web(), RoleKeys::new([id(66)], 1)));
        },
        "reading targets.json: the delegation `role-web` is not one role `role-<name>`, terminating, \
         with the one path `<name>@*`",
    ),
    (
        "a role's object listed above the role",
        |site| {
            let target = Target::new(1, Sha256::of(b"x"), None::<&()>);
            site.targets.targets.insert("web@2@manifest".to_owned(), target);
        },
        "reading targets.json: lists web@2@manifest, which belongs to a delegated role",
    ),
    (
        "a snapshot that leaves the role out",
        |site| site.bend.extend([("snapshot", (|_| without_role(1)) as Bend)]),
        "reading snapshot.json: does not list role-web.json",
    ),
];

#[test]
fn files_that_do_not_fit_together_are_refused() {
    run(BENT);
}

#[test]
fn a_role_has_no_say_about_the_objects_of_another() {
    let mut site = Site::new();
    let target = || Target::new(1, Sha256::of(b"x"), None::<&()>);
    for name in ["db@1@manifest", "web2@1@manifest", "web@1/2@manifest", "web", "@"] {
        site.role.targets.insert(name.to_owned(), target());
    }
    let (_, role) = site.publish().walk(None, NOW).unwrap();
    let names: Vec<&str> = role.targets().map(|(name, _)| name).collect();
    assert_eq!(names, ["web@D12-1.0.0@manifest"]);
    assert_eq!(role.target("db@1@manifest"), None);
}
