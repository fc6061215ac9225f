//! What may be typed: the command line as types. Nothing is done here.

use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::PathBuf;

use edeploy_format::name::{Role, Version};
use edeploy_format::slot::Slot;
use lexopt::prelude::{Long, Short, Value, ValueExt};

use crate::fetch::Limits;

mod amount;
#[cfg(feature = "installer")]
mod detect;

#[cfg(feature = "installer")]
pub use detect::Detect;

use amount::{BYTES, SECONDS, amount};

/// One invocation.
#[derive(Debug, PartialEq, Eq)]
pub struct Cli {
    /// What to do.
    pub command: Command,
    /// What holds for every command.
    pub common: Common,
}

/// Options of every command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Answer with one JSON object on standard output.
    pub json: bool,
    /// The disk or image to work on instead of the one the machine runs from.
    pub disk: Option<PathBuf>,
    /// With `disk`: the slot that counts as the running one.
    pub booted: Option<Slot>,
    /// The repositories, the preferred one first, instead of those the slot remembers; none if it does.
    pub repos: Vec<String>,
    /// Certificates to trust for https, in PEM.
    pub ca: Option<PathBuf>,
    /// What fetching may take.
    pub limits: Limits,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// The published versions of the role.
    List,
    /// Slots, boot entries, the last upgrade and what came of it.
    Status,
    /// Bring the inactive slot to a version, and boot it.
    Upgrade(Upgrade),
    /// What an upgrade would do; changes nothing.
    TestUpgrade {
        /// The version.
        version: Version,
    },
    /// Compare the running slot with its signed manifest.
    Verify,
    /// Boot the other slot again.
    Rollback {
        /// Leave the reboot to the caller.
        no_reboot: bool,
    },
    /// Declare the running slot good.
    Bless,
    /// Change what the machine remembers of its set-up.
    Remember {
        /// The machine's profile.
        profile: Option<String>,
    },
    /// Make ESP and state partition again from what the slots hold.
    Repair {
        /// Give up what is on a damaged state partition.
        wipe: bool,
    },
    /// What a repair would do; changes nothing.
    TestRepair,
    /// First install on an empty disk.
    Install(Box<Install>),
    /// The machine's hardware, or the disk that a hint means.
    #[cfg(feature = "installer")]
    Detect(Detect),
    /// The running version.
    Version,
    /// The running role.
    Role,
    /// The machine's profile.
    Profile,
    /// Early boot: state, persistent paths. Called by edeploy-boot.service.
    Boot,
    /// Health checks of this boot. Called by edeploy-health.service.
    Health,
    /// The end of a trial that never came to its health checks. Called by units on trials.
    Trial(TrialEnd),
    /// The help of a command, or of all.
    Help(Option<String>),
    /// The version of this program.
    ProgramVersion,
}

impl Command {
    /// Whether it asks a repository.
    fn fetches(&self) -> bool {
        matches!(self, Self::List | Self::Upgrade(_) | Self::TestUpgrade { .. } | Self::Install(_))
    }
}

/// How a trial can end before its health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// Its time limit: waits for it.
    Limit,
    /// Emergency or rescue mode.
    Emergency,
}

/// Options of `upgrade`.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The version to go to.
    pub version: Version,
    /// Take it although this machine fell back from it before.
    pub retry: bool,
    /// Leave the reboot to the caller.
    pub no_reboot: bool,
}

/// Options of `install`.
#[derive(Debug, PartialEq, Eq)]
pub struct Install {
    /// The role.
    pub role: Role,
    /// The version.
    pub version: Version,
    /// The first trusted root metadata.
    pub root: PathBuf,
    /// Install although the disk holds something.
    pub wipe: bool,
    /// Text to remember as the machine's profile.
    pub profile: String,
    /// Host name to start with, instead of the role's.
    pub hostname: Option<String>,
    /// The repositories the machine shall take upgrades from, if not those it is installed from.
    pub later: Vec<String>,
}

