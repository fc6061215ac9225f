//! What each command does: one module per command, each with a `run` that takes its arguments.

mod check;
mod generate;
mod hosts;
mod import;
mod key;
mod matching;
mod permission;
mod serve;
mod token;

use std::fmt;
use std::fs;
use std::path::Path;

use edeploy_format::exit::Exit;
use serde_json::Value;

use crate::answer::{print, say};
use crate::cli::{Cli, Command};
use crate::failure::{Cause, Failure};

/// Runs what was typed, answers on standard output, and gives the exit code of the program.
///
/// # Errors
/// [`Failure`]: nothing was answered then.
pub fn run(cli: &Cli) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Match(args) => {
            let judged = matching::run(args)?;
            answer(cli, &judged, || judged.json());
            if judged.is_match() {
                return Ok(Exit::Done);
            }
            let mut exit = Exit::Differs;
            for reason in judged.not_judged() {
                say(&reason.to_string());
                exit = Exit::Failed;
            }
            Ok(exit)
        }
        Command::Generate(args) => {
            let entries = generate::run(args)?;
            let text = if cli.json {
                serde_json::to_string(&entries)
            } else {
                serde_json::to_string_pretty(&entries)
            };
            print(&format!("{}\n", text.expect("entries have plain keys")));
            Ok(Exit::Done)
        }
        Command::Check(args) => {
            let checked = check::run(args)?;
            answer(cli, &checked, || checked.json());
            Ok(checked.exit())
        }
        Command::Import(args) => {
            let imported = import::run(args)?;
            answer(cli, &imported, || imported.json());
            Ok(imported.exit())
        }
        Command::Serve(args) => done(serve::run(args)),
        Command::Token(args) => done(token::run(args, cli.json)),
        Command::Hosts(args) => done(hosts::run(args, cli.json)),
        Command::Permit(args) => done(permission::permit(args)),
        Command::Forbid(args) => done(permission::forbid(args)),
        Command::Reinstall(args) => done(permission::reinstall(args)),
        Command::Release(args) => done(permission::release(args)),
        Command::Key(args) => done(key::run(args)),
    }
}

/// Prints an answer, for people or for programs.
fn answer(cli: &Cli, text: &impl fmt::Display, json: impl FnOnce() -> Value) {
    if cli.json {
        print(&format!("{}\n", json()));
    } else {
        print(text);
    }
}

fn done(ended: Result<(), Cause>) -> Result<Exit, Failure> {
    Ok(ended.map(|()| Exit::Done)?)
}

fn read(path: &Path) -> Result<Vec<u8>, Cause> {
    fs::read(path).map_err(|source| Cause::Read { path: path.to_owned(), source })
}
