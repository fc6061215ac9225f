//! What may be typed: types only. Meaning is given to them in `commands`.
#![allow(rustdoc::invalid_html_tags)] // these comments are the help texts: `<name>` stands for a name

mod site;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use edeploy_format::name::Version;

pub use site::{
    ChannelCommand, Days, DelegateFleet, Delta, Fsck, Init, Installer, KeyFolders, Keygen, List, Prune,
    Publish, Refresh, Repo, RootCommand, RootCommands, Rotate, Serve,
};

/// How a command ends: the part of [`edeploy_format::exit::Exit`] that is this program's.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed; 2 usage; 3 refused in this state; 4 no such role, version, \
    build, transition or key; 5 not to be trusted; 6 cannot listen; 7 no space; 9 differences or damage found; 10 a \
    program is missing here; 11 wrong recipe, tree or other input.";

/// Builds, signs and publishes role trees as static files.
#[derive(Debug, Parser)]
#[command(name = "rolebuild", version, max_term_width = 100, after_help = EXIT_CODES)]
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
    /// Build one version of a role from its recipe.
    ///
    /// A build that makes something else of a version that is published is refused.
    Build(Build),
    /// Say what differs between two builds: identity, and each file with how.
    Diff(Diff),
    /// Make private keys.
    Keygen(Keygen),
    /// Make an empty repository, and the keys it needs where they are missing.
    Init(Init),
    /// Change who may sign.
    Root(RootCommand),
    /// Say which keys of the fleet service may sign plans for machines that are installed.
    DelegateFleet(DelegateFleet),
    /// Make the installer: kernel, initrd and boot script, in install/ of the site.
    Installer(Installer),
    /// Publish a build.
    Publish(Publish),
    /// Let a name of a role, such as stable, stand for one of its published versions; list shows them.
    Channel(ChannelCommand),
    /// Make and publish the delta between two published versions.
    Delta(Delta),
    /// Renew the short-lived timestamp; run it from a timer, more often than it expires.
    Refresh(Refresh),
    /// What is published, and for how long it is good.
    List(List),
    /// Check that everything published is whole, down to the last byte.
    Fsck(Fsck),
    /// Take old versions out of the repository, and remove files that nothing names.
    Prune(Prune),
    /// Serve the repository over HTTP, on the loopback interface unless told otherwise.
    Serve(Serve),
}

/// The arguments of `build`.
#[derive(Args, Debug)]
pub struct Build {
    /// The recipe: its folder, or the file recipe.toml in it.
    pub recipe: PathBuf,
    /// The version to build, for example D12-1.0.0.
    #[arg(long)]
    pub version: Version,
    /// Where builds are kept, one folder <role>@<version> each.
    #[arg(long, value_name = "DIR", default_value = "builds")]
    pub builds: PathBuf,
    /// The published site, whose ostree/ takes the tree.
    #[arg(long, value_name = "DIR", default_value = "repo")]
    pub repo: PathBuf,
    /// A folder of private keys: a tree with one of them in it is refused. May be given several times.
    #[arg(long, value_name = "DIR", default_value = "keys")]
    pub keys: Vec<PathBuf>,
    /// The host binary to lay into the tree; by default edeploy-ab beside rolebuild.
    #[arg(long, value_name = "FILE")]
    pub updater: Option<PathBuf>,
    /// Take the tree from this folder instead of installing packages.
    #[arg(long, value_name = "DIR", conflicts_with = "from_tar")]
    pub from_dir: Option<PathBuf>,
    /// Take the tree from this tar archive instead of installing packages.
    #[arg(long, value_name = "FILE")]
    pub from_tar: Option<PathBuf>,
    /// Where to keep the tree as its packages made it: an archive for --from-tar of other versions. Nothing is kept
    /// where nothing is installed.
    #[arg(long, value_name = "FILE")]
    pub keep_base: Option<PathBuf>,
    /// The serial of the version; by default the one it has, else one more than the highest of the role.
    #[arg(long)]
    pub serial: Option<u64>,
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