/// Why a command line is refused.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An option or value is wrong.
    #[error(transparent)]
    Option(#[from] lexopt::Error),
    /// No such command.
    #[error("no such command: {0:?}")]
    Command(String),
    /// A limit that is none.
    #[error(
        "{0:?}: a limit is a number of seconds, or of bytes with KiB, MiB, GiB, TiB or nothing behind it"
    )]
    Number(String),
    /// A hint that is none.
    #[cfg(feature = "installer")]
    #[error(transparent)]
    Hint(#[from] crate::detect::hint::HintError),
    /// A command that only the installer's build has.
    #[cfg(not(feature = "installer"))]
    #[error(
        "this build is without `detect`: the installer's program, built with the feature `installer`, has it"
    )]
    Build,
    /// A command lacks something.
    #[error("{command} needs {what}")]
    Missing {
        /// The command.
        command: &'static str,
        /// What it lacks.
        what: &'static str,
    },
    /// An option that this command does not take, or only together with another.
    #[error("{command} takes no {what}")]
    Superfluous {
        /// The command.
        command: String,
        /// What is too much.
        what: String,
    },
}

/// All that was typed, before it is known which command takes it.
#[derive(Default)]
struct Typed {
    words: Vec<OsString>,
    flags: Vec<&'static str>,
    common: Common,
    role: Option<Role>,
    version: Option<Version>,
    root: Option<PathBuf>,
    profile: Option<String>,
    hostname: Option<String>,
    later: Vec<String>,
    #[cfg(feature = "installer")]
    detect: detect::Typed,
}

const FLAGS: [&str; 4] = ["no-reboot", "retry", "wipe", "help"];

impl Cli {
    /// Parses what was typed, without the program's name.
    ///
    /// # Errors
    /// [`CliError`] names the word that is wrong.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, CliError> {
        let mut typed = Typed::default();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Value(word) => typed.words.push(word),
                Short('h') => typed.flags.push("help"),
                Short('V') => typed.words.insert(0, "--version".into()),
                Long("json") => typed.common.json = true,
                Long("disk") => typed.common.disk = Some(parser.value()?.into()),
                Long("booted") => typed.common.booted = Some(parser.value()?.parse()?),
                Long("repo") => typed.common.repos.push(parser.value()?.string()?),
                Long("ca") => typed.common.ca = Some(parser.value()?.into()),
                Long("role") => typed.role = Some(parser.value()?.parse()?),
                Long("version") if typed.words.is_empty() => typed.words.push("--version".into()),
                Long("version") => typed.version = Some(parser.value()?.parse()?),
                Long("root") => typed.root = Some(parser.value()?.into()),
                Long("profile") => typed.profile = Some(parser.value()?.string()?),
                Long("hostname") => typed.hostname = Some(parser.value()?.string()?),
                Long("later") => typed.later.push(parser.value()?.string()?),
                Long("max-rate") => typed.common.limits.rate = number(&mut parser, BYTES)?,
                Long("max-bytes") => typed.common.limits.bytes = number(&mut parser, BYTES)?,
                Long("stall") => typed.common.limits.stall = number(&mut parser, SECONDS)?,
                Long("deadline") => typed.common.limits.deadline = number(&mut parser, SECONDS)?,
                #[cfg(feature = "installer")]
                Long("lldp") => typed.detect.lldp(&mut parser)?,
                #[cfg(feature = "installer")]
                Long("hint") => typed.detect.hint(&mut parser)?,
                #[cfg(not(feature = "installer"))]
                Long("lldp" | "hint") if typed.words == ["detect"] => return Err(CliError::Build),
                Long(other) => match FLAGS.iter().find(|flag| **flag == other) {
                    Some(flag) => typed.flags.push(flag),
                    None => return Err(arg.unexpected().into()),
                },
                Short(_) => return Err(arg.unexpected().into()),
            }
        }
        typed.cli()
    }
}

/// The number that follows an option.
fn number(parser: &mut lexopt::Parser, units: &[(&str, u32)]) -> Result<Option<NonZeroU64>, CliError> {
    let value = parser.value()?.string()?;
    let number = amount(&value, units);
    if number.is_none() { Err(CliError::Number(value)) } else { Ok(number) }
}

