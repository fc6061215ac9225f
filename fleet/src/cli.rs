//! What may be typed: types only.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Matches machines to profiles.
#[derive(Debug, Parser)]
#[command(name = "edeploy-fleet", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Says whether a machine matches, which of its lines each spec line took, and what failed.
    Match(Match),
    /// Shows the entries that a model of a configuration database expands to.
    Generate(Generate),
}

/// Arguments of `match`. Ends with 0 where any matches, with 9 where none does, with 1 where that is not known of one.
#[derive(Args, Debug)]
pub struct Match {
    /// The hardware of a machine: a list of [class, item, attribute, value], as JSON or as eDeploy keeps it.
    pub hardware: PathBuf,
    /// Spec lines, the same two ways; several are tried in this order, and each is explained.
    #[arg(required = true)]
    pub specs: Vec<PathBuf>,
}

/// Arguments of `generate`.
#[derive(Args, Debug)]
pub struct Generate {
    /// A file with a model, `generate({…})`, or entries, as in eDeploy's .cmdb.
    pub model: PathBuf,
}
