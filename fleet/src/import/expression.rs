//! Texts that Python would make: literals, `var['name']`, names, `+` and `%`; read as templates, never evaluated.
//!
//! Anything else is not understood, which is no error: the line is left to its reader.

use std::collections::BTreeMap;

use crate::literal::Literal;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it is.
    Text(String),
    /// The value of a variable.
    Variable(String),
}

/// Names of the file, and the texts they stand for.
pub(super) type Names = BTreeMap<String, Vec<Part>>;

/// What is in a text that has no variables.
pub(super) fn plain(parts: &[Part]) -> Option<String> {
    let text = |part: &Part| match part {
        Part::Text(text) => Some(text.clone()),
        Part::Variable(_) => None,
    };
    parts.iter().map(text).collect()
}

/// The length of the literal text at the beginning: its quotes and what is before them.
pub(super) fn literal_length(source: &str) -> Option<usize> {
    let start =
        source.find(['\'', '"']).filter(|start| source[..*start].chars().all(|c| "uUrRbB".contains(c)))?;
    let quotes = &source[start..];
    let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| quotes.starts_with(quote))?;
    let mut at = start + quote.len();
    loop {
        let rest = source.get(at..)?;
        match rest.chars().next()? {
            _ if rest.starts_with(quote) => return Some(at + quote.len()),
            '\\' => at += 1 + rest.chars().nth(1)?.len_utf8(),
            '\n' if quote.len() == 1 => return None,
            c => at += c.len_utf8(),
        }
    }
}

/// A reader of one expression.
pub(super) struct Reader<'a> {
    rest: &'a str,
    names: &'a Names,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a str, names: &'a Names) -> Self {
        Self { rest: source, names }
    }

    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.rest.trim().is_empty()
    }

    /// Passes over this; over nothing where something else stands there.
    pub(super) fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(token)?;
        Some(())
    }

    /// A name, or a number.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.rest = &rest[end..];
        (end > 0).then(|| &rest[..end])
    }

    /// The name before `=`, of an argument or an assignment.
    pub(super) fn keyword(&mut self) -> Option<&'a str> {
        let before = self.rest;
        let found = self.word().filter(|_| self.take("=").is_some() && !self.rest.starts_with('='));
        if found.is_none() {
            self.rest = before;
        }
        found
    }

    /// A text: terms joined by `+`.
    pub(super) fn text(&mut self) -> Option<Vec<Part>> {
        let mut parts = self.term()?;
        while self.take("+").is_some() {
            parts.extend(self.term()?);
        }
        Some(parts)
    }

    fn term(&mut self) -> Option<Vec<Part>> {
        let first = self.atom()?;
        if self.take("%").is_none() {
            return Some(first);
        }
        let format = plain(&first)?;
        let before = self.rest;
        if self.word() == Some("var") && !self.rest.trim_start().starts_with(['[', '.']) {
            return filled_by_name(&format);
        }
        self.rest = before;
        let mut values = Vec::new();
        if self.take("(").is_some() {
            while self.take(")").is_none() {
                values.push(self.text()?);
                if self.take(",").is_none() {
                    self.take(")")?;
                    break;
                }
            }
        } else {
            values.push(self.atom()?);
        }
        filled_in_order(&format, values)
    }

    fn atom(&mut self) -> Option<Vec<Part>> {
        if self.take("(").is_some() {
            let inner = self.text()?;
            self.take(")")?;
            return Some(inner);
        }
        self.rest = self.rest.trim_start();
        if let Some(mut length) = literal_length(self.rest) {
            // One beside the other is one text.
            loop {
                let after = &self.rest[length..];
                let gap = after.len() - after.trim_start().len();
                match literal_length(after.trim_start()) {
                    Some(more) => length += gap + more,
                    None => break,
                }
            }
            let (source, rest) = self.rest.split_at(length);
            self.rest = rest;
            let Ok(Literal::Text(text)) = Literal::read(format!("({source})").as_bytes()) else {
                return None;
            };
            return Some(vec![Part::Text(text)]);
        }
        let name = self.word()?;
        if name != "var" {
            return self.names.get(name).cloned();
        }
        self.take("[")?;
        let key = plain(&self.atom()?)?;
        self.take("]")?;
        Some(vec![Part::Variable(key)])
    }
}

/// `format % var`.
fn filled_by_name(format: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        parts.push(Part::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('%') {
            parts.push(Part::Text("%".to_owned()));
            rest = after;
            continue;
        }
        let (name, after) = after.strip_prefix('(')?.split_once(')')?;
        rest = after.strip_prefix('s')?;
        parts.push(Part::Variable(name.to_owned()));
    }
    parts.push(Part::Text(rest.to_owned()));
    Some(parts)
}

/// `format % (a, b)`.
fn filled_in_order(format: &str, values: Vec<Vec<Part>>) -> Option<Vec<Part>> {
    let mut values = values.into_iter();
    let mut parts = Vec::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        parts.push(Part::Text(before.to_owned()));
        if let Some(after) = after.strip_prefix('%') {
            parts.push(Part::Text("%".to_owned()));
            rest = after;
        } else {
            rest = after.strip_prefix('s')?;
            parts.extend(values.next()?);
        }
    }
    parts.push(Part::Text(rest.to_owned()));
    values.next().is_none().then_some(parts)
}
