//! The entries of a configuration database: written out, or expanded from a model, as eDeploy's `generate({…})` does.
//!
//! In a text, `1-12` or `1-3:7:9-8` is a range; the first one counts, and has as many digits as its first number when
//! that begins with 0. In what looks like an IPv4 address each part may be a range, the last running fastest. A list
//! or tuple gives its members, everything else is the same in all entries. There are as many entries as the shortest of
//! them has; a model without ranges, lists and tuples is one entry. A model within a model is expanded beside it.

use serde_json::{Map, Value};

use crate::literal::{Literal, LiteralError};

/// Entries, at most.
pub const MOST: usize = 1_000_000;

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
    /// A model would give too many entries.
    #[error("{key}: more than {MOST} entries")]
    TooMany {
        /// Of which key.
        key: String,
    },
}

/// What a key is in one entry after the other.
enum Values {
    Same(Value),
    Each(Vec<Value>),
}

/// The entries of a file.
///
/// # Errors
/// [`GenerateError`].
pub fn entries(bytes: &[u8]) -> Result<Vec<Map<String, Value>>, GenerateError> {
    match Literal::read(bytes)? {
        Literal::List(members) | Literal::Tuple(members) => members.iter().map(entry).collect(),
        Literal::Call(_, arguments) => match &arguments[..] {
            [Literal::Dict(model)] => expanded(model),
            [other, ..] => Err(GenerateError::Neither(other.kind())),
            [] => Err(GenerateError::Neither("nothing")),
        },
        Literal::Dict(model) => expanded(&model),
        other => Err(GenerateError::Neither(other.kind())),
    }
}

fn entry(member: &Literal) -> Result<Map<String, Value>, GenerateError> {
    match plain(member)? {
        Value::Object(entry) => Ok(entry),
        _ => Err(GenerateError::Neither(member.kind())),
    }
}

/// The entries of a model.
fn expanded(model: &[(Literal, Literal)]) -> Result<Vec<Map<String, Value>>, GenerateError> {
    let mut keys = Vec::new();
    for (key, value) in model {
        let Literal::Text(key) = key else { return Err(GenerateError::Key(key.kind())) };
        keys.push((key, values(key, value)?));
    }
    let lengths = keys.iter().filter_map(|(_, values)| match values {
        Values::Each(values) => Some(values.len()),
        Values::Same(_) => None,
    });
    let count = lengths.min().unwrap_or(1);
    let entry = |n: usize| {
        let members = keys.iter().map(|(key, values)| {
            let value = match values {
                Values::Same(value) => value,
                Values::Each(values) => &values[n],
            };
            ((*key).clone(), value.clone())
        });
        members.collect()
    };
    Ok((0..count).map(entry).collect())
}

fn values(key: &str, value: &Literal) -> Result<Values, GenerateError> {
    let bounded = |values: Vec<Value>| {
        if values.len() > MOST {
            return Err(GenerateError::TooMany { key: key.to_owned() });
        }
        Ok(Values::Each(values))
    };
    match value {
        Literal::Text(text) => match addresses(text).or_else(|| numbered(text)) {
            Some(Ok(texts)) => bounded(texts.into_iter().map(Value::String).collect()),
            Some(Err(TooLong)) => Err(GenerateError::TooMany { key: key.to_owned() }),
            None => Ok(Values::Same(Value::String(text.clone()))),
        },
        Literal::List(members) | Literal::Tuple(members) => {
            bounded(members.iter().map(plain).collect::<Result<_, _>>()?)
        }
        Literal::Dict(model) => {
            let mut entries = expanded(model)?;
            match (entries.len(), varies(model)) {
                (1, false) => Ok(Values::Same(Value::Object(entries.remove(0)))),
                _ => bounded(entries.into_iter().map(Value::Object).collect()),
            }
        }
        Literal::None | Literal::Bool(_) | Literal::Int(_) | Literal::Float(_) | Literal::Call(..) => {
            Ok(Values::Same(plain(value)?))
        }
    }
}

