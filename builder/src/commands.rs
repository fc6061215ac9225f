//! What each command does: one module per command, each with a `run` that takes its arguments.

pub mod diff;

use edeploy_format::exit::Exit;

use crate::answer;
use crate::cli::{Cli, Command};
use crate::failure::Failure;

/// Runs what was typed, and says how it ended.
///
/// # Errors
/// [`Failure`]: nothing was answered then.
pub fn run(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Diff(args) => {
            let differences = diff::run(args)?;
            answer::print(cli.json, &differences);
            Ok(differences.exit())
        }
    }
}
