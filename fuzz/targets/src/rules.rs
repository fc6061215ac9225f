//! Exclude lists, transitions, paths and names.

use std::cmp::Ordering;

use edeploy_format::exclude::Rules;
use edeploy_format::name::{Architecture, Role, Version};
use edeploy_format::path::{TreePath, escape, unescape, walking_order};
use edeploy_format::transition::{Match, Transition};

use crate::input::Input;

/// Lists are held against no longer paths here.
const PATH: usize = 400;

/// A list judges a path alone as it judges it after the folders it lies in.
pub(crate) fn exclude(data: &[u8]) {
    let mut input = Input(data);
    let Ok(path) = std::str::from_utf8(input.until(b'\n')) else { return };
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    let lists = [Rules::exclude(text), Rules::add_only(text)];
    assert_eq!(lists[0].is_ok(), lists[1].is_ok(), "both take the same lines");
    let Ok(path) = TreePath::new(path) else { return };
    if path.as_str().len() > PATH {
        return;
    }
    for rules in lists.into_iter().flatten() {
        let mut judge = rules.in_order();
        for (end, _) in path.as_str().match_indices('/') {
            let folder = TreePath::new(&path.as_str()[..end]).expect("a folder of a path");
            let covered = judge.covers(folder.as_bytes(), true);
            assert_eq!(covered, rules.covers(&folder, true), "{folder}");
        }
        for is_folder in [false, true] {
            let covered = judge.clone().covers(path.as_bytes(), is_folder);
            assert_eq!(covered, rules.covers(&path, is_folder), "{path}");
        }
    }
}

/// Paths, escaped texts and names print as they were read; paths have one order.
pub(crate) fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(unescape(&escape(text)).as_deref(), Ok(text), "what is escaped is unescaped");
    if let Ok(plain) = unescape(text) {
        assert_eq!(escape(&plain), text, "an escaped text has one form");
    }
    if let Ok(role) = text.parse::<Role>() {
        assert_eq!(role.as_str(), text);
        assert!(TreePath::new(text).is_ok(), "a role is a name of a folder");
    }
    if let Ok(version) = text.parse::<Version>() {
        assert_eq!(version.as_str(), text);
        assert!(TreePath::new(text).is_ok(), "a version is a name of a folder");
    }
    if let Ok(architecture) = text.parse::<Architecture>() {
        assert_eq!(architecture.as_str(), text);
    }
    let paths: Vec<TreePath> = text.split('\n').take(3).filter_map(|line| TreePath::new(line).ok()).collect();
    for path in &paths {
        assert!(path.as_str().split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255));
        if let Some(parent) = path.parent() {
            assert_eq!(parent.join(path.name()).as_ref(), Ok(path));
            assert!(path.is_below(parent.as_str()));
            assert_eq!(parent.cmp(path), Ordering::Less, "a folder comes before its members");
        }
    }
    order(&paths);
}

fn order(paths: &[TreePath]) {
    for one in paths {
        for other in paths {
            let order = walking_order(one.as_bytes(), other.as_bytes());
            assert_eq!(order, walking_order(other.as_bytes(), one.as_bytes()).reverse());
            assert_eq!(order == Ordering::Equal, one == other);
        }
    }
    if let [a, b, c] = paths {
        assert!(!(a <= b && b <= c) || a <= c, "{a} {b} {c}");
    }
}

/// A transition survives its JSON, and always says the same.
pub(crate) fn transition(data: &[u8]) {
    let role: Role = "web".parse().expect("a role");
    let version: Version = "1.0".parse().expect("a version");
    let Ok(transition) = Transition::parse(data, &role, &version) else { return };
    let text = serde_json::to_vec(&transition).expect("plain keys");
    let again = Transition::parse(&text, &role, &version).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).expect("plain keys"), text);
    for from in ["0.9", "any-1", "1.0"] {
        let from: Version = from.parse().expect("a version");
        if let Some(rule) = transition.rule(&from) {
            assert!(matches!(&rule.from, Match::Any) || rule.from == Match::Exact(from.clone()));
            assert!(matches!(&rule.to, Match::Any) || rule.to == Match::Exact(version.clone()));
            assert!(transition.rules.contains(rule));
        }
    }
}
