//! How a failed command ends: one line for the operator and an exit code for the caller.
//!
//! Every module has its own error enum; [`Fault`] adds the exit code, and `?` in a command does the rest.

mod keyless;

use std::error::Error;
use std::fmt;

use edeploy_format::exit::Exit;

/// An error of a module, which knows the exit code of the program it ends.
pub trait Fault: Error + 'static {
    /// The exit code, by kind of fault.
    fn exit(&self) -> Exit;
}

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    cause: Box<dyn Error>,
}

impl Failure {
    /// The exit code of the program.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl<E: Fault> From<E> for Failure {
    fn from(fault: E) -> Self {
        Self { exit: fault.exit(), cause: Box::new(fault) }
    }
}

impl fmt::Display for Failure {
    /// The error and its sources, joined by colons.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.cause.to_string();
        let mut source = self.cause.source();
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        f.write_str(&keyless::without_keys(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("reading recipe.toml")]
    struct Unreadable(#[source] std::io::Error);

    impl Fault for Unreadable {
        fn exit(&self) -> Exit {
            Exit::Input
        }
    }

    #[test]
    fn a_private_key_in_what_is_quoted_is_not_shown() {
        let key = "MC4CAQAwBQYDK2VwBCIEIPlYa6RtZsvxLDvYo3GeKfZcvDTR34VtwdFROXH0SYo8";
        let error = std::io::Error::other(format!("{key:?} is no role, {key}== neither"));
        let failure = Failure::from(Unreadable(error));
        let expected = "reading recipe.toml: \"(a private key)\" is no role, (a private key) neither";
        assert_eq!(failure.to_string(), expected);
    }

    #[test]
    fn a_failure_names_all_its_causes_on_one_line() {
        let failure = Failure::from(Unreadable(std::io::Error::other("no such file")));
        assert_eq!(failure.to_string(), "reading recipe.toml: no such file");
        assert_eq!(failure.exit(), Exit::Input);
    }
}
