//! Transitions: what an upgrade does beyond replacing the tree, by where it comes from.
//!
//! Published as one JSON object per version, with all rules that lead to it. A rule comes from a
//! folder `metadata/<from>/<role>/<to>/`; `any` stands for every name in that place.

use serde::{Deserialize, Serialize};

use crate::name::{Role, Version};

/// The format number this code reads and writes.
pub const FORMAT: u32 = 1;

/// A name, or every name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match<T> {
    /// Every one, written `any`.
    Any,
    /// This one.
    Exact(T),
}

impl<T: PartialEq> Match<T> {
    fn accepts(&self, name: &T) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact == name,
        }
    }

    fn is_exact(&self) -> bool {
        match self {
            Self::Any => false,
            Self::Exact(_) => true,
        }
    }
}

impl<T: Serialize> Serialize for Match<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => to.serialize_str("any"),
            Self::Exact(name) => name.serialize(to),
        }
    }
}

impl<'de, T: std::str::FromStr<Err: std::fmt::Display>> Deserialize<'de> for Match<T> {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match &*<std::borrow::Cow<'de, str>>::deserialize(from)? {
            "any" => Ok(Self::Any),
            name => name.parse().map(Self::Exact).map_err(serde::de::Error::custom),
        }
    }
}

/// The programs a rule may bring. Text: each begins with `#!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// May veto, before anything is touched.
    Check,
    /// After the slot is filled and verified, before excluded paths are carried over.
    Pre,
    /// Last before arming; its exit code 100 requests a reboot.
    Post,
}

impl Hook {
    /// All, in the order in which they run.
    pub const ALL: [Self; 3] = [Self::Check, Self::Pre, Self::Post];

    /// The file name in a rule's folder, and the word in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }
}

/// One rule: the content of one folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The version an upgrade comes from.
    pub from: Match<Version>,
    /// The role it is for.
    pub role: Match<Role>,
    /// The version it leads to.
    pub to: Match<Version>,
    /// Paths of the slot that belong to the machine, as rsync's `--exclude-from` reads them.
    pub exclude: String,
    /// Paths of the tree that are only added where missing, as rsync's `--include-from` reads them.
    pub add_only: String,
    /// The text of the hook, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The text of the hook, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre: Option<String>,
    /// The text of the hook, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post: Option<String>,
    /// Seconds each hook may take; 0 means the default of 600.
    #[serde(default)]
    pub hook_seconds: u32,
}

impl Rule {
    /// The text of `hook`, if the rule brings it.
    #[must_use]
    pub fn hook(&self, hook: Hook) -> Option<&str> {
        match hook {
            Hook::Check => self.check.as_deref(),
            Hook::Pre => self.pre.as_deref(),
            Hook::Post => self.post.as_deref(),
        }
    }

    /// Whether no name in it is `any`: what a step to a lower version needs.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.from.is_exact() && self.role.is_exact() && self.to.is_exact()
    }

    /// The more exact names the higher; among as many, `from` counts most, then `to`, then `role`.
    fn specificity(&self) -> (u8, bool, bool) {
        let exact = [self.from.is_exact(), self.to.is_exact(), self.role.is_exact()];
        (exact.iter().map(|e| u8::from(*e)).sum(), exact[0], exact[1])
    }
}

/// All rules that lead to one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// [`FORMAT`].
    pub format: u32,
    /// The role.
    pub role: Role,
    /// The version they lead to.
    pub version: Version,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// Why no rule can be had.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// Not JSON of this shape.
    #[error("the transition does not parse")]
    Json(#[from] serde_json::Error),
    /// A format this code does not know.
    #[error("the transition has format {0}, this program reads 1")]
    Format(u32),
    /// For another role or version than its name says.
    #[error("the transition is for {0} {1}")]
    Identity(Role, Version),
}

impl Transition {
    /// Parses verified bytes, and checks that they are for this role and version.
    ///
    /// # Errors
    /// [`TransitionError`].
    pub fn parse(bytes: &[u8], role: &Role, version: &Version) -> Result<Self, TransitionError> {
        let transition: Self = serde_json::from_slice(bytes)?;
        if transition.format != FORMAT {
            return Err(TransitionError::Format(transition.format));
        }
        if (&transition.role, &transition.version) != (role, version) {
            return Err(TransitionError::Identity(transition.role, transition.version));
        }
        Ok(transition)
    }

    /// The most specific rule for an upgrade from `from`; `None` if no rule allows it.
    #[must_use]
    pub fn rule(&self, from: &Version) -> Option<&Rule> {
        self.rules
            .iter()
            .filter(|r| r.from.accepts(from) && r.role.accepts(&self.role) && r.to.accepts(&self.version))
            .max_by_key(|r| r.specificity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(from: &str, role: &str, to: &str) -> Rule {
        let text = format!(r#"{{"from":"{from}","role":"{role}","to":"{to}","exclude":"","add_only":""}}"#);
        serde_json::from_str(&text).unwrap()
    }

    fn transition(rules: Vec<Rule>) -> Transition {
        Transition { format: FORMAT, role: "web".parse().unwrap(), version: "2".parse().unwrap(), rules }
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let all = transition(vec![
            rule("any", "any", "any"),
            rule("any", "web", "any"),
            rule("any", "any", "2"),
            rule("1", "any", "any"),
            rule("any", "web", "2"),
            rule("1", "any", "2"),
        ]);
        let chosen = |n: usize| transition(all.rules[..n].to_vec()).rule(&"1".parse().unwrap()).cloned();
        for n in 1..=all.rules.len() {
            assert_eq!(chosen(n).as_ref(), Some(&all.rules[n - 1]), "{n} rules");
        }
        assert_eq!(all.rule(&"0".parse().unwrap()), Some(&all.rules[4]));
    }

    #[test]
    fn a_rule_for_others_is_no_rule() {
        let others = transition(vec![rule("1", "db", "2"), rule("0", "web", "2"), rule("1", "web", "3")]);
        assert_eq!(others.rule(&"1".parse().unwrap()), None);
    }

    #[test]
    fn a_transition_survives_its_json_and_is_checked_for_identity() {
        let original = transition(vec![rule("1", "web", "2")]);
        let json = serde_json::to_vec(&original).unwrap();
        let parse = |role: &str, version: &str| {
            Transition::parse(&json, &role.parse().unwrap(), &version.parse().unwrap())
        };
        assert_eq!(parse("web", "2").unwrap(), original);
        assert!(matches!(parse("db", "2"), Err(TransitionError::Identity(..))));
        assert!(matches!(parse("web", "3"), Err(TransitionError::Identity(..))));
    }

    #[test]
    fn unknown_fields_and_formats_are_refused() {
        let parse =
            |text: &str| Transition::parse(text.as_bytes(), &"web".parse().unwrap(), &"2".parse().unwrap());
        let good = r#"{"format":1,"role":"web","version":"2","rules":[]}"#;
        assert!(parse(good).is_ok());
        assert!(matches!(parse(&good.replace("1,", "2,")), Err(TransitionError::Format(2))));
        assert!(parse(&good.replace("\"rules\"", "\"more\":1,\"rules\"")).is_err());
    }
}
