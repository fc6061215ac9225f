//! Spec lines: what a profile asks of a machine.
//!
//! A line has the four fields of a hardware line. Each is a text to be equal to, `$name` (any value, remembered),
//! `$$name` (the same, and it picks the entry of the configuration database), a function of the value, or
//! `$name=function(…)`. The functions are in [`function`]. A name stands for one value in all lines. What looks like a
//! call and is none of the functions is a text.

pub mod function;

use std::fmt;

use crate::literal::{Literal, LiteralError};
use function::{Function, FunctionError};

/// Lines of a profile, at most.
const LINES: usize = 1000;

/// A name for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name, without `$`.
    pub name: String,
    /// Whether it was written with `$$`.
    pub picks_entry: bool,
}

/// What a value must be.
#[derive(Clone, Debug)]
pub enum Test {
    /// Anything.
    Any,
    /// Equal to this.
    Equal(String),
    /// What the function says.
    Function(Function),
}

impl Test {
    /// Whether a value is so.
    #[must_use]
    pub fn holds(&self, value: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equal(text) => text == value,
            Self::Function(function) => function.holds(value),
        }
    }

    /// Why it most likely never holds, if so.
    fn doubt(&self) -> Option<String> {
        match self {
            Self::Equal(text) if function::begins(text) => Some(format!(
                "{text} is a text to be equal to: a function ends with its closing parenthesis, and has an argument"
            )),
            Self::Function(Function::Range(low, high)) if low > high => {
                Some(format!("no number is in range({low}, {high})"))
            }
            Self::Any | Self::Equal(_) | Self::Function(_) => None,
        }
    }
}

/// One field of a spec line.
#[derive(Clone, Debug)]
pub struct Field {
    /// As it was written.
    pub text: String,
    /// The name it gives to the value.
    pub variable: Option<Variable>,
    /// What the value must be.
    pub test: Test,
}

/// One spec line.
#[derive(Clone, Debug)]
pub struct SpecLine(pub [Field; 4]);

impl SpecLine {
    /// The names that it gives.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|field| field.variable.as_ref())
    }
}

/// All spec lines of a profile, in their order.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The lines.
    pub lines: Vec<SpecLine>,
}

/// Why a text holds no spec lines.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// Neither JSON nor Python.
    #[error("no spec lines")]
    Literal(#[from] LiteralError),
    /// Another value than a list.
    #[error("no spec lines: {0} in place of a list of lines")]
    NoList(&'static str),
    /// Too many lines.
    #[error("{0} lines: more than {LINES}")]
    TooMany(usize),
    /// A line is something else.
    #[error("line {0}: not four fields, each a text or a number (is a comma missing?)")]
    Line(usize),
    /// A function that cannot be.
    #[error("line {line}: {text}")]
    Function {
        /// Which line, from 1 on.
        line: usize,
        /// The field.
        text: String,
        /// What is wrong with it.
        #[source]
        source: FunctionError,
    },
    /// `$` without a name.
    #[error("line {line}: {text}: a name is missing after $")]
    NoName {
        /// Which line, from 1 on.
        line: usize,
        /// The field.
        text: String,
    },
}

impl Spec {
    /// Reads spec lines.
    ///
    /// # Errors
    /// [`SpecError`].
    pub fn read(bytes: &[u8]) -> Result<Self, SpecError> {
        Self::of(&Literal::read(bytes)?)
    }

    /// The spec lines that a value holds.
    ///
    /// # Errors
    /// [`SpecError`], but that of reading.
    pub fn of(list: &Literal) -> Result<Self, SpecError> {
        let members = list.members().ok_or(SpecError::NoList(list.kind()))?;
        if members.len() > LINES {
            return Err(SpecError::TooMany(members.len()));
        }
        let lines = members.iter().enumerate().map(|(n, member)| spec_line(member, n + 1));
        Ok(Self { lines: lines.collect::<Result<_, _>>()? })
    }

    /// What is most likely not meant, if anything.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let of_line = |(n, line): (usize, &SpecLine)| {
            let doubt = line.0.iter().find_map(|field| field.test.doubt())?;
            Some(format!("line {}: {doubt}", n + 1))
        };
        self.lines.iter().enumerate().find_map(of_line)
    }
}

