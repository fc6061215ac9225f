//! What differs between two manifests, and how: the lines of their heads, and their paths in a merge of two sorted
//! streams.
//!
//! Contents are compared by size and digest; nothing but the manifests is read.

use std::io::BufRead;

use edeploy_format::exit::Exit;
use edeploy_format::manifest::{Head, Kind, ManifestError, Reader, Record};
use edeploy_format::path::TreePath;
use serde::Serialize;

use crate::failure::Fault;

/// In what a path differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// Only the second manifest has it.
    Added,
    /// Only the first manifest has it.
    Removed,
    /// It is another kind of thing.
    Kind,
    /// Its bytes differ.
    Content,
    /// Its permission bits differ.
    Mode,
    /// Its user or group differs.
    Owner,
    /// Its time of modification differs.
    Mtime,
    /// Its extended attributes differ.
    Xattrs,
    /// The symbolic link points elsewhere.
    Target,
    /// It shares its inode with other names than before.
    Links,
}

impl Aspect {
    fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Mtime => "mtime",
            Self::Xattrs => "xattrs",
            Self::Target => "target",
            Self::Links => "links",
        }
    }
}

/// One path that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The path.
    pub path: TreePath,
    /// In what it differs, in the order of [`Aspect`]; never empty.
    pub aspects: Vec<Aspect>,
}

impl std::fmt::Display for Difference {
    /// The aspects joined by commas, then the path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.aspects.iter().map(|a| a.word()).collect();
        write!(f, "{} {}", words.join(","), self.path)
    }
}

/// A line of the head that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeadDifference {
    /// The key of the line.
    pub key: String,
    /// Its values in the first manifest: several for `persistent` alone.
    pub first: Vec<String>,
    /// Its values in the second manifest.
    pub second: Vec<String>,
}

impl std::fmt::Display for HeadDifference {
    /// The key, and both values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} -> {}", self.key, self.first.join(" "), self.second.join(" "))
    }
}

/// The lines in which two heads differ, in the order of heads.
#[must_use]
pub fn heads(first: &Head, second: &Head) -> Vec<HeadDifference> {
    let (first, second) = (first.to_string(), second.to_string());
    let key = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let mut keys: Vec<String> = first.lines().chain(second.lines()).map(key).collect();
    let mut seen = std::collections::HashSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    let values = |head: &str, key: &str| {
        let value = |line: &str| line.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned);
        head.lines().filter_map(value).collect::<Vec<_>>()
    };
    let difference = |key: String| {
        let (first, second) = (values(&first, &key), values(&second, &key));
        (first != second).then_some(HeadDifference { key, first, second })
    };
    keys.into_iter().filter_map(difference).collect()
}

