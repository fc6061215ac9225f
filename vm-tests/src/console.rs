//! What a console shows, as a person reads it.

/// The newest line that is not empty.
#[must_use]
pub fn newest_line(console: &str) -> String {
    console.lines().rev().map(visible).find(|line| !line.is_empty()).unwrap_or_default()
}

/// A line of the console without what only a terminal understands.
fn visible(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            // A control sequence ends with a letter.
            '\u{1b}' => drop(rest.by_ref().find(char::is_ascii_alphabetic)),
            c if c.is_control() => {}
            c => text.push(c),
        }
    }
    text.trim().to_owned()
}
