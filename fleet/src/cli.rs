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
    /// Reads a folder of profiles, and says what is wrong with each; with hardware, what that machine would become.
    Check(Check),
    /// Makes profiles of a configuration folder of eDeploy, and names what it could not carry over.
    Import(Import),
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

/// Arguments of `check`. Ends with 0 where all is well, with 11 where anything is wrong, with 9 where the machine gets no
/// profile.
#[derive(Args, Debug)]
pub struct Check {
    /// The folder: `state`, and the files of each profile.
    pub folder: PathBuf,
    /// The hardware of a machine that has nothing yet. Nothing is given to it.
    #[arg(long, value_name = "FILE")]
    pub hardware: Option<PathBuf>,
}

/// Arguments of `import`. Ends with 0 where every profile is good, with 11 where something is left to be written by hand.
#[derive(Args, Debug)]
pub struct Import {
    /// eDeploy's CONFIGDIR: `state`, and specs, cmdb and configure of each profile. Nothing in it is run.
    pub folder: PathBuf,
    /// Where the profiles go; left out, beside eDeploy's files. No file is replaced.
    #[arg(long, value_name = "DIR")]
    pub into: Option<PathBuf>,
}