/// Whether a model has anything that differs between entries.
fn varies(model: &[(Literal, Literal)]) -> bool {
    model.iter().any(|(_, value)| match value {
        Literal::Text(text) => addresses(text).is_some() || numbered(text).is_some(),
        Literal::List(_) | Literal::Tuple(_) => true,
        Literal::Dict(model) => varies(model),
        Literal::None | Literal::Bool(_) | Literal::Int(_) | Literal::Float(_) | Literal::Call(..) => false,
    })
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

/// More than [`MOST`] texts.
struct TooLong;

/// The texts of `a1-3b`: the first range, between what stands before and after it. `None` without a range.
fn numbered(text: &str) -> Option<Result<Vec<String>, TooLong>> {
    let range = first_range(text)?;
    let (before, after) = (&text[..range.start], &text[range.end..]);
    let numbers = numbers(&text[range])?;
    Some(
        numbers.map(|numbers| numbers.into_iter().map(|number| format!("{before}{number}{after}")).collect()),
    )
}

/// Where the first `N-M`, with all that is joined to it by colons, stands.
fn first_range(text: &str) -> Option<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let digits = |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let pair = |from: usize| {
        let middle = digits(from);
        let end = (bytes.get(middle) == Some(&b'-')).then(|| digits(middle + 1))?;
        (middle > from && end > middle + 1).then_some(end)
    };
    let start = (0..bytes.len()).find(|&at| bytes[at].is_ascii_digit() && pair(at).is_some())?;
    let mut end = pair(start)?;
    while bytes.get(end) == Some(&b':') {
        let Some(more) = pair(end + 1) else { break };
        end = more;
    }
    Some(start..end)
}

/// The numbers of `1-3:9-7`; `None` if a bound is no number that a machine counts with.
fn numbers(text: &str) -> Option<Result<Vec<String>, TooLong>> {
    let mut all = Vec::new();
    for part in text.split(':') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let width = if first.starts_with('0') { first.len() } else { 0 };
        let (from, to) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
        if from.abs_diff(to) >= (MOST - all.len()) as u64 {
            return Some(Err(TooLong));
        }
        let written = |number: u64| format!("{number:0width$}");
        if from <= to {
            all.extend((from..=to).map(written));
        } else {
            all.extend((to..=from).rev().map(written));
        }
    }
    Some(Ok(all))
}

/// The addresses of `10.0.0-1.1-20`; `None` for what does not look like an address with a range.
fn addresses(text: &str) -> Option<Result<Vec<String>, TooLong>> {
    let parts: Vec<&str> = text.split('.').collect();
    let looks = text.bytes().all(|byte| byte.is_ascii_digit() || b":-.".contains(&byte));
    if parts.len() != 4 || !looks || !text.contains(['-', ':']) {
        return None;
    }
    let mut all = vec![String::new()];
    for (n, part) in parts.iter().enumerate() {
        let numbers = match numbers(part)? {
            Ok(numbers) => numbers,
            Err(long) => return Some(Err(long)),
        };
        if all.len().checked_mul(numbers.len()).is_none_or(|length| length > MOST) {
            return Some(Err(TooLong));
        }
        let dot = if n == 0 { "" } else { "." };
        all = all
            .iter()
            .flat_map(|before| numbers.iter().map(move |number| format!("{before}{dot}{number}")))
            .collect();
    }
    Some(Ok(all))
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
    fn a_model_without_ranges_is_one_entry_and_entries_are_taken_as_they_are() {
        assert_eq!(json("generate({'a': 'x', 'n': 1})"), r#"[{"a":"x","n":1}]"#);
        assert_eq!(json("[{'a': '1-3', 'used': 1}, {}]"), r#"[{"a":"1-3","used":1},{}]"#);
        assert_eq!(
            json("generate({'a': '1-2', 'net': {'ip': '10.0.0.1-9', 'dev': 'eth0'}})"),
            r#"[{"a":"1","net":{"dev":"eth0","ip":"10.0.0.1"}},{"a":"2","net":{"dev":"eth0","ip":"10.0.0.2"}}]"#
        );
    }

    #[test]
    fn hostile_models_are_refused_before_they_take_memory() {
        let wrong = |source: &str| entries(source.as_bytes()).expect_err(source).to_string();
        assert_eq!(wrong("generate({'a': '1-1000001'})"), "a: more than 1000000 entries");
        assert_eq!(wrong("generate({'a': '0-255.0-255.0-255.0-255'})"), "a: more than 1000000 entries");
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
