//! How a failed command ends: one line for the operator and an exit code for the caller.
//!
//! Every module has its own error enum; [`Fault`] adds the exit code, and `?` in a command does the rest.

use std::error::Error;
use std::fmt;

use edeploy_format::exit::Exit;

/// How the base64 of private keys begins that have no passphrase: Ed25519 in PKCS#8 v1 and v2, and OpenSSH's own form.
const PRIVATE: [&str; 3] = ["MC4CAQAwBQYDK2Vw", "MFECAQEwBQYDK2Vw", "b3BlbnNzaC1rZXktdjE"];

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
        f.write_str(&without_keys(text))
    }
}

/// Messages quote what they are about; where somebody put a private key into a recipe or a hook, it goes no further.
fn without_keys(mut text: String) -> String {
    while let Some(begin) = PRIVATE.iter().filter_map(|key| text.find(key)).min() {
        let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/=".contains(b);
        let length = text[begin..].bytes().take_while(|b| is_base64(b)).count();
        text.replace_range(begin..begin + length, "(a private key)");
    }
    text
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
