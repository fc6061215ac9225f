//! What each command does: from what was typed to what is said.
//!
//! A command's answer goes to standard output, as lines for people or, with `--json`, as one object;
//! progress and notes go to standard error.

mod bless;
mod boot;
#[cfg(feature = "installer")]
mod detect;
mod identity;
mod install;
mod list;
mod remember;
mod repair;
mod rollback;
mod status;
mod test_upgrade;
mod upgrade;
mod verify;

pub use boot::generate;
pub(crate) use verify::must_be_signed;

use std::io::Write;

use edeploy_format::address::masked;
use edeploy_format::exit::Exit;
use edeploy_format::tuf::{Expiry, Time};

use crate::cli::{Cli, Command, Common};
use crate::disk::mount::{Access, private_namespace};
use crate::failure::Failure;
use crate::help;
use crate::installed::Installed;
use crate::progress::{Progress, Quiet, Terminal};

/// Does what was typed.
///
/// # Errors
/// [`Failure`], with the exit code to end with.
pub fn run(cli: Cli) -> Result<Exit, Failure> {
    let common = &cli.common;
    match cli.command {
        Command::Help(topic) => return help::show(topic.as_deref()),
        Command::ProgramVersion => {
            put(concat!("edeploy-ab ", env!("CARGO_PKG_VERSION"), "\n"))?;
            return Ok(Exit::Done);
        }
        _ => {}
    }
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            Exit::Unsuitable,
            "only root can look into slots and boot entries; try sudo",
        ));
    }
    // Hooks and checks may leave something behind.
    crate::program::adopt()
        .map_err(|e| Failure::new(Exit::Failed, format!("becoming the parent of what hooks leave: {e}")))?;
    // Early boot mounts for the whole machine.
    if cli.command != Command::Boot {
        private_namespace()?;
    }
    match cli.command {
        Command::Help(_) | Command::ProgramVersion => Ok(Exit::Done),
        Command::List => list::run(common),
        Command::Status => status::run(common),
        Command::Upgrade(upgrade) => upgrade::run(common, &upgrade),
        Command::TestUpgrade { version } => test_upgrade::run(common, &version),
        Command::Verify => verify::run(common),
        Command::Rollback { no_reboot } => rollback::run(common, no_reboot),
        Command::Bless => bless::run(common),
        Command::Remember { profile } => remember::run(common, profile.as_ref()),
        Command::Repair { wipe } => repair::run(common, Access::ReadWrite, wipe),
        Command::TestRepair => repair::run(common, Access::ReadOnly, false),
        Command::Install(install) => install::run(common, &install),
        #[cfg(feature = "installer")]
        Command::Detect(asked) => detect::run(common, &asked),
        Command::Version | Command::Role | Command::Profile => identity::run(common, &cli.command),
        Command::Boot | Command::Health | Command::Trial(_) => Ok(boot::run(&cli.command)),
    }
}

/// Who is told how far long work is.
fn progress(common: &Common) -> Box<dyn Progress> {
    if common.json { Box::new(Quiet) } else { Box::new(Terminal::default()) }
}

/// Answers with `json`, or with `lines` for people.
fn answer(common: &Common, json: &serde_json::Value, lines: &[String]) -> Result<(), Failure> {
    put(&if common.json { format!("{json}\n") } else { masked(&(lines.join("\n") + "\n")).into_owned() })
}

/// Answers after what was asked for was done: that it cannot be told undoes nothing.
fn answer_done(common: &Common, json: &serde_json::Value, lines: &[String]) {
    if let Err(e) = answer(common, json, lines) {
        warn(&e);
    }
}

/// Tells a fault that undoes nothing, also to who asked for JSON.
pub fn warn(fault: &dyn std::fmt::Display) {
    say(&format!("edeploy-ab: what was asked for is done, but: {fault}"));
}

/// A list at the beginning of an answer in JSON, written as it comes: it may be as long as a tree.
struct Stream {
    any: bool,
}

impl Stream {
    fn begin(name: &str) -> Result<Self, Failure> {
        put(&format!("{{\"{name}\":["))?;
        Ok(Self { any: false })
    }

    fn item(&mut self, item: &serde_json::Value) -> Result<(), Failure> {
        let comma = if std::mem::replace(&mut self.any, true) { "," } else { "" };
        put(&format!("{comma}{item}"))
    }

    /// The end of the list; `rest` is an object with the other fields.
    fn end(self, rest: &serde_json::Value) -> Result<(), Failure> {
        put(&format!("],{}\n", rest.to_string().trim_start_matches('{')))
    }
}

/// Writes to standard output. A reader that went away, as `head` does, has what it wanted.
///
/// # Errors
/// [`Exit::Failed`] if it takes no more.
pub fn put(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Failed, format!("writing the answer to standard output: {e}")))
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error; when that is closed or full, nobody listens.
pub fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{}\n", masked(line)).as_bytes());
}

/// The time that counts for expiry: no earlier than the build of what runs.
pub(crate) fn now(built: u64, progress: &dyn Progress) -> Expiry {
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let counts = clock.max(built);
    if clock < counts {
        let (clock, counts) = (Time::new(clock), Time::new(counts));
        progress.note(&format!(
            "the clock says {clock}, which cannot be: {counts} counts, when what runs was built"
        ));
    }
    Expiry::At(Time::new(counts))
}

/// An installed machine, for a command that only looks.
fn look(common: &Common) -> Result<Installed, Failure> {
    Installed::open(common, Access::ReadOnly)
}

/// Asks systemd for a reboot, unless it was said not to or the machine is an image.
fn reboot(installed: &Installed, no_reboot: bool, progress: &dyn Progress) -> Exit {
    if !no_reboot && installed.is_live() {
        progress.note("rebooting");
        let status = std::process::Command::new("systemctl").args(["--no-block", "reboot"]).status();
        let failed = match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(status.to_string()),
            Err(e) => Some(e.to_string()),
        };
        if let Some(failed) = failed {
            warn(&format!("`systemctl reboot`: {failed}; reboot by hand"));
        }
    }
    Exit::Reboot
}
