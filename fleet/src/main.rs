//! The program `edeploy-fleet`: parse, run, say how it ended.

use std::process::ExitCode;

use clap::Parser;
use edeploy_fleet::{answer, cli::Cli, commands};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            answer::say(&failure.to_string());
            ExitCode::from(failure.exit() as u8)
        }
    }
}
