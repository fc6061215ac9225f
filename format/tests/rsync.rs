//! The exclude language against the program that defines it: every pattern below is given to the
//! real rsync in a dry run, and to our rules; both must leave out the same paths of the same tree.

#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use edeploy_format::exclude::Rules;
use edeploy_format::path::TreePath;

const FOLDERS: &[&str] =
    &["a", "a/a", "a/a/b", "a/b", "a/b/a", "b", "ab", "foo", "foo/bar", "foo/bar/foo", "-x"];
const FILES: &[&str] = &[
    "f",
    "a/f",
    "a/a/b/f",
    "a/b/f",
    "a/b/a/f",
    "b/f",
    "ab/f",
    "ab/b",
    "foo/f",
    "foo/bar/a",
    "foo/bar/foo/bar",
    "foo.c",
    "a/foo.c",
    "foo/bar/foo.c",
    "x y",
    "#a",
    "a/;b",
    "a*b",
    "a/a?b",
    "[a]",
    "a\\b",
    "a/a\\b",
    "]",
    "-x/]",
    "a-c",
    "b-c",
    "é",
    "a/é",
    "!f",
    "+ a",
    "foo/bar/ab",
    "b/]a",
    "z",
    "a/aab",
];

const PATTERNS: &[&str] = &[
    // Anchored, unanchored, with a slash inside, for folders only.
    "/a",
    "a",
    "/a/",
    "a/",
    "a/b",
    "/a/b",
    "b/a",
    "a/b/",
    "f",
    "/f",
    "f/",
    "foo/bar",
    "bar/foo",
    "a/b/a/f",
    // Single wildcards.
    "*",
    "/*",
    "*/",
    "*.c",
    "/*.c",
    "a*",
    "*a*",
    "*b*b",
    "/*/*",
    "*/*",
    "a/*",
    "*/f",
    "/*/f",
    "a*/f",
    "?",
    "??",
    "a?b",
    "/?/?",
    "a/?",
    "é",
    "?\u{a9}",
    "[a-c]",
    "[!a]*",
    "[^a]",
    "[]]",
    "[]a]*",
    "[a-]*",
    "a[-b]*",
    "[z-a]",
    "[!a/]?",
    "foo[/]bar",
    "[\\]]",
    "[a\\-c]-c",
    "[a-\\c]-c",
    // Double and triple stars.
    "**",
    "/**",
    "**f",
    "**/f",
    "/**/f",
    "a**f",
    "/a**f",
    "a/**",
    "/a/**",
    "a/**/f",
    "**/a",
    "**/a/**",
    "foo**c",
    "foo/**/foo*",
    "**/bar/*",
    "**b/f",
    "a/***",
    "/a/***",
    "foo/bar/***",
    "a***",
    "***",
    "**/",
    "a**/",
    "/a/**/",
    "**/b/***",
    "*/**/f",
    "b/**",
    "*a**b",
    // Backslashes, which escape only next to a wildcard.
    "a\\*b",
    "a\\b",
    "a\\\\b",
    "a\\\\*",
    "a\\?b",
    "\\[a]",
    "\\[a\\]*",
    "a/a\\?b",
    "\\f",
    "\\f*",
    "[\\a]\\*b",
    // Signs, order, comments, spaces.
    "+ a\n- *",
    "+ a/\n+ a/b/\n- *",
    "+ a/\n+ a/**\n- *",
    "+ */\n+ *.c\n- *",
    "- a/b\n+ a/**\n- *",
    "+ /a\n/a/f\n",
    "# a\n; b\n#a\n",
    "- #a",
    "a/;b",
    "x y",
    "x y ",
    " f",
    "- - f",
    "-x",
    "- -x",
    "+ + a\n- + a",
    "- + a",
    "!f",
    "a\rb",
    "\n\nf\r\n\r\nb/\n",
    "+ foo/\n+ foo/bar/\n- foo/bar/*\n- f",
    "+ /foo/bar/foo/**\n- /foo/bar/*",
    "+ **/foo/\n+ **.c\n- **",
    "/a/b/\n+ /a/b/f",
    "+ [ab]\n- ?",
];

/// What rsync would copy.
fn by_rsync(tree: &Path, rules: &Path) -> BTreeSet<String> {
    let mut rsync = Command::new("rsync");
    rsync.args(["-r", "--dry-run", "--8-bit-output", "--out-format=%n", "--no-motd"]);
    rsync.arg(format!("--exclude-from={}", rules.display()));
    rsync.arg(format!("{}/", tree.display())).arg(format!("{}-not-there/", tree.display()));
    let output = rsync.output().unwrap_or_else(|e| panic!("rsync ({e}): apt-get install rsync"));
    assert!(output.status.success(), "{rsync:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().map(|line| line.trim_end_matches('/').replace("\\#134", "\\"));
    names.filter(|name| name != "." && !name.starts_with("created ")).collect()
}

/// What our rules leave.
fn by_us(rules: &Rules) -> BTreeSet<String> {
    let paths = FOLDERS.iter().map(|p| (p, true)).chain(FILES.iter().map(|p| (p, false)));
    let left = paths.filter(|(p, folder)| !rules.covers(&TreePath::new(**p).unwrap(), *folder));
    left.map(|(p, _)| (*p).to_owned()).collect()
}

fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().unwrap();
    for folder in FOLDERS {
        std::fs::create_dir_all(tree.path().join(folder)).unwrap();
    }
    for file in FILES {
        std::fs::write(tree.path().join(file), "x").unwrap();
    }
    tree
}

fn compare(patterns: impl IntoIterator<Item = String>) {
    let tree = tree();
    let file = tempfile::NamedTempFile::new().unwrap();
    for pattern in patterns {
        std::fs::write(file.path(), &pattern).unwrap();
        let rules = Rules::exclude(&pattern).unwrap_or_else(|e| panic!("{pattern:?}: {e}"));
        assert_eq!(by_us(&rules), by_rsync(tree.path(), file.path()), "left by {pattern:?}: ours, rsync's");
    }
}

#[test]
fn without_a_rule_that_matches_rsync_takes_all() {
    let (tree, rules) = (tree(), tempfile::NamedTempFile::new().unwrap());
    assert_eq!(by_rsync(tree.path(), rules.path()).len(), FOLDERS.len() + FILES.len());
}

#[test]
fn every_pattern_leaves_out_what_rsync_leaves_out() {
    compare(PATTERNS.iter().map(|p| (*p).to_owned()));
}

/// Patterns put together from pieces by a fixed sequence, so that a failure comes again.
#[test]
fn patterns_nobody_thought_of_leave_out_what_rsync_leaves_out() {
    const PIECES: &[&str] =
        &["a", "b", "f", "foo", "*", "**", "***", "?", "/", "/", "/", "[ab]", "[!a]", "\\", ".c"];
    let mut state = 1_u64;
    let mut next = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % n
    };
    let mut made = Vec::new();
    while made.len() < 120 {
        let length = 1 + next(6);
        let text: String = (0..length).map(|_| PIECES[next(PIECES.len())]).collect();
        if Rules::exclude(&text).is_ok() && !text.contains("//") {
            made.push(text);
        }
    }
    compare(made);
}
