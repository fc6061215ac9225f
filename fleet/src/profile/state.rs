//! The list `state`: which profiles are given, in which order, and to how many machines.

use std::io;

use super::Count;
use crate::literal::{Literal, LiteralError};

/// Names are no longer, in bytes.
const LONGEST: usize = 64;

/// What is wrong with the list, or with one of its lines.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is not there, or cannot be read.
    #[error("reading state, the list of profiles and counts")]
    Read(#[source] io::Error),
    /// Neither JSON nor Python.
    #[error("state")]
    Literal(#[from] LiteralError),
    /// Another value than a list.
    #[error("state: {0} in place of a list of profiles and counts")]
    NoList(&'static str),
    /// A line is no pair.
    #[error("state: line {0} is not a profile and a count")]
    Line(usize),
    /// A count is none.
    #[error("state: line {line}: {count} is no count: a number or '*'")]
    Count {
        /// Which, from 1 on.
        line: usize,
        /// What stands there.
        count: String,
    },
    /// A profile has two lines.
    #[error("state: line {line} names a profile that line {first} names already")]
    Twice {
        /// The later one, from 1 on.
        line: usize,
        /// The first one.
        first: usize,
    },
    /// A name that cannot be one of a file.
    #[error("state: line {0}: a profile's name has letters, digits, `.`, `_` and `-`, at most {LONGEST}")]
    Name(usize),
}

/// One line of the list: the name, and what stands beside it.
pub(super) type Line = (String, Result<Count, StateError>);

/// The lines of the list; what is wrong with one of them is its own error.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Line>, StateError> {
    let list = Literal::read(bytes)?;
    let members = list.members().ok_or(StateError::NoList(list.kind()))?;
    let mut lines: Vec<Line> = Vec::new();
    for (at, member) in members.iter().enumerate() {
        let (name, count) = line(member, at + 1);
        let first = lines.iter().position(|(other, _)| *other == name);
        let count = match first {
            Some(first) => Err(StateError::Twice { line: at + 1, first: first + 1 }),
            None => count,
        };
        lines.push((name, count));
    }
    Ok(lines)
}

fn line(member: &Literal, line: usize) -> Line {
    let Some([Literal::Text(name), count]) = member.members() else {
        return (format!("(line {line})"), Err(StateError::Line(line)));
    };
    if !is_name(name) {
        return (name.escape_debug().take(LONGEST).collect(), Err(StateError::Name(line)));
    }
    let text = count.to_string();
    let number =
        text.trim().parse::<i64>().ok().filter(|_| matches!(count, Literal::Int(_) | Literal::Text(_)));
    let count = match number {
        Some(number) => Ok(Count::Times(number.max(0).unsigned_abs())),
        None if matches!(count, Literal::Text(_)) && text.trim() == "*" => Ok(Count::Any),
        None => Err(StateError::Count { line, count: text.chars().take(LONGEST).collect() }),
    };
    (name.clone(), count)
}

/// Whether a profile may be called so.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= LONGEST && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}
