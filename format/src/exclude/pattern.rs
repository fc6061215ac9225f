//! One pattern: which part of a path it is held against, and how.
//!
//! After rsync's `exclude.c` (`rule_matches`, `add_rule`); the cases are held against the real
//! rsync by `tests/rsync.rs`:
//! - `name` without slash and without `**` matches the last component alone;
//! - `/x` is anchored: it matches the whole path;
//! - `a/b` with a slash inside, without `**`, matches the last components, as many as it has;
//! - with `**` inside or at the end it may begin after any slash; a leading `**` also matches nothing;
//! - a trailing `/` matches folders only; a trailing `***` also the folder itself.

use std::borrow::Cow;

use super::glob::{Glob, GlobError};

/// What of a path the glob is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Name,
    Whole,
    /// This many components from the end.
    Last(usize),
    /// Every rest that begins at the start or after a slash.
    AnyRest,
}

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    folders_only: bool,
    scope: Scope,
    /// It begins with `**`, so the path is taken with a slash before it.
    rooted: bool,
    /// It ends with `***`, so a folder is taken with a slash after it.
    with_folder: bool,
    glob: Glob,
}

impl Pattern {
    /// Parses what follows the sign: not empty, not `/` alone.
    pub(super) fn parse(text: &str) -> Result<Self, GlobError> {
        let folders_only = text.ends_with('/');
        let text = text.strip_suffix('/').unwrap_or(text);
        let anchored = text.starts_with('/');
        let slashes = text.matches('/').count();
        let deep = text.contains("**");
        let rooted = text.starts_with("**");
        let scope = match (slashes, anchored, deep) {
            (0, _, false) => Scope::Name,
            (_, true, _) => Scope::Whole,
            (_, false, false) => Scope::Last(slashes + 1),
            (_, false, true) => {
                if rooted {
                    Scope::Whole
                } else {
                    Scope::AnyRest
                }
            }
        };
        let glob = Glob::parse(text.strip_prefix('/').unwrap_or(text))?;
        Ok(Self { folders_only, scope, rooted, with_folder: text.ends_with("***"), glob })
    }

    pub(super) fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        let path = match self.scope {
            Scope::Name => path.rsplit(|b| *b == b'/').next().unwrap_or(path),
            Scope::Whole | Scope::Last(_) | Scope::AnyRest => path,
        };
        let path = self.dressed(path, is_folder);
        match self.scope {
            Scope::Name | Scope::Whole => self.glob.matches(&path),
            Scope::Last(n) => last(&path, n).is_some_and(|rest| self.glob.matches(rest)),
            Scope::AnyRest => rests(&path).any(|rest| self.glob.matches(rest)),
        }
    }

    fn dressed<'a>(&self, path: &'a [u8], is_folder: bool) -> Cow<'a, [u8]> {
        let after = self.with_folder && is_folder;
        if !self.rooted && !after {
            return Cow::Borrowed(path);
        }
        let (before, after) = (if self.rooted { "/" } else { "" }, if after { "/" } else { "" });
        Cow::Owned([before.as_bytes(), path, after.as_bytes()].concat())
    }
}

/// The last `n` components; `None` if there are fewer.
fn last(path: &[u8], n: usize) -> Option<&[u8]> {
    let mut ends = path.iter().enumerate().rev().filter(|(_, b)| **b == b'/');
    match ends.nth(n - 1) {
        Some((slash, _)) => Some(&path[slash + 1..]),
        None if path.iter().filter(|b| **b == b'/').count() + 1 == n => Some(path),
        None => None,
    }
}

/// The path, and what follows each of its slashes.
fn rests(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/');
    std::iter::once(path).chain(slashes.map(|(at, _)| &path[at + 1..]))
}
