//! The arguments of the commands that make, change, check and serve a site.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use edeploy_format::name::{Channel, Role, Version};

/// Where the site is.
#[derive(Args, Debug)]
pub struct Repo {
    /// The folder of the published site.
    #[arg(long, value_name = "DIR", default_value = "repo")]
    pub repo: PathBuf,
}

/// Where the private keys are.
#[derive(Args, Debug)]
pub struct KeyFolders {
    /// A folder of private keys and signers; new keys go into the first. May be given several times.
    #[arg(long, value_name = "DIR", default_value = "keys")]
    pub keys: Vec<PathBuf>,
    /// A file whose first line is the passphrase of encrypted keys; new ones are encrypted by the first that is
    /// given, unless one is asked for. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: Vec<PathBuf>,
    /// Encrypt new keys by a passphrase that is asked for on the terminal.
    #[arg(long)]
    pub ask_passphrase: bool,
}

/// For how long what is signed is good.
#[derive(Args, Debug)]
pub struct Days {
    /// Days until a new root expires.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    pub root_days: u32,
    /// Days until new metadata of targets and roles expires.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub targets_days: u32,
    /// Days until a new snapshot expires.
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    pub snapshot_days: u32,
    /// Days until a new timestamp expires: how long a host can be kept from hearing of new versions.
    #[arg(long, value_name = "DAYS", default_value_t = 7)]
    pub timestamp_days: u32,
}

/// The arguments of `keygen`.
#[derive(Args, Debug)]
pub struct Keygen {
    /// Names of the new keys: root, targets, snapshot, timestamp, role-<name>.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
}

