//! Paths inside a tree: relative, UTF-8, free of surprises, in walking order.

use std::cmp::Ordering;
use std::fmt;

/// A path below the root of a tree: `usr/bin/env`, without leading slash, never empty.
///
/// No component is empty, `.`, `..`, longer than 255 bytes or holds NUL; the whole is at most 4095
/// bytes. Ordered by components, so that a folder's members follow it at once: the order in which
/// a walk with sorted folders meets them, and the order of manifests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TreePath(String);

/// Why a text is no tree path.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// The path, or a component, is empty, or begins or ends with a slash.
    #[error("path {0:?} is empty, or has an empty component")]
    Empty(String),
    /// A component is `.` or `..`.
    #[error("path {0:?} has a component `.` or `..`")]
    Dots(String),
    /// NUL within.
    #[error("path {0:?} holds a NUL byte")]
    Nul(String),
    /// Over 255 bytes in a component, or over 4095 in all.
    #[error("path {0:?} is longer than a file system takes")]
    TooLong(String),
    /// An escape that is not `\xHH` of a byte that must be escaped, or an unescaped such byte.
    #[error("path {0:?} is not escaped as manifests escape")]
    Escape(String),
}

impl TreePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`BadPath`] names the rule that is broken.
    pub fn new(text: impl Into<String>) -> Result<Self, BadPath> {
        let text = text.into();
        let sound = |c: &str| (1..=255).contains(&c.len()) && c != "." && c != "..";
        if text.len() <= 4095 && text.split('/').all(sound) && !text.contains('\0') {
            return Ok(Self(text));
        }
        Err(Self::fault(text))
    }

    /// Which rule a text breaks that is no path.
    fn fault(text: String) -> BadPath {
        if text.len() > 4095 || text.split('/').any(|c| c.len() > 255) {
            return BadPath::TooLong(text.chars().take(64).collect());
        }
        if text.split('/').any(str::is_empty) {
            return BadPath::Empty(text);
        }
        if text.split('/').any(|c| c == "." || c == "..") {
            return BadPath::Dots(text);
        }
        BadPath::Nul(text)
    }

    /// The path as text, without leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as bytes, for system calls and comparison with names on a disk.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The folder it lies in; `None` for a path right below the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The last component.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// Whether it lies anywhere below `folder`.
    #[must_use]
    pub fn is_below(&self, folder: &str) -> bool {
        self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// `name` inside this folder.
    ///
    /// # Errors
    /// [`BadPath`] when the result is no path.
    pub fn join(&self, name: &str) -> Result<Self, BadPath> {
        Self::new(format!("{}/{name}", self.0))
    }
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        walking_order(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order of [`TreePath`], for names on a disk that need not be UTF-8: compares by bytes, with
/// the slash before every other byte.
#[must_use]
pub fn walking_order(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |b: &u8| if *b == b'/' { 0 } else { *b };
    a.iter().map(rank).cmp(b.iter().map(rank))
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn must_be_escaped(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'\\'
}

/// `text` with control characters, space and backslash as `\xHH`: free of separators.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) if must_be_escaped(byte) => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(c),
        }
    }
    out
}

/// The text that [`escape`] made into `text`.
///
/// # Errors
/// [`BadPath::Escape`] unless `text` is exactly what `escape` writes: one text, one form.
pub fn unescape(text: &str) -> Result<String, BadPath> {
    if !text.bytes().any(|byte| byte == b'\\' || must_be_escaped(byte)) {
        return Ok(text.to_owned());
    }
    let bad = || BadPath::Escape(text.chars().take(64).collect());
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let hex = rest[at..].strip_prefix("\\x").and_then(|h| h.get(..2)).ok_or_else(bad)?;
        let [byte] = crate::digest::unhex(hex).ok_or_else(bad)?[..] else { return Err(bad()) };
        if !must_be_escaped(byte) {
            return Err(bad());
        }
        out.push(char::from(byte));
        rest = &rest[at + 4..];
    }
    out.push_str(rest);
    if escape(&out) == text { Ok(out) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_right_before_its_members() {
        let mut paths: Vec<_> =
            ["a-b", "a/x", "a", "a.c/d", "a.c", "b"].map(|p| TreePath::new(p).unwrap()).into();
        paths.sort();
        let texts: Vec<_> = paths.iter().map(TreePath::as_str).collect();
        assert_eq!(texts, ["a", "a/x", "a-b", "a.c", "a.c/d", "b"]);
    }

    #[test]
    fn paths_that_could_leave_the_tree_are_refused() {
        for bad in ["", "/etc", "etc/", "a//b", ".", "a/../b", "..", "a/.", "a\0b"] {
            assert!(TreePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(TreePath::new("a".repeat(256)).is_err());
        assert!(TreePath::new("a/".repeat(2048) + "a").is_err());
        assert!(TreePath::new("..a/b..").is_ok());
    }

    #[test]
    fn escaping_has_one_form() {
        for text in ["plain", "with space", "tab\tnew\nline", "back\\slash", "ünïcode", "\\x20"] {
            assert_eq!(unescape(&escape(text)).as_deref(), Ok(text));
        }
        assert_eq!(escape("a b"), "a\\x20b");
        for bad in ["a b", "a\\x41", "a\\", "a\\x2", "a\\xZZ", "\\x5C", "a\\x\u{e9}"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn below_means_inside_not_beginning_with() {
        assert!(TreePath::new("usr/bin").unwrap().is_below("usr"));
        assert!(!TreePath::new("usr-local").unwrap().is_below("usr"));
        assert!(!TreePath::new("usr").unwrap().is_below("usr"));
    }
}