fn spec_line(member: &Literal, line: usize) -> Result<SpecLine, SpecError> {
    let texts: Option<Vec<String>> =
        member.members().and_then(|fields| fields.iter().map(Literal::text).collect());
    let fields = texts.ok_or(SpecError::Line(line))?.into_iter().map(|text| field(text, line));
    let fields = fields.collect::<Result<Vec<Field>, _>>()?;
    Ok(SpecLine(<[Field; 4]>::try_from(fields).map_err(|_| SpecError::Line(line))?))
}

fn field(text: String, line: usize) -> Result<Field, SpecError> {
    let (variable, rest) = match text.strip_prefix('$') {
        None => (None, Some(&*text)),
        Some(named) => {
            let (picks_entry, named) = match named.strip_prefix('$') {
                Some(named) => (true, named),
                None => (false, named),
            };
            // What is compared may have a = of its own.
            let (name, rest) = match named.split_once('=') {
                Some((name, rest)) => (name, Some(rest)),
                None => (named, None),
            };
            if name.is_empty() {
                return Err(SpecError::NoName { line, text });
            }
            (Some(Variable { name: name.to_owned(), picks_entry }), rest)
        }
    };
    let test = match rest.map(Function::read) {
        None => Test::Any,
        Some(Ok(Some(function))) => Test::Function(function),
        Some(Ok(None)) => Test::Equal(rest.unwrap_or_default().to_owned()),
        Some(Err(source)) => return Err(SpecError::Function { line, text, source }),
    };
    Ok(Field { text, variable, test })
}

impl fmt::Display for SpecLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<&str> = self.0.iter().map(|field| &*field.text).collect();
        f.write_str(&texts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field_of(text: &str) -> (Option<(String, bool)>, Test) {
        let field = field(text.to_owned(), 1).unwrap();
        (field.variable.map(|variable| (variable.name, variable.picks_entry)), field.test)
    }

    #[test]
    fn what_is_most_likely_not_meant_is_told() {
        let doubt = |field: &str| {
            let lines =
                serde_json::json!([["system", "product", "name", "X"], ["disk", "$d", "size", field]]);
            Spec::read(lines.to_string().as_bytes()).unwrap().doubt()
        };
        for sound in ["ge(4)", "$x=range(1, 5)", "x(y", "Server (rack)", "$$size", "range(5,5)"] {
            assert_eq!(doubt(sound), None, "{sound}");
        }
        assert_eq!(doubt("$x=range(5,1)").unwrap(), "line 2: no number is in range(5, 1)");
        for text in ["in(\"a\",b", "gt()", "gt(4) "] {
            let says =
                "is a text to be equal to: a function ends with its closing parenthesis, and has an argument";
            assert_eq!(doubt(text).unwrap(), format!("line 2: {text} {says}"));
        }
    }

    #[test]
    fn a_field_is_a_text_a_name_a_function_or_both() {
        let named = |name: &str, picks| Some((name.to_owned(), picks));
        assert!(matches!(field_of("disk"), (None, Test::Equal(text)) if text == "disk"));
        assert!(matches!(field_of("$d"), (v, Test::Any) if v == named("d", false)));
        assert!(matches!(field_of("$$tag"), (v, Test::Any) if v == named("tag", true)));
        let (variable, test) = field_of("$$size=and(gt(4), lt(12))");
        assert_eq!(variable, named("size", true));
        assert!(test.holds("5") && !test.holds("12"));
        let (_, test) = field_of("$x=regexp(^a=b$)");
        assert!(test.holds("a=b") && !test.holds("a"));
        assert!(matches!(field_of("edeploy_test_vm ()"), (None, Test::Equal(_))));
        assert!(matches!(field_of("System (SKU=1)"), (None, Test::Equal(_))));
    }

    #[test]
    fn what_cannot_be_is_named_with_its_line() {
        let wrong = |source: &str| Spec::read(source.as_bytes()).expect_err(source).to_string();
        assert_eq!(
            wrong("[('a','b','c','d'),('disk','$','size','1')]"),
            "line 2: $: a name is missing after $"
        );
        assert_eq!(
            wrong("[('a','b','c' 'd')]"),
            "line 1: not four fields, each a text or a number (is a comma missing?)"
        );
        assert_eq!(wrong("[('a','b','c','gt(many)')]"), "line 1: gt(many)");
    }
}
