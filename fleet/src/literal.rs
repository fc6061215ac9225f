//! Values of files that eDeploy kept as Python: lists, tuples, dicts, texts, numbers; read, never evaluated.
//!
//! What is valid JSON is read as JSON, anything else as a literal of Python 2 or 3: comments, both quotes and three of
//! them, prefixes `u`, `b`, `r`, escapes, adjacent texts, trailing commas. Beyond literals only one thing is known: a
//! call `name(…)` with literals as arguments, for `generate({…})`. Nesting and length are bounded, so a hostile file
//! costs no more than its length. The source of the grammar is the Python Language Reference, chapter 2.

mod read;

use std::fmt;

pub use read::LiteralError;

/// Files longer than this are refused.
pub const LONGEST: usize = 16 << 20;
/// Lists in lists in lists: no more than this.
pub(crate) const DEEPEST: usize = 64;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// A number without a fraction.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// `[…]`.
    List(Vec<Literal>),
    /// `(…)`.
    Tuple(Vec<Literal>),
    /// `{…}`, in the order of the file.
    Dict(Vec<(Literal, Literal)>),
    /// `name(…)`.
    Call(String, Vec<Literal>),
}

impl Literal {
    /// Reads a file: one value and nothing else.
    ///
    /// # Errors
    /// [`LiteralError`], with its line and column.
    pub fn read(bytes: &[u8]) -> Result<Self, LiteralError> {
        if bytes.len() > LONGEST {
            return Err(LiteralError::too_long());
        }
        match serde_json::from_slice::<serde_json::Value>(bytes) {
            Ok(value) => Ok(Self::from(value)),
            Err(_) => read::read(bytes),
        }
    }

    /// The members of a list or tuple.
    #[must_use]
    pub fn members(&self) -> Option<&[Self]> {
        match self {
            Self::List(members) | Self::Tuple(members) => Some(members),
            Self::None
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Dict(_)
            | Self::Call(..) => None,
        }
    }

    /// The text of a simple value, as Python shows it; `None` for one that has parts.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::None => Some("None".to_owned()),
            Self::Bool(true) => Some("True".to_owned()),
            Self::Bool(false) => Some("False".to_owned()),
            Self::Int(number) => Some(number.to_string()),
            Self::Float(number) => Some(shown(*number)),
            Self::Text(text) => Some(text.clone()),
            Self::List(_) | Self::Tuple(_) | Self::Dict(_) | Self::Call(..) => None,
        }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Bool(_) => "a truth value",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dict",
            Self::Call(..) => "a call",
        }
    }
}

/// A number as Python shows it: the shortest digits that read as this number, always with a fraction or an exponent.
fn shown(number: f64) -> String {
    let exact = format!("{number:e}");
    // What is too large is infinite, and has none.
    let Some((digits, exponent)) = exact.split_once('e') else { return exact };
    match exponent.parse::<i32>() {
        Ok(-4..16) => format!("{number:?}"),
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{digits}e{sign}{:02}", exponent.abs())
        }
        Err(_) => exact.clone(),
    }
}

