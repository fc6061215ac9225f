//! A command's failure: what to say, and the exit code that goes with it.

use std::error::Error;
use std::fmt;

use edeploy_format::exit::Exit;

/// Why a command failed, with the kind of fault its exit code tells.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure of this kind.
    pub fn new(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(&*self.error))
    }
}

/// An error and all its sources on one line.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut said = text.clone();
    let mut source = error.source();
    while let Some(cause) = source {
        let next = cause.to_string();
        // An error that only passes another on says the same as its source.
        if next != said {
            text = format!("{text}: {next}");
        }
        said = next;
        source = cause.source();
    }
    text
}
