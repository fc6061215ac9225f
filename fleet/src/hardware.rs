//! The hardware of a machine: lines of class, item, attribute and value, as eDeploy's `hardware-detect` writes them.
//!
//! A report comes from a machine that nobody knows yet: its size, its number of lines and the length of each value are
//! bounded, and numbers count as the text they are written as.

use std::fmt;

use edeploy_format::fleet::LINES_LIMIT as LINES;

use crate::literal::{Literal, LiteralError};

/// Bytes of a value, at most: the flags of a processor are some thousand.
const VALUE: usize = 16 << 10;

/// One line: class, item, attribute, value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Line(pub [String; 4]);

/// All lines of a machine, in the order of its report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// The lines.
    pub lines: Vec<Line>,
}

/// Why a text is no hardware report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HardwareError {
    /// Neither JSON nor Python.
    #[error("not a hardware report")]
    Literal(#[from] LiteralError),
    /// Another value than a list.
    #[error("not a hardware report: {0} in place of a list of lines")]
    NoList(&'static str),
    /// Too many lines.
    #[error("{0} lines: more than {LINES}")]
    TooMany(usize),
    /// A line is something else.
    #[error("line {0}: not four values, each a text or a number")]
    Line(usize),
    /// A value is too long.
    #[error("line {0}: a value of more than {VALUE} bytes")]
    Long(usize),
}

impl Hardware {
    /// Reads a report.
    ///
    /// # Errors
    /// [`HardwareError`].
    pub fn read(bytes: &[u8]) -> Result<Self, HardwareError> {
        let list = Literal::read(bytes)?;
        let members = list.members().ok_or(HardwareError::NoList(list.kind()))?;
        if members.len() > LINES {
            return Err(HardwareError::TooMany(members.len()));
        }
        let lines = members.iter().enumerate().map(|(n, member)| line(member, n + 1));
        Self::of(lines.collect::<Result<_, _>>()?)
    }

    /// A report that has its form already.
    ///
    /// # Errors
    /// [`HardwareError::TooMany`], [`HardwareError::Long`].
    pub fn of(lines: Vec<[String; 4]>) -> Result<Self, HardwareError> {
        if lines.len() > LINES {
            return Err(HardwareError::TooMany(lines.len()));
        }
        let long = |line: &[String; 4]| line.iter().any(|value| value.len() > VALUE);
        match lines.iter().position(long) {
            Some(at) => Err(HardwareError::Long(at + 1)),
            None => Ok(Self { lines: lines.into_iter().map(Line).collect() }),
        }
    }
}

fn line(member: &Literal, number: usize) -> Result<[String; 4], HardwareError> {
    let values: Option<Vec<String>> =
        member.members().and_then(|values| values.iter().map(Literal::text).collect());
    let four = values.and_then(|values| <[String; 4]>::try_from(values).ok());
    four.ok_or(HardwareError::Line(number))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [class, item, attribute, value] = self.0.each_ref().map(|field| shortened(field));
        write!(f, "{class} {item} {attribute} {value}")
    }
}

/// A value that does not fill a screen.
pub(crate) fn shortened(value: &str) -> String {
    const MOST: usize = 60;
    match value.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(source: &[u8]) -> String {
        Hardware::read(source).expect_err("it is read").to_string()
    }

    #[test]
    fn numbers_are_text() {
        let hardware = Hardware::read(br#"[["cpu", "logical", "number", 8]]"#).unwrap();
        assert_eq!(hardware.lines, [Line(["cpu", "logical", "number", "8"].map(str::to_owned))]);
    }

    #[test]
    fn hostile_reports_are_refused_with_the_line() {
        let long = format!("[['a','b','c','{}']]", "x".repeat(VALUE + 1));
        let many = format!("[{}]", "['a','b','c','d'],".repeat(LINES + 1));
        for (source, says) in [
            (&b"{}"[..], "not a hardware report: a dict in place of a list of lines"),
            (b"[['a','b','c']]", "line 1: not four values, each a text or a number"),
            (b"[['a','b','c','d'],['a','b','c',['d']]]", "line 2: not four values, each a text or a number"),
            (b"['abcd']", "line 1: not four values, each a text or a number"),
            (b"[['a\xff']]", "not a hardware report"),
            (long.as_bytes(), "line 1: a value of more than 16384 bytes"),
            (many.as_bytes(), "20001 lines: more than 20000"),
        ] {
            assert_eq!(wrong(source), says);
        }
    }
}
