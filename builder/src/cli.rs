//! What may be typed: types only. Meaning is given to them in `commands`.

mod site;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use site::{
    Days, Fsck, Init, KeyFolders, Keygen, List, Prune, Publish, Refresh, Repo, RootCommand, RootCommands,
    Rotate, Serve,
};

/// Builds, signs and publishes role trees as static files.
#[derive(Debug, Parser)]
#[command(name = "rolebuild", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Answer with one JSON object on standard output.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say which files differ between two builds, and how.
    Diff(Diff),
    /// Make private keys.
    Keygen(Keygen),
    /// Make an empty repository, and the keys it needs where they are missing.
    Init(Init),
    /// Change who may sign.
    Root(RootCommand),
    /// Publish a build.
    Publish(Publish),
    /// Renew the short-lived timestamp; run it from a timer, more often than it expires.
    Refresh(Refresh),
    /// What is published, and for how long it is good.
    List(List),
}

/// The arguments of `diff`.
#[derive(Args, Debug)]
pub struct Diff {
    /// A build: <role>@<version>, its folder, or a manifest.
    pub first: PathBuf,
    /// The build to compare it with.
    pub second: PathBuf,
    /// Where builds are kept, one folder <role>@<version> each.
    #[arg(long, value_name = "DIR", default_value = "builds")]
    pub builds: PathBuf,
}
