//! What each command does: one module per command, each with a `run` that takes its arguments.

pub mod build;
pub mod channel;
pub mod delegate_fleet;
pub mod delta;
pub mod diff;
pub mod fsck;
pub mod init;
pub mod installer;
pub mod keygen;
pub mod list;
pub mod prune;
pub mod publish;
pub mod refresh;
pub mod rotate;
pub mod serve;

use std::fmt::Display;

use edeploy_format::exit::Exit;
use serde::Serialize;

use crate::answer;
use crate::cli::{Cli, Command, Days, KeyFolders, RootCommands};
use crate::failure::Failure;
use crate::keys::{Keys, Passphrases};
use crate::site::Lifetimes;
use build::Ended;

/// Runs what was typed, and gives the exit code of the program.
///
/// # Errors
/// [`Failure`]: nothing was answered then, but what `publish` did before a delta failed.
pub fn run(cli: &Cli) -> Result<u8, Failure> {
    let exit = match &cli.command {
        Command::Build(args) => match build::run(args)? {
            Ended::Here(built) => done(cli, &*built),
            Ended::Elsewhere(code) => return Ok(code),
        },
        Command::Diff(args) => {
            let differences = diff::run(args)?;
            answer::print(cli.json, &differences);
            differences.exit()
        }
        Command::Keygen(args) => done(cli, &keygen::run(args)?),
        Command::Init(args) => done(cli, &init::run(args)?),
        Command::Root(args) => match &args.command {
            RootCommands::Rotate(args) => done(cli, &rotate::run(args)?),
        },
        Command::DelegateFleet(args) => done(cli, &delegate_fleet::run(args)?),
        Command::Installer(args) => done(cli, &installer::run(args)?),
        Command::Publish(args) => {
            let (answer, missed) = publish::run(args)?;
            let exit = done(cli, &answer);
            missed.map_or(Ok(exit), Err)?
        }
        Command::Channel(args) => done(cli, &channel::run(args)?),
        Command::Delta(args) => done(cli, &delta::run(args)?),
        Command::Refresh(args) => done(cli, &refresh::run(args)?),
        Command::List(args) => done(cli, &list::run(args)?),
        Command::Fsck(args) => {
            let answer = fsck::run(args)?;
            answer::print(cli.json, &answer);
            answer.exit()
        }
        Command::Prune(args) => done(cli, &prune::run(args)?),
        Command::Serve(args) => {
            let (answer, serving) = serve::run(args)?;
            answer::print(cli.json, &answer);
            serving.forever()
        }
    };
    Ok(exit as u8)
}

/// Prints the answer of a command that did what it was to do.
fn done<T: Serialize + Display>(cli: &Cli, value: &T) -> Exit {
    answer::print(cli.json, value);
    Exit::Done
}

/// The keys of the folders that were typed, opened.
fn keys(folders: &KeyFolders) -> Result<Keys, Failure> {
    let KeyFolders { keys, passphrase_file, ask_passphrase } = folders;
    Ok(Keys::unlock(keys, Passphrases::read(passphrase_file, *ask_passphrase)?)?)
}

/// What was typed about dates.
fn lifetimes(days: &Days) -> Lifetimes {
    let Days { root_days: root, targets_days: targets, snapshot_days: snapshot, timestamp_days: timestamp } =
        *days;
    Lifetimes { root, targets, snapshot, timestamp }
}
