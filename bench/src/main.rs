//! The program `bench`: parse, measure, say how it ended.

use std::process::ExitCode;

use bench::{cli::Cli, parts};
use clap::Parser;

fn main() -> ExitCode {
    match parts::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