/// The arguments of `init`.
#[derive(Args, Debug)]
pub struct Init {
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// How many root keys there are.
    #[arg(long, value_name = "M", default_value_t = 1)]
    pub root_keys: usize,
    /// How many of them must sign a root.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub root_threshold: u64,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `root`.
#[derive(Args, Debug)]
pub struct RootCommand {
    /// What to do.
    #[command(subcommand)]
    pub command: RootCommands,
}

/// What can be done to the root.
#[derive(Debug, Subcommand)]
pub enum RootCommands {
    /// Sign a new root: with a new date, and with new keys for what --replace names.
    Rotate(Rotate),
}

/// The arguments of `root rotate`.
#[derive(Args, Debug)]
pub struct Rotate {
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// Whose key is replaced by a new one: root, targets, snapshot, timestamp or role-<name>; with =KEY by the key or
    /// signer of that name, for root several with commas. May be given several times. After a theft of targets,
    /// snapshot or timestamp, replace all three: hosts then forget what the thief showed them.
    #[arg(long, value_name = "NAME[=KEY]")]
    pub replace: Vec<String>,
    /// How many root keys there are from now on.
    #[arg(long, value_name = "M")]
    pub root_keys: Option<usize>,
    /// How many of them must sign from now on.
    #[arg(long, value_name = "N")]
    pub root_threshold: Option<u64>,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `delegate-fleet`.
#[derive(Args, Debug)]
pub struct DelegateFleet {
    /// The public keys of the fleet service, as `openssl pkey -pubout` writes them or as 64 hex digits. Any one of them
    /// signs a plan; those of before that are not named again sign none from then on.
    #[arg(required = true, value_name = "FILE")]
    pub fleet: Vec<PathBuf>,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `installer`.
#[derive(Args, Debug)]
pub struct Installer {
    /// The recipe: its folder, or the file recipe.toml in it.
    #[arg(default_value = "ipxe/installer")]
    pub recipe: PathBuf,
    /// Where the site is; what is made lies in install/ there.
    #[command(flatten)]
    pub repo: Repo,
    /// The program of the initrd; by default edeploy-installer beside rolebuild.
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
    /// The boot script's text, with @ARGUMENTS@ where the kernel's arguments come.
    #[arg(long, value_name = "FILE", default_value = "ipxe/boot.ipxe")]
    pub script: PathBuf,
    /// Arguments that the kernel gets from boot.ipxe: edeploy.server=… and others.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub arguments: String,
    /// Arguments that the initrd itself brings, in the same form; the kernel's count before them.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub settings: String,
    /// Certificates to trust for https, in PEM, instead of Debian's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Take the packages from this tar archive instead of installing them.
    #[arg(long, value_name = "FILE")]
    pub from_tar: Option<PathBuf>,
    /// Where to keep the packages as an archive for --from-tar.
    #[arg(long, value_name = "FILE")]
    pub keep_base: Option<PathBuf>,
    /// Where work is done.
    #[arg(long, value_name = "DIR", default_value = "builds")]
    pub builds: PathBuf,
    /// Sign kernel, initrd and boot script for iPXE's imgverify, with this private key of a code signing certificate.
    #[arg(long, value_name = "FILE", requires = "sign_certificate")]
    pub sign_key: Option<PathBuf>,
    /// That certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    pub sign_certificate: Option<PathBuf>,
}

/// The arguments of `refresh`.
#[derive(Args, Debug)]
pub struct Refresh {
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// Sign the snapshot, targets and all roles again too, not the timestamp alone.
    #[arg(long)]
    pub all: bool,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `publish`.
#[derive(Args, Debug)]
pub struct Publish {
    /// The role.
    pub role: Role,
    /// The version.
    pub version: Version,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// Where builds are kept, one folder <role>@<version> each.
    #[arg(long, value_name = "DIR", default_value = "builds")]
    pub builds: PathBuf,
    /// The tree of transitions: <from>/<role>/<to>/{exclude,add_only,check,pre,post}.
    #[arg(long, value_name = "DIR", default_value = "metadata")]
    pub metadata: PathBuf,
    /// From now on no host may install a version of this role with a lower serial.
    #[arg(long, value_name = "SERIAL")]
    pub min_serial: Option<u64>,
    /// Then make and publish the deltas from the N versions published before it, the nearest first, as `delta --auto`
    /// does. One that fails does not undo the publication: the others are made, and the command ends with the exit code
    /// of the first that failed. Run again, it makes those that are missing.
    #[arg(long, value_name = "N")]
    pub deltas: Option<std::num::NonZeroUsize>,
    /// Spend less time on the deltas; they are larger.
    #[arg(long, requires = "deltas")]
    pub fast: bool,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `channel`.
#[derive(Args, Debug)]
pub struct ChannelCommand {
    /// The role.
    pub role: Role,
    /// The name.
    pub channel: Channel,
    /// The version that it names from now on.
    #[arg(required_unless_present = "remove", conflicts_with = "remove")]
    pub version: Option<Version>,
    /// Take the name away.
    #[arg(long)]
    pub remove: bool,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `delta`.
#[derive(Args, Debug)]
pub struct Delta {
    /// The role.
    pub role: Role,
    /// The version it starts from; with --auto the version it leads to.
    pub from: Version,
    /// The version it leads to; the same again for the delta of a version from itself, which `publish` makes anyway.
    #[arg(required_unless_present = "auto", conflicts_with = "auto")]
    pub to: Option<Version>,
    /// Make those from the N versions published before it.
    #[arg(long, value_name = "N")]
    pub auto: Option<std::num::NonZeroUsize>,
    /// Say what the bytes are: each content with its base, the largest first.
    #[arg(long)]
    pub explain: bool,
    /// Spend less time; the delta is larger.
    #[arg(long)]
    pub fast: bool,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `list`.
#[derive(Args, Debug)]
pub struct List {
    /// Only this role.
    pub role: Option<Role>,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
}

/// The arguments of `prune`.
#[derive(Args, Debug)]
pub struct Prune {
    /// How many versions of each role stay: those with the highest serials.
    #[arg(long, value_name = "N")]
    pub keep: std::num::NonZeroUsize,
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// Where the keys are.
    #[command(flatten)]
    pub keys: KeyFolders,
    /// How long it is good.
    #[command(flatten)]
    pub days: Days,
}

/// The arguments of `fsck`.
#[derive(Args, Debug)]
pub struct Fsck {
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
}

/// The arguments of `serve`.
#[derive(Args, Debug)]
pub struct Serve {
    /// Where the site is.
    #[command(flatten)]
    pub repo: Repo,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}
