//! What may be typed: types only.

use std::net::SocketAddr;
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
    /// Answers machines, operators and browsers over HTTP, until it is terminated.
    Serve(Serve),
    /// Makes, lists or removes the tokens of operators.
    Token(Token),
    /// Lists the machines that were seen, or all that is known of one.
    Hosts(Hosts),
    /// Permits one install of a machine, or of each of the next machines that are new.
    Permit(Permit),
    /// Takes a permission back.
    Forbid(Machine),
    /// Permits one more install of a machine that was installed: it is wiped when it next boots from the network.
    Reinstall(Machine),
    /// Frees what a machine has: its entries of the configuration databases, and its place in a count.
    Release(Machine),
    /// Prints the public half of the key that signs plans; makes the key where there is none.
    Key(Key),
}

/// Where the service keeps what it remembers.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// The folder with the store and the key; made where it is missing.
    #[arg(long = "data", value_name = "DIR", default_value = "/var/lib/edeploy-fleet")]
    pub folder: PathBuf,
}

/// Arguments of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Where it keeps what it remembers.
    #[command(flatten)]
    pub data: Data,
    /// The folder with the profiles.
    #[arg(long, value_name = "DIR")]
    pub profiles: PathBuf,
    /// Where it listens. Beyond loopback, the pages ask for an operator's token.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8420")]
    pub listen: SocketAddr,
    /// The folder of a published site, served below /repo, and its install/ below /install. Any web server can do it instead.
    #[arg(long, value_name = "DIR")]
    pub site: Option<PathBuf>,
    /// A folder with the installer's `vmlinuz` and `initrd`, served below /install.
    #[arg(long, value_name = "DIR")]
    pub assets: Option<PathBuf>,
    /// How machines reach it, as `http://fleet.example:8420`; needed where it listens on all addresses.
    #[arg(long)]
    pub url: Option<String>,
    /// Where roles are published, the preferred one first: for profiles that do not say, and for the installer. With
    /// --site, that is where, unless this says otherwise.
    #[arg(long, value_name = "URL")]
    pub repo: Vec<String>,
    /// The root.json of the repositories, for profiles that want the newest version of their role.
    #[arg(long, value_name = "FILE")]
    pub root: Option<PathBuf>,
    /// More kernel arguments for the installer.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub kernel_arguments: String,
    /// After so long without a word of a machine, its install is over and its place in the count is free.
    #[arg(long, value_name = "SECONDS", default_value_t = 1800)]
    pub lease: u64,
}

/// Arguments of `token`.
#[derive(Args, Debug)]
pub struct Token {
    /// Where the service keeps what it remembers.
    #[command(flatten)]
    pub data: Data,
    /// What to do.
    #[command(subcommand)]
    pub what: TokenCommand,
}

/// What can be done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Makes a token and prints it, this once.
    Add {
        /// Whose it is.
        name: String,
    },
    /// Lists who has one.
    List,
    /// Takes one away, at once.
    Remove {
        /// Whose it is.
        name: String,
    },
}

/// Arguments of `hosts`.
#[derive(Args, Debug)]
pub struct Hosts {
    /// Where the service keeps what it remembers.
    #[command(flatten)]
    pub data: Data,
    /// Only this one, by name or address of a network card, with its hardware.
    pub machine: Option<String>,
}

/// Arguments of `permit`.
#[derive(Args, Debug)]
pub struct Permit {
    /// Where the service keeps what it remembers.
    #[command(flatten)]
    pub data: Data,
    /// The machine, by name or address of a network card; by address also one that was never seen.
    #[arg(required_unless_present = "new")]
    pub machine: Option<String>,
    /// So many machines that never had a permission get one when they come; 0 for none.
    #[arg(long, value_name = "N", conflicts_with = "machine")]
    pub new: Option<u32>,
}

/// Arguments of commands about one machine.
#[derive(Args, Debug)]
pub struct Machine {
    /// Where the service keeps what it remembers.
    #[command(flatten)]
    pub data: Data,
    /// The machine, by name or address of a network card.
    pub machine: String,
}

/// Arguments of `key`.
#[derive(Args, Debug)]
pub struct Key {
    /// Where the service keeps it.
    #[command(flatten)]
    pub data: Data,
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
