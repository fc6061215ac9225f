//! The program `edeploy-fleet`: parse, run, say how it ended.

use std::process::ExitCode;

use clap::Parser;
use edeploy_fleet::{cli::Cli, commands};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            eprintln!("edeploy-fleet: {failure}");
            ExitCode::from(failure.exit() as u8)
        }
    }
}