impl From<serde_json::Value> for Literal {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::None,
            Value::Bool(value) => Self::Bool(value),
            Value::Number(number) => {
                number.as_i64().map_or_else(|| Self::Float(number.as_f64().unwrap_or(f64::NAN)), Self::Int)
            }
            Value::String(text) => Self::Text(text),
            Value::Array(members) => Self::List(members.into_iter().map(Self::from).collect()),
            Value::Object(members) => {
                Self::Dict(members.into_iter().map(|(key, value)| (Self::Text(key), value.into())).collect())
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(&text),
            None => f.write_str(self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Literal {
        Literal::Text(text.to_owned())
    }

    fn read(source: &str) -> Literal {
        Literal::read(source.as_bytes()).unwrap_or_else(|e| panic!("{source}: {e}"))
    }

    fn wrong(source: &str) -> String {
        Literal::read(source.as_bytes()).expect_err(source).to_string()
    }

    #[test]
    fn a_long_number_is_the_same_in_either_form() {
        let exact = Literal::Float(7.777_777_777_777_778e40);
        assert_eq!(read("7.777777777777778e+40"), exact);
        assert_eq!(read("(7.777777777777778e+40,)"), Literal::Tuple(vec![exact]));
    }

    #[test]
    fn python_and_json_give_the_same() {
        let python =
            "# a machine\n[('disk', u\"sda\", 'size',\n  '1' '00'), # more\n ('cpu', r'a\\b', 'n', 4,),]\n";
        let json = r#"[["disk","sda","size","100"],["cpu","a\\b","n",4]]"#;
        let lines = |list: Literal| {
            list.members().unwrap().iter().map(|line| line.members().unwrap().to_vec()).collect::<Vec<_>>()
        };
        let expected = vec![
            vec![text("disk"), text("sda"), text("size"), text("100")],
            vec![text("cpu"), text("a\\b"), text("n"), Literal::Int(4)],
        ];
        assert_eq!(lines(read(python)), expected);
        assert_eq!(lines(read(json)), expected);
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let dict = read("{'a': None, 'b': True, 'c': -1.5, 'd': (), 'e': (1,), 'f': 0x10, 'g': 1e3}");
        let Literal::Dict(members) = dict else { panic!("{dict:?}") };
        let values: Vec<Literal> = members.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                Literal::None,
                Literal::Bool(true),
                Literal::Float(-1.5),
                Literal::Tuple(vec![]),
                Literal::Tuple(vec![Literal::Int(1)]),
                Literal::Int(16),
                Literal::Float(1000.0),
            ]
        );
        assert_eq!(read("('a')"), text("a"));
        assert_eq!(read("generate({'a': '1-3'})"), {
            let model = Literal::Dict(vec![(text("a"), text("1-3"))]);
            Literal::Call("generate".to_owned(), vec![model])
        });
    }

    #[test]
    fn escapes_are_those_of_python() {
        assert_eq!(read(r"'a\x41\u00e4\n\'\\\q'"), text("aAä\n'\\\\q"));
        assert_eq!(read("'a\\\nb'"), text("ab"));
        assert_eq!(read("'''a\n'b'''"), text("a\n'b"));
        assert_eq!(read(r"b'\xc3'"), text("Ã"));
    }

    #[test]
    fn escapes_of_one_letter_and_in_octal_are_those_of_python() {
        assert_eq!(read(r"'\a\b\f\v'"), text("\x07\x08\x0c\x0b"));
        assert_eq!(read(r"'\012\0\08\1011\377'"), text("\n\0\x008A1ÿ"));
    }

    #[test]
    fn numbers_are_shown_as_python_shows_them() {
        for (source, shows) in [
            ("8.0", "8.0"),
            ("-1.5", "-1.5"),
            ("1e3", "1000.0"),
            ("1e15", "1000000000000000.0"),
            ("1e16", "1e+16"),
            ("1.5e-5", "1.5e-05"),
            ("0.0001", "0.0001"),
            ("-0.0", "-0.0"),
            ("0.1", "0.1"),
            ("1e999", "inf"),
            ("00", "0"),
            ("-0x10", "-16"),
            ("08.5", "8.5"),
            ("7L", "7"),
        ] {
            assert_eq!(read(source).to_string(), shows, "{source}");
        }
    }

    #[test]
    fn what_python_does_not_take_for_a_number_or_an_escape_is_refused_with_its_place() {
        let octal = "line 1, column 2: `010` is no number: one that begins with 0 is octal to Python 2";
        assert_eq!(wrong("[010]"), octal);
        for number in ["+inf", "-nan", "-Infinity", "+-1", "0x+1", "0x"] {
            let says = wrong(&format!("[{number}]"));
            assert!(says.starts_with("line 1, column 2: `"), "{number}: {says}");
        }
        assert_eq!(wrong(r"['\x+f']"), "line 1, column 5: 2 hex digits of a character are missing");
        assert_eq!(wrong(r"['\u 12f']"), "line 1, column 5: 4 hex digits of a character are missing");
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        assert_eq!(wrong("[1,\n 2 3]"), "line 2, column 4: `,` or `]` is missing");
        assert_eq!(wrong("['a"), "line 1, column 2: the text that begins here does not end");
        assert_eq!(wrong("[1] x"), "line 1, column 5: something follows the value");
        assert_eq!(wrong("os.system('x')"), "line 1, column 3: something follows the value");
        assert_eq!(wrong("{1}"), "line 1, column 3: `:` is missing");
        assert_eq!(wrong(""), "line 1, column 1: a value is missing");
        assert_eq!(
            wrong("[__import__('os')]"),
            "line 1, column 2: `__import__` is neither a value nor known"
        );
    }

    #[test]
    fn a_deep_one_is_refused_and_costs_no_stack() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(wrong(&deep), "line 1, column 66: nested deeper than 64");
    }
}
