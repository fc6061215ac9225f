//! The program `rolebuild`: parse, run, say how it ended.

use std::process::ExitCode;

use clap::Parser;
use rolebuild::{answer, cli::Cli, commands};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            answer::say(&format!("rolebuild: {failure}"));
            ExitCode::from(failure.exit() as u8)
        }
    }
}
