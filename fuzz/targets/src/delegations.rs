//! Delegations of every form that the specification has, as a client of any repository searches them.
//!
//! Root, timestamp and snapshot are sound and ours. The bytes are the path that is searched for, a newline, and a JSON
//! list of the `delegations` of targets files: the first is `targets.json`, a delegated role that is asked for has the
//! next, and so on, from the second again after the last. The last alone lists the path.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use edeploy_format::tuf::workflow::{self, Source};
use edeploy_format::tuf::{
    Common, DELEGATIONS_LIMIT, Delegation, Delegations, Expiry, Fault, General, Key, KeyId, MetaFile,
    RoleKeys, Root, RootRoles, Rules, Sha256, Signed, Snapshot, Target, Targets, Time, Timestamp,
    TrustedRoot, TufError, sign,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::tuf::key;

static GENERAL: General = General { signer: |key, message, signature| key.signed(message, signature) };

/// A search ends, within its bound, asks for no file twice, and for none that another document has.
pub(crate) fn delegations(data: &[u8]) {
    let _ = finds(data);
}

/// Whether the path is found; `None` where nothing could be searched.
fn finds(data: &[u8]) -> Option<bool> {
    let text = std::str::from_utf8(data).ok()?;
    let (path, list) = text.split_once('\n')?;
    let list: Vec<Delegations> = serde_json::from_str(list).ok()?;
    let site = Site::of(path, &list)?;
    let anchor = TrustedRoot::anchor_under(&GENERAL, &site.files["root.json"]).expect("ours");
    let top = workflow::refresh(&site, anchor, Expiry::Ignored).ok()?;
    site.searching.set(true);
    let found = workflow::target(&site, &top, path);
    let asked = site.asked.borrow();
    assert!(asked.len() <= DELEGATIONS_LIMIT, "{} roles were searched", asked.len());
    if let Ok(Some(target)) = &found {
        assert_eq!(target.length, list.len() as u64, "only the last lists it");
        assert!(asked.len() + 1 >= list.len(), "it was found before it was asked for");
    }
    Some(found.is_ok_and(|found| found.is_some()))
}

/// Why a file cannot be had.
#[derive(Debug)]
enum Unfound {
    Missing,
    Wrong,
}

impl From<TufError> for Unfound {
    fn from(error: TufError) -> Self {
        assert!(!error.to_string().is_empty());
        Self::Wrong
    }
}

/// Signed whatever our own rules say of it.
#[derive(Serialize, Deserialize)]
struct Loose<T>(T);

impl<T: Signed> Signed for Loose<T> {
    const TYPE: &'static str = T::TYPE;
    const LIMIT: u64 = T::LIMIT;
    const RENEWED_BY: &'static str = T::RENEWED_BY;

    fn common(&self) -> &Common {
        self.0.common()
    }

    fn check(&self, _: &dyn Rules) -> Result<(), Fault> {
        Ok(())
    }
}

struct Site {
    /// The documents of the top level, by name.
    files: BTreeMap<&'static str, Vec<u8>>,
    /// What delegated roles have, in the order of being asked for.
    delegated: Vec<Vec<u8>>,
    /// Whether the documents of the top level are had.
    searching: Cell<bool>,
    /// The files of delegated roles that were asked for.
    asked: RefCell<Vec<String>>,
}

impl Site {
    /// `None` where what was read cannot be written.
    fn of(path: &str, list: &[Delegations]) -> Option<Self> {
        let mut signed: Vec<Vec<u8>> = Vec::new();
        for (n, delegations) in list.iter().enumerate() {
            let mut targets = Targets::empty(common::<Targets>());
            targets.delegations = Some(delegations.clone());
            if n + 1 == list.len() {
                let target = Target::new(list.len() as u64, Sha256::of(b""), None::<&()>);
                targets.targets.insert(path.to_owned(), target);
            }
            signed.push(sign(&Loose(targets), &[&key()]).ok()?);
        }
        let top = signed.first()?.clone();
        let delegated = if signed.len() == 1 { signed } else { signed.split_off(1) };
        let names = list.iter().flat_map(names).chain(["targets".to_owned()]);
        let meta = names.map(|name| (format!("{name}.json"), listed())).collect();
        let snapshot = Snapshot { common: common::<Snapshot>(), meta, extra: Map::new() };
        let meta = [("snapshot.json".to_owned(), listed())].into();
        let timestamp = Timestamp { common: common::<Timestamp>(), meta, issued: None, extra: Map::new() };
        let (keys, roles) =
            (keys(), RootRoles { root: one(), snapshot: one(), targets: one(), timestamp: one() });
        let root =
            Root { common: common::<Root>(), consistent_snapshot: false, keys, roles, extra: Map::new() };
        let files = [
            ("root.json", sign(&Loose(root), &[&key()]).expect("ours")),
            ("timestamp.json", sign(&timestamp, &[&key()]).expect("ours")),
            ("snapshot.json", sign(&snapshot, &[&key()]).ok()?),
            ("targets.json", top),
        ];
        Some(Self { files: files.into(), delegated, searching: Cell::default(), asked: RefCell::default() })
    }
}

impl Source for Site {
    type Error = Unfound;

    fn fetch(&self, file: &str, _limit: u64) -> Result<Vec<u8>, Unfound> {
        if !self.searching.get() {
            return self.files.get(file).cloned().ok_or(Unfound::Missing);
        }
        let mut asked = self.asked.borrow_mut();
        assert!(!self.files.contains_key(file), "{file} of a delegated role");
        assert!(
            !file.contains(['/', '\\', '\0', '?', '#']) && file.is_ascii(),
            "{file:?} is not one segment"
        );
        assert!(!asked.iter().any(|before| before == file), "{file} a second time");
        let bytes = &self.delegated[asked.len() % self.delegated.len()];
        asked.push(file.to_owned());
        Ok(bytes.clone())
    }

    fn if_there(&self, file: &str, _limit: u64) -> Result<Option<Vec<u8>>, Unfound> {
        assert_eq!(file, "2.root.json");
        Ok(None)
    }

    fn kept(&self, _name: &str) -> Result<Vec<Vec<u8>>, Unfound> {
        Ok(Vec::new())
    }

    fn keep(&self, name: &str, _bytes: &[u8]) -> Result<(), Unfound> {
        let asked = self.asked.borrow();
        let last = asked.last().and_then(|last| last.strip_suffix(".json"));
        assert!(!self.searching.get() || last == Some(name), "{name} is kept, {last:?} was asked for");
        Ok(())
    }
}

/// The names of the roles that are delegated to; of hash bins up to 256.
fn names(delegations: &Delegations) -> Vec<String> {
    let mut names: Vec<String> = delegations.roles.iter().map(|role| role.name.clone()).collect();
    let bins = delegations.extra.get("succinct_roles");
    let field = |name| bins.and_then(|bins| bins.get(name));
    let (prefix, bits) = (field("name_prefix").and_then(Value::as_str), field("bit_length"));
    if let (Some(prefix), Some(bits @ 1..=8)) = (prefix, bits.and_then(Value::as_u64)) {
        let digits = bits.div_ceil(4) as usize;
        names.extend((0..1 << bits).map(|bin| format!("{prefix}-{bin:0digits$x}")));
    }
    names
}

fn common<T: Signed>() -> Common {
    Common::new::<T>(1, "2027-11-20T18:00:00Z".parse::<Time>().expect("a time"))
}

/// Of version 1; of no length or hash.
fn listed() -> MetaFile {
    serde_json::from_value(json!({"version": 1})).expect("a version is enough")
}

fn id() -> KeyId {
    Key::from(&key().verifying_key()).id().expect("plain fields")
}

fn keys() -> BTreeMap<KeyId, Key> {
    [(id(), Key::from(&key().verifying_key()))].into()
}

fn one() -> RoleKeys {
    RoleKeys::new([id()], 1)
}

/// One of each form, all of them signed by the key of the target: by patterns, by prefixes of hashes, in bins, in a ring.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let role = |name: &str, paths: &[&str], terminating| Delegation {
        name: name.to_owned(),
        keys: one(),
        terminating,
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    };
    let to = |roles| Delegations { keys: keys(), roles, extra: Map::new() };
    let nowhere = || to(Vec::new());
    let mut hashed = role("half", &[], false);
    let prefixes: Vec<String> = (0..16).map(|n| format!("{n:x}")).collect();
    hashed.keys.extra.insert("path_hash_prefixes".to_owned(), json!(prefixes));
    let mut bins = nowhere();
    let succinct = json!({"keyids": [id()], "threshold": 1, "bit_length": 4, "name_prefix": "bin"});
    bins.extra.insert("succinct_roles".to_owned(), succinct);
    let list = |path: &str, list: &[Delegations]| {
        format!("{path}\n{}", serde_json::to_string(list).expect("plain fields")).into_bytes()
    };
    vec![
        list("a/b.py", &[to(vec![role("x", &["c/*"], true), role("y", &["a/[a-c]?*"], false)]), nowhere()]),
        list("a", &[to(vec![hashed]), bins.clone(), nowhere()]),
        list("a", &[bins, nowhere()]),
        list("a", &[to(vec![role("../x", &["*"], false), role("\u{e4}%2f", &["?"], true)]), nowhere()]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_every_form_of_delegation_the_path_is_found() {
        for seed in seeds() {
            assert_eq!(finds(&seed), Some(true), "{}", String::from_utf8_lossy(&seed));
        }
        assert_eq!(
            finds(b"a\n[{\"keys\":{},\"roles\":[]},{\"keys\":{}}]"),
            Some(false),
            "nobody is delegated to"
        );
    }
}
