//! What a `.configure` of eDeploy says, as far as it can be told without running it.
//!
//! Statements that are not indented are looked at: `name = text`, `set_role(role, version, disk)` and
//! `config(path, …).write(text)`. All others, and whole blocks, are left over, each line with its number.

use super::expression::{Names, Part, Reader, literal_length, plain};

/// What was understood of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Configure {
    /// Role and version.
    pub role: Option<(String, String)>,
    /// The disk, over variables.
    pub disk: Option<Vec<Part>>,
    /// The files, in their order.
    pub files: Vec<Written>,
    /// Lines that were not, each with its number.
    pub left: Vec<(usize, String)>,
}

/// A file that is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub path: Vec<Part>,
    pub mode: String,
    pub uid: u32,
    pub gid: u32,
    pub text: Vec<Part>,
}

/// A statement and the number of its first line.
struct Statement<'a> {
    line: usize,
    source: &'a str,
}

/// Reads a file.
pub(super) fn read(source: &str) -> Configure {
    let mut configure = Configure::default();
    let mut names = Names::new();
    let mut role_at = None;
    for statement in statements(source) {
        let understood = if statement.source.starts_with([' ', '\t']) {
            None
        } else {
            understood(statement.source, &names)
        };
        match understood {
            Some(Means::Name(name, text)) => {
                names.insert(name, text);
            }
            Some(Means::Role { role, version, disk }) => {
                // The last one counts.
                configure.left.extend(role_at.replace((statement.line, statement.source.to_owned())));
                configure.role = Some((role, version));
                configure.disk = Some(disk);
            }
            Some(Means::File(file)) => configure.files.push(file),
            None => {
                // What a name stands for from here on is not known.
                names.retain(|name, _| !binds(statement.source, name));
                let lines = statement.source.lines().enumerate();
                let lines = lines.filter(|(_, line)| !line.trim().is_empty());
                configure.left.extend(lines.map(|(n, line)| (statement.line + n, line.to_owned())));
            }
        }
    }
    configure.left.sort();
    configure
}

/// Whether a statement gives a name another meaning: it stands before `=`, or after `for`, `import`, `as`, `del`.
fn binds(source: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let targets = match source.trim_start().strip_prefix("for ") {
        Some(rest) => rest.split_once(" in ").map_or(rest, |(targets, _)| targets),
        None if ["import ", "from ", "del ", "with ", "global "]
            .iter()
            .any(|w| source.trim_start().starts_with(w)) =>
        {
            source
        }
        // What is in brackets before it is an argument's.
        None => source.split_once('=').map_or("", |(before, _)| before).split('(').next().unwrap_or_default(),
    };
    words(targets).iter().any(|word| word == name)
}

/// What a statement means.
enum Means {
    Name(String, Vec<Part>),
    Role { role: String, version: String, disk: Vec<Part> },
    File(Written),
}

fn understood(source: &str, names: &Names) -> Option<Means> {
    let mut reader = Reader::new(source, names);
    if let Some(name) = reader.keyword() {
        let text = reader.text()?;
        return reader.is_done().then(|| Means::Name(name.to_owned(), text));
    }
    let means = match reader.word()? {
        "set_role" => role(&mut reader)?,
        "config" => Means::File(file(&mut reader)?),
        _ => return None,
    };
    reader.is_done().then_some(means)
}

fn role(reader: &mut Reader<'_>) -> Option<Means> {
    reader.take("(")?;
    let role = plain(&reader.text()?)?;
    reader.take(",")?;
    let version = plain(&reader.text()?)?;
    reader.take(",")?;
    let disk = reader.text()?;
    reader.take(")")?;
    Some(Means::Role { role, version, disk })
}

/// `(path, mode='w', fmod=0644, uid=0, gid=0).write(text)`.
fn file(reader: &mut Reader<'_>) -> Option<Written> {
    reader.take("(")?;
    let mut path = reader.text()?;
    let (mut mode, mut uid, mut gid) = ("0644".to_owned(), 0, 0);
    while reader.take(")").is_none() {
        reader.take(",")?;
        match reader.keyword() {
            None => (plain(&reader.text()?)? == "w").then_some(())?,
            Some("mode") => (plain(&reader.text()?)? == "w").then_some(())?,
            Some("fmod") => mode = octal(reader.word()?)?,
            Some("uid") => uid = reader.word()?.parse().ok()?,
            Some("gid") => gid = reader.word()?.parse().ok()?,
            Some(_) => return None,
        }
    }
    reader.take(".")?;
    (reader.word()? == "write").then_some(())?;
    reader.take("(")?;
    let text = reader.text()?;
    reader.take(")")?;
    // eDeploy joins it to the folder of the new root.
    match path.first() {
        Some(Part::Text(text)) if text.starts_with('/') => {}
        Some(_) | None => path.insert(0, Part::Text("/".to_owned())),
    }
    Some(Written { path, mode, uid, gid, text })
}

/// `0644` or `0o644`, as four digits.
fn octal(word: &str) -> Option<String> {
    let digits = word.strip_prefix("0o").or_else(|| word.strip_prefix('0'))?;
    let bits = u32::from_str_radix(digits, 8).ok().filter(|bits| *bits <= 0o7777)?;
    Some(format!("{bits:04o}"))
}

/// The statements of a file: lines, joined where a text or bracket goes on; without comments and empty lines.
fn statements(source: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut at = 0;
    while at < source.len() {
        let end = at + statement_length(&source[at..]);
        let text = &source[at..end];
        let trimmed = text.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            let line = source[..at].matches('\n').count() + 1;
            statements.push(Statement { line, source: without_comment(text.trim_end()) });
        }
        at = end + 1;
    }
    statements
}

/// Bytes up to the line break that ends the statement, or to the end.
fn statement_length(source: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        match c {
            '#' => at += rest.find('\n').unwrap_or(rest.len()),
            '\\' if rest[1..].starts_with('\n') => at += 2,
            // A text that does not end takes all that follows.
            '\'' | '"' => at += literal_length(rest).unwrap_or(rest.len()),
            '\n' if depth == 0 => return at,
            _ => {
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                at += c.len_utf8();
            }
        }
    }
    at
}

/// A statement without the comment at its end.
fn without_comment(source: &str) -> &str {
    let mut at = 0;
    while let Some(c) = source[at..].chars().next() {
        match c {
            '#' if !source[at..].contains('\n') => return source[..at].trim_end(),
            '\'' | '"' => match literal_length(&source[at..]) {
                Some(length) => at += length,
                None => return source,
            },
            _ => at += c.len_utf8(),
        }
    }
    source
}
