//! The values of a recipe: each a type of its own, checked as it is parsed.

use std::fmt;

use edeploy_format::path::TreePath;
use serde::Deserialize;

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// The value as it was written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let accepts: fn(&str) -> bool = $accepts;
                if accepts(&text) { Ok(Self(text)) } else { Err(format!("{text:?}: {}", $rule)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_made_of(text: &str, more: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn begins_alphanumeric(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

checked!(
    /// A suite of Debian: `bookworm`.
    Suite, "a suite is written in letters, digits and dashes",
    |t| begins_alphanumeric(t) && is_made_of(t, "-")
);

checked!(
    /// A package, as apt takes it: `nginx`, `nginx=1.22.1-9`, `nginx/bookworm-backports`.
    Package, "a package is a Debian package name, with `=version` or `/suite` where wanted",
    |t| begins_alphanumeric(t) && is_made_of(t, "+.:~=/_-")
);

checked!(
    /// One line of apt's sources; `${NAME}` stands for a variable of the environment.
    SourceLine, "a source is one line that begins with `deb `",
    |t| t.starts_with("deb ") && !t.contains(char::is_control)
);

checked!(
    /// One argument of the kernel.
    Argument, "a kernel argument has no space in it",
    |t| !t.is_empty() && !t.contains(|c: char| c.is_whitespace() || c.is_control())
);

checked!(
    /// A file in the recipe's folder `scripts`.
    ScriptName, "a script is the name of a file in the folder `scripts`",
    |t| begins_alphanumeric(t) && is_made_of(t, ".-_")
);

checked!(
    /// The name of a machine.
    Hostname, "a host name is written in letters, digits, dashes and dots, at most 64",
    |t| begins_alphanumeric(t) && is_made_of(t, "-.") && t.len() <= 64
);

checked!(
    /// The name of a user or group.
    AccountName, "a user or group is written in small letters, digits, dashes and underscores, at most 32",
    |t| t.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && is_made_of(t, "-_") && !t.contains(|c: char| c.is_ascii_uppercase()) && t.len() <= 32
);

/// How much of Debian is there before packages are added: mmdebstrap's variants.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// Essential packages only, without apt.
    Essential,
    /// Essential packages and apt.
    Apt,
    /// All of priority required, and apt.
    Minbase,
}

impl Variant {
    /// The name as mmdebstrap takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Essential => "essential",
            Self::Apt => "apt",
            Self::Minbase => "minbase",
        }
    }
}

/// The form of the initrd in the finished tree.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum InitrdForm {
    /// An uncompressed archive of its contents, in one order and without times.
    #[default]
    Plain,
    /// As the packages and scripts of the tree made it.
    Keep,
}

fn below_root(text: &str) -> Result<TreePath, String> {
    let path = text.strip_prefix('/').ok_or_else(|| format!("{text:?}: a path begins with a slash"))?;
    TreePath::new(path).map_err(|e| e.to_string())
}

/// An absolute path of the tree that can stand in `/etc/passwd` and in quotes.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub struct Absolute(TreePath);

impl Absolute {
    /// The path below the root of the tree.
    #[must_use]
    pub fn path(&self) -> &TreePath {
        &self.0
    }
}

impl TryFrom<String> for Absolute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.contains(|c: char| c.is_control() || ":'\"\\".contains(c)) {
            return Err(format!("{text:?}: no colon, quote or backslash may stand in this path"));
        }
        below_root(&text).map(Self)
    }
}

/// A path that belongs to the machine: `/etc/hostname`, or `/home/` for a folder.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
pub struct Persistent {
    /// The path below the root of the tree.
    pub path: TreePath,
    /// Whether it is made as a folder where the tree does not have it.
    pub folder: bool,
}

impl TryFrom<String> for Persistent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let trimmed = text.strip_suffix('/');
        let path = below_root(trimmed.unwrap_or(&text))?;
        if path.as_str() == "var" || path.is_below("var") {
            return Err(format!("{text:?}: all of /var is on the state partition already"));
        }
        Ok(Self { path, folder: trimmed.is_some() })
    }
}

/// Paths of the tree, as a shell would match them: `*` stands for any part of a name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Pattern(Vec<String>);

impl Pattern {
    /// The pattern of each component.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// Whether `name` matches the pattern of one component.
    #[must_use]
    pub fn matches(pattern: &str, name: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == name,
            Some((head, rest)) => name.strip_prefix(head).is_some_and(|tail| {
                let mut ends = tail.char_indices().map(|(i, _)| i).chain([tail.len()]);
                ends.any(|i| Self::matches(rest, &tail[i..]))
            }),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        below_root(&text).map(|path| Self(path.as_str().split('/').map(str::to_owned).collect()))
    }
}

/// A number of bytes: `512MiB`, `4GiB`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct Size(pub u64);

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let units = [("MiB", 1_u64 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];
        let parsed = units.iter().find_map(|(suffix, unit)| {
            let number: u64 = text.strip_suffix(suffix)?.trim_end().parse().ok()?;
            number.checked_mul(*unit).filter(|bytes| *bytes > 0)
        });
        parsed.map(Self).ok_or_else(|| format!("{text:?}: a size is a number with MiB, GiB or TiB"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_one_name() {
        for (pattern, name) in [("*", ""), ("*", "a"), ("a*c", "abbc"), ("*.so*", "x.so.1"), ("é*", "éa")] {
            assert!(Pattern::matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a", "ab"), ("a*c", "abd"), ("*.so", "x.so.1"), ("*b", "")] {
            assert!(!Pattern::matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        let size = |text: &str| Size::try_from(text.to_owned());
        assert_eq!(size("512MiB"), Ok(Size(512 << 20)));
        assert_eq!(size("4 GiB"), Ok(Size(4 << 30)));
        for bad in ["", "4", "GiB", "-1GiB", "4GB", "0MiB", "99999999999TiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_that_could_be_something_else_are_refused() {
        assert!(Package::try_from("nginx,rm".to_owned()).is_err());
        assert!(Package::try_from("-y".to_owned()).is_err());
        assert!(Package::try_from("libstdc++6:amd64=12.2.0-14+deb12u1".to_owned()).is_ok());
        assert!(ScriptName::try_from("../run".to_owned()).is_err());
        assert!(Argument::try_from("a b".to_owned()).is_err());
        assert!(Absolute::try_from("/home/it's".to_owned()).is_err());
        assert!(AccountName::try_from("a:b".to_owned()).is_err());
        assert!(Persistent::try_from("/var/lib/mysql/".to_owned()).is_err());
        assert!(Persistent::try_from("/etc/../x".to_owned()).is_err());
        assert_eq!(Persistent::try_from("/home/".to_owned()).map(|p| p.folder), Ok(true));
    }
}
