//! The answer of a command on standard output: text for people, one JSON object for programs.

use std::fmt::Display;

use serde::Serialize;

/// Prints `value`, as JSON when asked for.
pub fn print<T: Serialize + Display>(json: bool, value: &T) {
    if json {
        println!("{}", serde_json::to_string(value).expect("answers have plain keys"));
    } else {
        println!("{value}");
    }
}