/// Which of the two manifests could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The first.
    #[error("the first manifest")]
    First(#[source] ManifestError),
    /// The second.
    #[error("the second manifest")]
    Second(#[source] ManifestError),
}

impl Fault for DiffError {
    fn exit(&self) -> Exit {
        Exit::Input
    }
}

/// Compares two manifests and hands each difference to `found`, in walking order.
///
/// # Errors
/// [`DiffError`] when either is no manifest; differences before that place were handed over.
pub fn compare<A: BufRead, B: BufRead>(
    first: &mut Reader<A>,
    second: &mut Reader<B>,
    mut found: impl FnMut(Difference),
) -> Result<(), DiffError> {
    let (mut a, mut b) = (step(first, DiffError::First)?, step(second, DiffError::Second)?);
    loop {
        let order = match (&a, &b) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let (old, new) = (a.take_if(|_| order.is_le()), b.take_if(|_| order.is_ge()));
        if let Some(difference) = difference(old.as_ref(), new.as_ref()) {
            found(difference);
        }
        if order.is_le() {
            a = step(first, DiffError::First)?;
        }
        if order.is_ge() {
            b = step(second, DiffError::Second)?;
        }
    }
}

fn step<R: BufRead>(
    from: &mut Reader<R>,
    which: fn(ManifestError) -> DiffError,
) -> Result<Option<Record>, DiffError> {
    from.next_record().map_err(which)
}

/// In what two records of one path differ; one of them may be missing.
fn difference(old: Option<&Record>, new: Option<&Record>) -> Option<Difference> {
    let of = |record: &Record, aspects| Some(Difference { path: record.path.clone(), aspects });
    match (old, new) {
        (None, None) => None,
        (Some(old), None) => of(old, vec![Aspect::Removed]),
        (None, Some(new)) => of(new, vec![Aspect::Added]),
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => of(new, aspects(old, new)),
    }
}

fn aspects(old: &Record, new: &Record) -> Vec<Aspect> {
    let mut aspects = kind_aspects(&old.kind, &new.kind);
    let mut note = |differs: bool, aspect| {
        if differs {
            aspects.push(aspect);
        }
    };
    note(old.mode != new.mode, Aspect::Mode);
    note(old.owner != new.owner, Aspect::Owner);
    note(old.mtime != new.mtime, Aspect::Mtime);
    note(old.xattrs != new.xattrs, Aspect::Xattrs);
    aspects
}

fn kind_aspects(old: &Kind, new: &Kind) -> Vec<Aspect> {
    match (old, new) {
        (Kind::Folder, Kind::Folder) => vec![],
        (Kind::Symlink { target: a }, Kind::Symlink { target: b }) => differing(a != b, Aspect::Target),
        (Kind::File { size: a, digest: x }, Kind::File { size: b, digest: y }) => {
            differing((a, x) != (b, y), Aspect::Content)
        }
        (
            Kind::HardLink { size: a, digest: x, first: p },
            Kind::HardLink { size: b, digest: y, first: q },
        ) => {
            let mut aspects = differing((a, x) != (b, y), Aspect::Content);
            aspects.extend(differing(p != q, Aspect::Links));
            aspects
        }
        (Kind::File { size: a, digest: x }, Kind::HardLink { size: b, digest: y, .. })
        | (Kind::HardLink { size: a, digest: x, .. }, Kind::File { size: b, digest: y }) => {
            let mut aspects = differing((a, x) != (b, y), Aspect::Content);
            aspects.push(Aspect::Links);
            aspects
        }
        (Kind::Folder | Kind::Symlink { .. } | Kind::File { .. } | Kind::HardLink { .. }, _) => {
            vec![Aspect::Kind]
        }
    }
}

fn differing(differs: bool, aspect: Aspect) -> Vec<Aspect> {
    if differs { vec![aspect] } else { vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D1: &str = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
    const D2: &str = "0000b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";

    fn manifest(records: &[&str]) -> Vec<u8> {
        let head = "edeploy-manifest 1\nrole web\nversion 1\nserial 1\narchitecture amd64\nbuilt 1\nkernel k\n\
                    initrd i\nloader l\noptions =\nslot-size 1\nostree -\nupdater 0.1.0\n";
        let lines: String = records.iter().map(|r| format!("{r}\n")).collect();
        format!("{head}entries {}\nbytes 0\n\n{lines}", records.len()).into_bytes()
    }

    fn diff(a: &[&str], b: &[&str]) -> Vec<String> {
        let (a, b) = (manifest(a), manifest(b));
        let mut found = Vec::new();
        let mut readers = (Reader::new(&a[..]).unwrap(), Reader::new(&b[..]).unwrap());
        compare(&mut readers.0, &mut readers.1, |d| found.push(d.to_string())).unwrap();
        found
    }

    #[test]
    fn each_aspect_is_named() {
        let file = |path: &str, rest: &str| format!("{path} f {rest} -");
        let a = [
            file("a", &format!("0644 0 0 5 - 3 {D1}")),
            file("b", &format!("0644 0 0 5 - 3 {D1}")),
            "c l 0777 0 0 5 - - - x".to_owned(),
            "d d 0755 0 0 5 - - - -".to_owned(),
            "gone d 0755 0 0 5 - - - -".to_owned(),
        ];
        let b = [
            file("a", &format!("0600 0 7 6 user.x=00 3 {D2}")),
            file("b", &format!("0644 0 0 5 - 3 {D1}")),
            "c l 0777 0 0 5 - - - y".to_owned(),
            "d l 0755 0 0 5 - - - x".to_owned(),
            "new d 0755 0 0 5 - - - -".to_owned(),
        ];
        let text =
            |records: &[String; 5]| diff(&records.each_ref().map(|r| &**r), &b.each_ref().map(|r| &**r));
        let expected =
            ["content,mode,owner,mtime,xattrs a", "target c", "kind d", "removed gone", "added new"];
        assert_eq!(text(&a), expected);
        assert_eq!(text(&b), [""; 0]);
    }

    #[test]
    fn lines_of_the_heads_that_differ_are_named() {
        let text = String::from_utf8(manifest(&[])).unwrap();
        let head = |text: &str| Reader::new(text.as_bytes()).unwrap().head().clone();
        let other = text
            .replace("version 1", "version 2")
            .replace("options =", "options =quiet")
            .replace("ostree -", "persistent a\npersistent b\nostree -");
        let found: Vec<_> = heads(&head(&text), &head(&other)).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["version: 1 -> 2", "options: = -> =quiet", "persistent:  -> a b"]);
        assert_eq!(heads(&head(&text), &head(&text)), []);
    }

    #[test]
    fn a_file_that_leaves_its_hard_link_group_is_named() {
        let first = format!("a f 0644 0 0 5 - 3 {D1} -");
        let linked = format!("b h 0644 0 0 5 - 3 {D1} a");
        let alone = format!("b f 0644 0 0 5 - 3 {D1} -");
        assert_eq!(diff(&[&first, &linked], &[&first, &alone]), ["links b"]);
    }
}
