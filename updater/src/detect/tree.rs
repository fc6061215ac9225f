//! What lies below a root: small texts of /sys and /proc, names in folders, where links lead.
//!
//! A file that is not there, cannot be read or says nothing is the same to all who ask: they get nothing. No more
//! than [`MOST`] bytes of a file are read, and nothing but regular files is opened.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Bytes of a text, at most; /proc/cpuinfo of a large machine has some hundred thousand.
const MOST: u64 = 4 << 20;
/// Names in a folder, at most.
const NAMES: usize = 65_536;

/// The file systems of a machine.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Those below `root`.
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether it is the machine that this program runs on, whose kernel can be asked.
    pub(super) fn is_ours(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path is, seen from here.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Whether there is anything.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The bytes of a file, as far as they are read.
    pub(super) fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let path = self.path(path);
        if !fs::metadata(&path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(MOST).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// A whole text, with what is not UTF-8 replaced.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    /// A text of one value.
    pub(super) fn value(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let value = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A number that is not negative, in decimal or with `0x`.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        let value = self.value(path)?;
        match value.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).ok(),
            None => value.parse().ok(),
        }
    }

    /// The names in a folder, those with numbers in the order of these: `cpu2` before `cpu10`.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).into_iter().flatten().flatten().take(NAMES);
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_by_cached_key(|name| order(name));
        names
    }

    /// The last name of what a link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}

/// What a name is ordered by: text and numbers in turn.
fn order(name: &str) -> Vec<(String, u64)> {
    let mut rest = name;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (text, behind) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let end = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        parts.push((text.to_owned(), behind[..end].parse().unwrap_or(0)));
        rest = &behind[end..];
    }
    parts
}

/// The number behind a name's beginning: 12 of `cpu12`.
pub(super) fn numbered(name: &str, beginning: &str) -> Option<u64> {
    let digits = name.strip_prefix(beginning)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sdb", "cpu10", "cpu2", "sda", "cpu"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let tree = Tree::new(folder.path());
        assert_eq!(tree.names(""), ["cpu", "cpu2", "cpu10", "sda", "sdb"]);
        assert_eq!(numbered("cpu10", "cpu"), Some(10));
        assert_eq!((numbered("cpufreq", "cpu"), numbered("cpu", "cpu")), (None, None));
    }

    #[test]
    fn values_are_text_numbers_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(folder.path());
        for (text, value, number) in [
            (&b" 12\n"[..], Some("12"), Some(12)),
            (b"0x1f", Some("0x1f"), Some(31)),
            (b"-1\n", Some("-1"), None),
            (b"\xff\xfe\0", Some("\u{fffd}\u{fffd}"), None),
            (b" \n", None, None),
        ] {
            fs::write(folder.path().join("f"), text).unwrap();
            assert_eq!(tree.value("f").as_deref(), value);
            assert_eq!(tree.number("f"), number);
        }
        assert_eq!(tree.value("none"), None);
        assert_eq!(tree.value(""), None, "a folder");
    }
}
