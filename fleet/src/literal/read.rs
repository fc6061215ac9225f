//! The reader: one pass over the characters, no look back.

use super::{DEEPEST, LONGEST, Literal};

/// Calls that may stand where a value stands.
const CALLS: [&str; 1] = ["generate"];

/// Why a file is no literal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct LiteralError {
    line: usize,
    column: usize,
    what: String,
}

impl LiteralError {
    pub(super) fn too_long() -> Self {
        Self { line: 1, column: 1, what: format!("longer than {LONGEST} bytes") }
    }
}

type Result<T> = std::result::Result<T, LiteralError>;

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// One value and nothing else.
pub(super) fn read(bytes: &[u8]) -> Result<Literal> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(e) => {
            let good = std::str::from_utf8(&bytes[..e.valid_up_to()]).unwrap_or_default();
            return Err(Reader { text: good, at: good.len(), depth: 0 }.wrong("not UTF-8"));
        }
    };
    let mut reader = Reader { text: text.trim_start_matches('\u{feff}'), at: 0, depth: 0 };
    let value = reader.value()?;
    reader.space();
    if reader.at < reader.text.len() {
        return Err(reader.wrong("something follows the value"));
    }
    Ok(value)
}

impl<'a> Reader<'a> {
    fn wrong(&self, what: impl Into<String>) -> LiteralError {
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        LiteralError { line, column, what: what.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Passes over white space, comments and continued lines.
    fn space(&mut self) {
        loop {
            let trimmed = self.rest().trim_start();
            self.at = self.text.len() - trimmed.len();
            match trimmed.as_bytes() {
                [b'#', ..] => self.at += trimmed.find('\n').unwrap_or(trimmed.len()),
                [b'\\', b'\n', ..] => self.at += 2,
                _ => return,
            }
        }
    }

    fn value(&mut self) -> Result<Literal> {
        self.space();
        match self.peek() {
            Some('[') => Ok(Literal::List(self.members(']')?.0)),
            Some('(') => Ok(match self.members(')')? {
                // Only a comma makes a tuple of one.
                (mut members, false) if members.len() == 1 => members.remove(0),
                (members, _) => Literal::Tuple(members),
            }),
            Some('{') => self.dict(),
            Some('\'' | '"') => self.texts(),
            Some('-' | '+' | '.' | '0'..='9') => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.word(),
            Some(_) | None => Err(self.wrong("a value is missing")),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong(format!("nested deeper than {DEEPEST}")));
        }
        let read = read(self);
        self.depth -= 1;
        read
    }

    /// What stands between a bracket and `end`, and whether a comma came last.
    fn members(&mut self, end: char) -> Result<(Vec<Literal>, bool)> {
        self.at += 1;
        self.deeper(|reader| {
            let (mut members, mut comma) = (Vec::new(), false);
            loop {
                reader.space();
                if reader.take(end) {
                    return Ok((members, comma));
                }
                if !members.is_empty() && !comma {
                    return Err(reader.wrong(format!("`,` or `{end}` is missing")));
                }
                members.push(reader.value()?);
                reader.space();
                comma = reader.take(',');
            }
        })
    }

    fn dict(&mut self) -> Result<Literal> {
        self.at += 1;
        self.deeper(|reader| {
            let (mut members, mut comma) = (Vec::new(), true);
            loop {
                reader.space();
                if reader.take('}') {
                    return Ok(Literal::Dict(members));
                }
                if !comma {
                    return Err(reader.wrong("`,` or `}` is missing"));
                }
                let key = reader.value()?;
                reader.space();
                if !reader.take(':') {
                    return Err(reader.wrong("`:` is missing"));
                }
                members.push((key, reader.value()?));
                reader.space();
                comma = reader.take(',');
            }
        })
    }

    /// A name: a constant, a prefix of a text, or a call that is known.
    fn word(&mut self) -> Result<Literal> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, next) = (rest[..length].to_owned(), rest[length..].chars().next());
        if matches!(next, Some('\'' | '"')) && name.len() <= 2 {
            return self.texts();
        }
        let value = match &*name {
            "None" | "null" => Literal::None,
            "True" | "true" => Literal::Bool(true),
            "False" | "false" => Literal::Bool(false),
            call if CALLS.contains(&call) && next == Some('(') => {
                self.at += length;
                return Ok(Literal::Call(name, self.members(')')?.0));
            }
            _ if next == Some('.') => {
                self.at += length;
                return Err(self.wrong("something follows the value"));
            }
            _ => return Err(self.wrong(format!("`{name}` is neither a value nor known"))),
        };
        self.at += length;
        Ok(value)
    }

    fn number(&mut self) -> Result<Literal> {
        let rest = self.rest();
        let mut length = 0;
        for (n, c) in rest.char_indices() {
            let sign = matches!(c, '+' | '-') && (n == 0 || rest[..n].ends_with(['e', 'E']));
            if !(sign || c.is_ascii_alphanumeric() || c == '.' || c == '_') {
                break;
            }
            length = n + 1;
        }
        let text = rest[..length].replace('_', "");
        // Python 2 wrote long numbers with an L.
        let digits = text.strip_suffix(['L', 'l']).unwrap_or(&text);
        let wrong = |why: &str| self.wrong(format!("`{text}` is no number{why}"));
        let (sign, plain) = match digits.strip_prefix(['+', '-']) {
            Some(plain) => (&digits[..1], plain),
            None => ("", digits),
        };
        // Not inf, nan, or another sign.
        if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return Err(wrong(""));
        }
        let whole = match plain.strip_prefix("0x").or_else(|| plain.strip_prefix("0X")) {
            Some(hex) if !hex.starts_with('+') => i64::from_str_radix(&format!("{sign}{hex}"), 16).ok(),
            Some(_) => None,
            None => digits.parse::<i64>().ok(),
        };
        let octal = plain.len() > 1 && plain.starts_with('0') && plain.bytes().all(|c| c.is_ascii_digit());
        if octal && plain.bytes().any(|c| c != b'0') {
            return Err(wrong(": one that begins with 0 is octal to Python 2"));
        }
        let value = match (whole, digits.parse::<f64>()) {
            (Some(number), _) => Literal::Int(number),
            (None, Ok(number)) => Literal::Float(number),
            (None, Err(_)) => return Err(wrong("")),
        };
        self.at += length;
        Ok(value)
    }

    /// One text, or several beside each other.
    fn texts(&mut self) -> Result<Literal> {
        let mut all = String::new();
        loop {
            self.one_text(&mut all)?;
            self.space();
            let rest = self.rest();
            let quote = rest.find(['\'', '"']).unwrap_or(rest.len());
            let prefix = quote <= 2 && rest[..quote].chars().all(|c| c.is_ascii_alphabetic());
            if quote == rest.len() || !prefix {
                return Ok(Literal::Text(all));
            }
        }
    }

    fn one_text(&mut self, to: &mut String) -> Result<()> {
        let start = self.at;
        let raw = self.prefix()?;
        let quote = self.peek().unwrap_or('\'');
        let triple = quote.to_string().repeat(3);
        let long = self.rest().starts_with(&triple);
        self.at += if long { 3 } else { 1 };
        loop {
            let Some(c) = self.peek() else {
                self.at = start;
                return Err(self.wrong("the text that begins here does not end"));
            };
            if c == quote && (!long || self.rest().starts_with(&triple)) {
                self.at += if long { 3 } else { 1 };
                return Ok(());
            }
            if c == '\n' && !long {
                return Err(self.wrong("the text does not end on its line"));
            }
            self.at += c.len_utf8();
            match c {
                '\\' if raw => {
                    to.push(c);
                    to.extend(self.next());
                }
                '\\' => self.escape(to)?,
                c => to.push(c),
            }
        }
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// The letters before a quote; whether they make it raw.
    fn prefix(&mut self) -> Result<bool> {
        let rest = self.rest();
        let length = rest.find(['\'', '"']).unwrap_or(0);
        let letters = rest[..length].to_ascii_lowercase();
        if !matches!(&*letters, "" | "u" | "b" | "r" | "br" | "rb" | "ur") {
            return Err(self.wrong(format!("`{letters}` before a text is not known")));
        }
        self.at += length;
        Ok(letters.contains('r'))
    }

    fn escape(&mut self, to: &mut String) -> Result<()> {
        let c = self.next().ok_or_else(|| self.wrong("the file ends within a text"))?;
        match c {
            '\n' => {}
            'n' => to.push('\n'),
            't' => to.push('\t'),
            'r' => to.push('\r'),
            'a' => to.push('\x07'),
            'b' => to.push('\x08'),
            'f' => to.push('\x0c'),
            'v' => to.push('\x0b'),
            '0'..='7' => {
                let mut code = c as u32 - u32::from(b'0');
                for _ in 0..2 {
                    let Some(digit) = self.peek().and_then(|c| c.to_digit(8)) else { break };
                    self.at += 1;
                    code = code * 8 + digit;
                }
                to.extend(char::from_u32(code));
            }
            '\\' | '\'' | '"' => to.push(c),
            'x' => to.push(self.code(2)?),
            'u' => to.push(self.code(4)?),
            'U' => to.push(self.code(8)?),
            // Python leaves what it does not know as it is.
            other => to.extend(['\\', other]),
        }
        Ok(())
    }

    fn code(&mut self, digits: usize) -> Result<char> {
        let hex = self.rest().get(..digits).filter(|hex| hex.bytes().all(|c| c.is_ascii_hexdigit()));
        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let c = code.and_then(char::from_u32);
        let c = c.ok_or_else(|| self.wrong(format!("{digits} hex digits of a character are missing")))?;
        self.at += digits;
        Ok(c)
    }
}
