//! What the program says: answers on standard output, lines beside them on standard error. Nobody may be there any more to
//! read either.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stderr, stdout};

/// Prints the answer of a command that has done its work: that nobody reads of it to the end is no failure, and what else
/// goes wrong is said on standard error.
pub fn print(text: &impl Display) {
    let mut out = stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => {
            say(&format!("what was asked for is done, but: writing the answer to standard output: {e}"));
        }
        _ => {}
    }
}

/// A line of the program on standard error; when that is closed or full, nobody listens.
pub fn say(line: &str) {
    let _ = stderr().write_all(format!("edeploy-fleet: {line}\n").as_bytes());
}
