//! What the program says: the answer of a command on standard output, text for people or one JSON object for programs,
//! and lines beside it on standard error. Nobody may be there any more to read either.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

use serde::Serialize;

/// Prints `value`, as JSON when asked for. The command has done its work: that nobody reads of it to the end is no failure,
/// and what else goes wrong is said on standard error.
pub fn print<T: Serialize + Display>(json: bool, value: &T) {
    let text =
        if json { serde_json::to_string(value).expect("answers have plain keys") } else { value.to_string() };
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            say(&format!("what was asked for is done, but: writing the answer to standard output: {e}"));
        }
        _ => {}
    }
}

/// A line on standard error; when that is closed or full, nobody listens.
pub fn say(line: &str) {
    let _ = stderr().write_all(format!("{line}\n").as_bytes());
}
