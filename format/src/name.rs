//! Names of roles, versions and architectures: checked once, at the border.

use std::fmt;
use std::str::FromStr;

/// Why a text is no name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}: {rule}")]
pub struct BadName {
    kind: &'static str,
    rule: &'static str,
    text: String,
}

/// The names TUF itself uses: no server role may take one.
const TUF_NAMES: [&str; 4] = ["root", "targets", "snapshot", "timestamp"];

fn tail_is_plain(text: &str, upper: bool) -> bool {
    text.bytes().all(|b| match b {
        b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' => true,
        b'A'..=b'Z' => upper,
        _ => false,
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $accepts:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                let accepts: fn(&str) -> bool = $accepts;
                if text.len() <= 64 && accepts(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(BadName { kind: $kind, rule: $rule, text: text.chars().take(80).collect() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// What a server is for: `web`, `db`. Matches `[a-z0-9][a-z0-9._-]*`, at most 64 bytes; never
    /// `any` (the wildcard of transitions) nor one of TUF's own roles.
    Role, "role", "use [a-z0-9][a-z0-9._-]*, at most 64 bytes, not `any` and not a TUF role",
    |t| t.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && tail_is_plain(t, false) && t != "any" && !TUF_NAMES.contains(&t)
);

name!(
    /// A version of a role: `D12-1.0.0`. Matches `[A-Za-z0-9][A-Za-z0-9._-]*`, at most 64 bytes,
    /// and is not `any`. Versions are opaque: their order is that of the manifest's serial.
    Version, "version", "use [A-Za-z0-9][A-Za-z0-9._-]*, at most 64 bytes, not `any`",
    |t| t.starts_with(|c: char| c.is_ascii_alphanumeric()) && tail_is_plain(t, true) && t != "any"
);

name!(
    /// A name of a role that names one of its versions: `stable`. Matches `[a-z0-9][a-z0-9._-]*`, at most 64 bytes; never
    /// `any` nor `newest`, which stand for versions themselves.
    Channel, "channel", "use [a-z0-9][a-z0-9._-]*, at most 64 bytes, not `any` and not `newest`",
    |t| t.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && tail_is_plain(t, false) && t != "any" && t != "newest"
);

name!(
    /// A Debian architecture: `amd64`.
    Architecture, "architecture", "use Debian's names: [a-z][a-z0-9._-]*",
    |t| t.starts_with(|c: char| c.is_ascii_lowercase()) && tail_is_plain(t, false)
);

/// The parts of a published role version, each one TUF target of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object<'a> {
    /// The tree: one record per path.
    Manifest,
    /// Where in the pack each content is.
    PackIndex,
    /// All contents, in compressed frames.
    Pack,
    /// The rules that lead to this version.
    Transition,
    /// The software bill of materials.
    Sbom,
    /// What makes its contents from those of another version, in compressed frames.
    Delta(&'a Version),
    /// Where in the delta from that version each content is.
    DeltaIndex(&'a Version),
}

impl Object<'_> {
    /// The target name `<role>@<version>@<object>`, for what needs another version `<role>@<version>@<object>@<from>`:
    /// flat, as TUF clients disagree about slashes.
    #[must_use]
    pub fn target(self, role: &Role, version: &Version) -> String {
        let object = match self {
            Self::Manifest => "manifest",
            Self::PackIndex => "pack-index",
            Self::Pack => "pack",
            Self::Transition => "transition",
            Self::Sbom => "sbom",
            Self::Delta(from) => return format!("{role}@{version}@delta@{from}"),
            Self::DeltaIndex(from) => return format!("{role}@{version}@delta-index@{from}"),
        };
        format!("{role}@{version}@{object}")
    }
}

/// The target name of the text `whole`, compressed against that of the version `from`.
#[must_use]
pub fn against(whole: &str, from: &Version) -> String {
    format!("{whole}@{from}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_their_rules() {
        for good in ["web", "0day", "a.b_c-d"] {
            assert!(good.parse::<Role>().is_ok(), "{good}");
        }
        for bad in
            ["", "Web", "-web", ".web", "we b", "any", "root", "targets", "web/1", "wéb", &"w".repeat(65)]
        {
            assert!(bad.parse::<Role>().is_err(), "{bad}");
        }
        assert!("D12-1.0.0".parse::<Version>().is_ok());
        assert!("any".parse::<Version>().is_err());
        assert!("../1".parse::<Version>().is_err());
        assert!("stable".parse::<Channel>().is_ok());
        for bad in ["", "newest", "any", "Stable", "-x", "a b"] {
            assert!(bad.parse::<Channel>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_target_name_is_flat() {
        let (role, version) = ("web".parse().unwrap(), "D12-1.0.0".parse().unwrap());
        assert_eq!(Object::PackIndex.target(&role, &version), "web@D12-1.0.0@pack-index");
    }
}