impl Typed {
    fn cli(mut self) -> Result<Cli, CliError> {
        let mut words = std::mem::take(&mut self.words).into_iter().map(ValueExt::string);
        let name = words.next().transpose()?.unwrap_or_else(|| "help".to_owned());
        let operand = words.next().transpose()?;
        if let Some(word) = words.next().transpose()? {
            return Err(CliError::Superfluous { command: name, what: format!("{word:?}") });
        }
        if self.flag("help") {
            return Ok(Cli { command: Command::Help(Some(name)), common: self.common });
        }
        let command = self.command(&name, operand)?;
        let left = [
            self.flags.first().map(|flag| format!("--{flag}")),
            self.role.map(|_| "--role".to_owned()),
            self.version.map(|_| "--version".to_owned()),
            self.root.map(|_| "--root".to_owned()),
            self.profile.map(|_| "--profile".to_owned()),
            self.hostname.map(|_| "--hostname".to_owned()),
            self.later.first().map(|_| "--later".to_owned()),
            #[cfg(feature = "installer")]
            self.detect.left(),
            (!command.fetches() && self.common.limits != Limits::default())
                .then(|| "limit: it fetches nothing".to_owned()),
        ];
        if let Some(what) = left.into_iter().flatten().next() {
            return Err(CliError::Superfluous { command: name, what });
        }
        Ok(Cli { command, common: self.common })
    }

    /// Takes a flag: what is not taken by the command was too much.
    fn flag(&mut self, name: &str) -> bool {
        let before = self.flags.len();
        self.flags.retain(|flag| *flag != name);
        self.flags.len() < before
    }

    fn command(&mut self, name: &str, operand: Option<String>) -> Result<Command, CliError> {
        let command = match name {
            "upgrade" | "test-upgrade" | "trial" | "help" => return self.command_with_operand(name, operand),
            "list" => Command::List,
            "status" => Command::Status,
            "verify" => Command::Verify,
            "rollback" => Command::Rollback { no_reboot: self.flag("no-reboot") },
            "bless" => Command::Bless,
            "remember" => Command::Remember { profile: self.remember()? },
            "repair" => Command::Repair { wipe: self.flag("wipe") },
            "test-repair" => Command::TestRepair,
            "install" => Command::Install(Box::new(self.install()?)),
            #[cfg(feature = "installer")]
            "detect" => Command::Detect(self.detect.take()),
            #[cfg(not(feature = "installer"))]
            "detect" => return Err(CliError::Build),
            "version" => Command::Version,
            "role" => Command::Role,
            "profile" => Command::Profile,
            "boot" => Command::Boot,
            "health" => Command::Health,
            "--version" => Command::ProgramVersion,
            other => return Err(CliError::Command(other.to_owned())),
        };
        match operand {
            None => Ok(command),
            Some(word) => Err(CliError::Superfluous { command: name.to_owned(), what: format!("{word:?}") }),
        }
    }

    fn command_with_operand(&mut self, name: &str, operand: Option<String>) -> Result<Command, CliError> {
        let version = |command, operand: Option<String>| {
            let text = operand.ok_or(CliError::Missing { command, what: "a version" })?;
            text.parse::<Version>().map_err(|e| CliError::Option(lexopt::Error::Custom(Box::new(e))))
        };
        Ok(match name {
            "upgrade" => Command::Upgrade(Upgrade {
                version: version("upgrade", operand)?,
                retry: self.flag("retry"),
                no_reboot: self.flag("no-reboot"),
            }),
            "test-upgrade" => Command::TestUpgrade { version: version("test-upgrade", operand)? },
            "trial" => Command::Trial(match operand.as_deref() {
                Some("limit") => TrialEnd::Limit,
                Some("emergency") => TrialEnd::Emergency,
                _ => return Err(CliError::Missing { command: "trial", what: "`limit` or `emergency`" }),
            }),
            _ => Command::Help(operand),
        })
    }

    fn remember(&mut self) -> Result<Option<String>, CliError> {
        let profile = self.profile.take();
        if profile.is_none() && self.common.repos.is_empty() && self.common.ca.is_none() {
            return Err(CliError::Missing {
                command: "remember",
                what: "--repo URL, --ca FILE or --profile TEXT",
            });
        }
        Ok(profile)
    }

    fn install(&mut self) -> Result<Install, CliError> {
        let missing = |what| CliError::Missing { command: "install", what };
        if self.common.disk.is_none() {
            return Err(missing("--disk DEVICE_OR_FILE"));
        }
        if self.common.repos.is_empty() {
            return Err(missing("--repo URL"));
        }
        Ok(Install {
            role: self.role.take().ok_or(missing("--role ROLE"))?,
            version: self.version.take().ok_or(missing("--version VERSION"))?,
            root: self.root.take().ok_or(missing("--root FILE, the root metadata to trust first"))?,
            wipe: self.flag("wipe"),
            profile: self.profile.take().unwrap_or_default(),
            hostname: self.hostname.take(),
            later: std::mem::take(&mut self.later),
        })
    }
}

#[cfg(test)]
mod tests;
