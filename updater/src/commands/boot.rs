//! `boot`, `health`, `trial`: what the units of a role call.

use std::path::Path;

use edeploy_format::exit::Exit;

use crate::boot::{self, generator, health, trial};
use crate::cli::{Command, TrialEnd};
use crate::failure::Failure;

/// What systemd calls as a generator.
///
/// # Errors
/// If `to` cannot be written.
pub fn generate(to: Option<&Path>) -> Result<Exit, Failure> {
    let to = to.ok_or_else(|| Failure::new(Exit::Usage, "a generator is called with a folder"))?;
    let failed = |e| Failure::new(Exit::Failed, format!("writing units to {}: {e}", to.display()));
    generator::run(Path::new("/"), to, &mut say).map_err(failed)?;
    Ok(Exit::Done)
}

fn say(line: &str) {
    // To systemd's journal we are already known by name.
    let name = if std::env::var_os("JOURNAL_STREAM").is_some() { "" } else { "edeploy-ab: " };
    super::say(&format!("{name}{line}"));
}

pub(super) fn run(command: &Command) -> Exit {
    let root = Path::new("/");
    match command {
        Command::Health => health::run(root, std::env::var_os("EDEPLOY_TRIAL").is_some(), &mut say),
        // Their units reboot where they fail.
        Command::Trial(TrialEnd::Limit) if trial::limit(root, &mut say) => Exit::Done,
        Command::Trial(TrialEnd::Emergency) if !trial::emergency(root, &mut say) => Exit::Done,
        Command::Trial(TrialEnd::Limit | TrialEnd::Emergency) => Exit::Failed,
        _ => match boot::start(root, &mut say) {
            Ok(()) => Exit::Done,
            Err(e) => {
                say(&format!("early boot: {e}"));
                Exit::Failed
            }
        },
    }
}
