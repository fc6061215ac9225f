//! The entries of a configuration database: written out, or expanded from a model, as eDeploy's `generate({…})` does.
//!
//! In a text, `1-12` or `1-3:9-8` is a range; the first one counts, and has as many digits as its first number when
//! that begins with 0. In what looks like an IPv4 address each part may be a range, the last running fastest. A list
//! or tuple gives its members, everything else is the same in all entries. There are as many entries as the shortest of
//! them has; a model without ranges, lists and tuples is one entry. A model within a model is expanded beside it.
//!
//! How many entries and how many bytes they are is known before any is made, and bounded.

mod series;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::literal::{Literal, LiteralError};
use series::Series;

/// Entries, at most.
pub const MOST: u64 = 1_000_000;
/// Bytes of all entries together, at most.
pub const BYTES: u64 = 256 << 20;
/// What a value takes beside its text.
const VALUE: u64 = 64;
/// What a dict within an entry takes beside its values.
const DICT: u64 = 640;

/// Why there are no entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// Neither JSON nor Python.
    #[error("no configuration database")]
    Literal(#[from] LiteralError),
    /// Another value than a model or a list of entries.
    #[error("no configuration database: {0} in place of a list of entries or generate({{…}})")]
    Neither(&'static str),
    /// A key is no text.
    #[error("a key is {0}, not a text")]
    Key(&'static str),
    /// A key that stands twice.
    #[error("the key {0} stands twice")]
    Twice(String),
    /// What eDeploy took beside a model, and nothing of it used for such a file.
    #[error("generate takes a model alone: a prefix, which says what of it varies, is not known here")]
    Prefix,
    /// A model would give too many entries.
    #[error("{key}: more than {MOST} entries")]
    TooMany {
        /// Of the key that has the fewest.
        key: String,
    },
    /// A model would give too much.
    #[error("{entries} entries of together more than {} MiB", BYTES >> 20)]
    TooLarge {
        /// How many.
        entries: u64,
    },
}

/// The entries of a file.
///
/// # Errors
/// [`GenerateError`].
pub fn entries(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, GenerateError> {
    let literal = Literal::read(bytes)?;
    let entries = Entries::of(&literal)?;
    Ok((0..entries.count()).map(|n| entries.at(n)).collect())
}

/// Entries of which each is made when it is asked for.
pub struct Entries<'a>(Kind<'a>);

enum Kind<'a> {
    Listed(Vec<Map<String, Value>>),
    /// A model, and how many it gives.
    Model(Model<'a>, u64),
}

impl<'a> Entries<'a> {
    /// Those of what was read.
    ///
    /// # Errors
    /// [`GenerateError`], but those of reading.
    pub fn of(literal: &'a Literal) -> Result<Self, GenerateError> {
        let model = match literal {
            Literal::List(members) | Literal::Tuple(members) => {
                return Ok(Self(Kind::Listed(members.iter().map(entry).collect::<Result<_, _>>()?)));
            }
            Literal::Call(_, arguments) => match &arguments[..] {
                [Literal::Dict(model)] => model,
                [Literal::Dict(_), ..] => return Err(GenerateError::Prefix),
                [other, ..] => return Err(GenerateError::Neither(other.kind())),
                [] => return Err(GenerateError::Neither("nothing")),
            },
            Literal::Dict(model) => model,
            other => return Err(GenerateError::Neither(other.kind())),
        };
        let model = Model::read(model)?;
        let (count, key) = model.shortest().unwrap_or((1, ""));
        if count > MOST {
            return Err(GenerateError::TooMany { key: key.to_owned() });
        }
        if model.bytes(count) > BYTES {
            return Err(GenerateError::TooLarge { entries: count });
        }
        Ok(Self(Kind::Model(model, count)))
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> u64 {
        match &self.0 {
            Kind::Listed(entries) => entries.len() as u64,
            Kind::Model(_, count) => *count,
        }
    }

    /// One of them.
    ///
    /// # Panics
    /// If there are no more than `n`.
    #[must_use]
    pub fn at(&self, n: u64) -> Map<String, Value> {
        assert!(n < self.count(), "an entry that is there");
        match &self.0 {
            Kind::Listed(entries) => entries[n as usize].clone(),
            Kind::Model(model, _) => model.at(n),
        }
    }
}

fn entry(member: &Literal) -> Result<Map<String, Value>, GenerateError> {
    match plain(member)? {
        Value::Object(entry) => Ok(entry),
        _ => Err(GenerateError::Neither(member.kind())),
    }
}

/// The keys of a model, and what each is in one entry after the other.
struct Model<'a>(Vec<(&'a str, Values<'a>)>);

enum Values<'a> {
    Same(Value),
    Series(Series<'a>),
    Members(Vec<Value>),
    /// One in which something varies.
    Model(Model<'a>),
}

impl<'a> Model<'a> {
    fn read(model: &'a [(Literal, Literal)]) -> Result<Self, GenerateError> {
        let key = |(key, value): &'a (Literal, Literal)| match key {
            Literal::Text(key) => Ok((&**key, Values::read(value)?)),
            other => Err(GenerateError::Key(other.kind())),
        };
        let pairs: Vec<(&str, Values<'_>)> = model.iter().map(key).collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        match pairs.iter().find(|(key, _)| !seen.insert(*key)) {
            Some((key, _)) => Err(GenerateError::Twice((*key).to_owned())),
            None => Ok(Self(pairs)),
        }
    }

    /// How many entries, and the key that has no more; `None` if nothing varies.
    fn shortest(&self) -> Option<(u64, &'a str)> {
        let lengths = self.0.iter().filter_map(|(key, values)| Some((values.len()?, *key)));
        lengths.min_by_key(|(length, _)| *length)
    }

    /// Bytes of so many entries.
    fn bytes(&self, count: u64) -> u64 {
        let key = |(key, values): &(&str, Values<'_>)| {
            (VALUE + key.len() as u64).saturating_mul(count).saturating_add(values.bytes(count))
        };
        self.0.iter().map(key).fold(0, u64::saturating_add)
    }

    fn at(&self, n: u64) -> Map<String, Value> {
        self.0.iter().map(|(key, values)| ((*key).to_owned(), values.at(n))).collect()
    }
}

impl<'a> Values<'a> {
    fn read(value: &'a Literal) -> Result<Self, GenerateError> {
        Ok(match value {
            Literal::Text(text) => match Series::read(text) {
                Some(series) => Self::Series(series),
                None => Self::Same(Value::String(text.clone())),
            },
            Literal::List(members) | Literal::Tuple(members) => {
                Self::Members(members.iter().map(plain).collect::<Result<_, _>>()?)
            }
            Literal::Dict(model) => {
                let model = Model::read(model)?;
                match model.shortest() {
                    Some(_) => Self::Model(model),
                    None => Self::Same(Value::Object(model.at(0))),
                }
            }
            Literal::None | Literal::Bool(_) | Literal::Int(_) | Literal::Float(_) | Literal::Call(..) => {
                Self::Same(plain(value)?)
            }
        })
    }

    /// How many values; `None` if it is the same in all entries.
    fn len(&self) -> Option<u64> {
        match self {
            Self::Same(_) => None,
            Self::Series(series) => Some(series.len()),
            Self::Members(members) => Some(members.len() as u64),
            Self::Model(model) => model.shortest().map(|(length, _)| length),
        }
    }

    /// Bytes of the first so many.
    fn bytes(&self, count: u64) -> u64 {
        match self {
            Self::Same(value) => weight(value).saturating_mul(count),
            Self::Series(series) => (series.longest() as u64).saturating_mul(count),
            // Each is in the file already.
            Self::Members(members) => members.iter().take(count as usize).map(weight).sum(),
            Self::Model(model) => model.bytes(count).saturating_add(DICT.saturating_mul(count)),
        }
    }

    /// One of them, of which there must be more than `n`.
    fn at(&self, n: u64) -> Value {
        match self {
            Self::Same(value) => value.clone(),
            Self::Series(series) => Value::String(series.at(n)),
            Self::Members(members) => members[n as usize].clone(),
            Self::Model(model) => Value::Object(model.at(n)),
        }
    }
}

/// Bytes of a value, about.
fn weight(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len() as u64,
        Value::Array(members) => members.iter().map(|member| VALUE + weight(member)).sum(),
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| VALUE + key.len() as u64 + weight(value);
            DICT + members.iter().map(member).sum::<u64>()
        }
    }
}

/// A value as it is.
fn plain(value: &Literal) -> Result<Value, GenerateError> {
    Ok(match value {
        Literal::None => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(number) => Value::from(*number),
        Literal::Float(number) => Value::from(*number),
        Literal::Text(text) => Value::String(text.clone()),
        Literal::List(members) | Literal::Tuple(members) => {
            Value::Array(members.iter().map(plain).collect::<Result<_, _>>()?)
        }
        Literal::Dict(members) => {
            let member = |(key, value): &(Literal, Literal)| match key {
                Literal::Text(key) => Ok((key.clone(), plain(value)?)),
                other => Err(GenerateError::Key(other.kind())),
            };
            Value::Object(members.iter().map(member).collect::<Result<_, _>>()?)
        }
        Literal::Call(..) => return Err(GenerateError::Neither(value.kind())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(source: &str) -> String {
        serde_json::to_string(&entries(source.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn ranges_run_beside_each_other_and_the_shortest_ends_them() {
        assert_eq!(
            json(
                "generate({'host': 'node01-03.rack1-2', 'ip': '192.168.0-1.9-10', 'gw': '192.168.0.1', 'n': 7})"
            ),
            concat!(
                r#"[{"gw":"192.168.0.1","host":"node01.rack1-2","ip":"192.168.0.9","n":7},"#,
                r#"{"gw":"192.168.0.1","host":"node02.rack1-2","ip":"192.168.0.10","n":7},"#,
                r#"{"gw":"192.168.0.1","host":"node03.rack1-2","ip":"192.168.1.9","n":7}]"#
            )
        );
    }

    #[test]
    fn joined_and_falling_ranges_are_ranges() {
        assert_eq!(
            json("generate({'a': 'x1-2:9-7y'})"),
            r#"[{"a":"x1y"},{"a":"x2y"},{"a":"x9y"},{"a":"x8y"},{"a":"x7y"}]"#
        );
        assert_eq!(
            json("generate({'a': '10.0.0.1-2:5'})"),
            r#"[{"a":"10.0.0.1"},{"a":"10.0.0.2"},{"a":"10.0.0.5"}]"#
        );
    }

    #[test]
    fn tuples_and_lists_give_their_members_as_the_readme_promises() {
        let expected = r#"[{"host":"host1","tag":"TAG1"},{"host":"host2","tag":"TAG2"}]"#;
        assert_eq!(json("generate({'tag': ('TAG1','TAG2'), 'host': 'host1-4'})"), expected);
        assert_eq!(json("generate({'tag': ['TAG1','TAG2'], 'host': 'host1-4'})"), expected);
    }

    #[test]
    fn a_key_that_stands_twice_and_a_prefix_are_told() {
        let said = |source: &str| entries(source.as_bytes()).unwrap_err().to_string();
        assert_eq!(said("generate({'a': '1-2', 'a': '5-9'})"), "the key a stands twice");
        assert_eq!(said("generate({'n': {'a': '1', 'a': '2'}})"), "the key a stands twice");
        let says = "generate takes a model alone: a prefix, which says what of it varies, is not known here";
        assert_eq!(said("generate({'a': '=1-2'}, '=')"), says);
    }

    #[test]
    fn a_model_without_ranges_is_one_entry_and_entries_are_taken_as_they_are() {
        assert_eq!(json("generate({'a': 'x', 'n': 1})"), r#"[{"a":"x","n":1}]"#);
        assert_eq!(json("[{'a': '1-3', 'used': 1}, {}]"), r#"[{"a":"1-3","used":1},{}]"#);
        assert_eq!(
            json("generate({'a': '1-2', 'net': {'ip': '10.0.0.1-9', 'dev': 'eth0'}})"),
            r#"[{"a":"1","net":{"dev":"eth0","ip":"10.0.0.1"}},{"a":"2","net":{"dev":"eth0","ip":"10.0.0.2"}}]"#
        );
    }

    #[test]
    fn a_long_range_beside_a_short_one_is_made_as_far_as_it_is_needed() {
        let long = "generate({'a': '1-2', 'b': '0-255.0-255.0-255.1-2', 'c': '18446744073709551615-0', 'd': {'e': '7-0'}})";
        assert_eq!(
            json(long),
            concat!(
                r#"[{"a":"1","b":"0.0.0.1","c":"18446744073709551615","d":{"e":"7"}},"#,
                r#"{"a":"2","b":"0.0.0.2","c":"18446744073709551614","d":{"e":"6"}}]"#
            )
        );
    }

    #[test]
    fn hostile_models_are_refused_before_they_take_memory() {
        let wrong = |source: &str| entries(source.as_bytes()).expect_err(source).to_string();
        assert_eq!(wrong("generate({'a': '1-1000001'})"), "a: more than 1000000 entries");
        assert_eq!(wrong("generate({'a': '0-255.0-255.0-255.0-255'})"), "a: more than 1000000 entries");
        let keys: String = (0..1000).map(|n| format!("'k{n}': '1-1000000',")).collect();
        let large = "1000000 entries of together more than 256 MiB";
        assert_eq!(wrong(&format!("generate({{{keys}}})")), large);
        assert_eq!(wrong(&format!("generate({{'a': {{{keys}}}}})")), large);
        let text = "x".repeat(1 << 20);
        assert_eq!(wrong(&format!("generate({{'a': '{text}1-300'}})")), large.replacen("1000000", "300", 1));
        assert_eq!(
            wrong(&format!("generate({{'a': '1-300', 'b': {{'c': '{text}'}}}})")),
            large.replacen("1000000", "300", 1)
        );
        let zeros = "0".repeat(1 << 20);
        assert_eq!(json(&format!("generate({{'a': '{zeros}1-2'}})")).len(), 2 * ((1 << 20) + 8) + 5);
        assert_eq!(json(&format!("generate({{'a': '{zeros}'}})")).len(), (1 << 20) + 10);
        assert_eq!(wrong("generate({1: 'a'})"), "a key is a number, not a text");
        assert_eq!(
            wrong("generate('a')"),
            "no configuration database: a text in place of a list of entries or generate({…})"
        );
        assert_eq!(
            wrong("[1]"),
            "no configuration database: a number in place of a list of entries or generate({…})"
        );
        assert_eq!(json("generate({'a': '99999999999999999999-99999999999999999999'})").len(), 51);
    }
}
