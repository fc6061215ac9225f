//! What the binary does at boot: early boot, the generator, health, the end of a trial.
//!
//! Everything here is called by the units of `format::units`, not by operators. Each takes the root of
//! the machine and something that shows a line on the console; none of them may stop a boot because
//! of what it finds, so that what goes wrong is said, and the boot goes on.

mod entries;
pub mod generator;
pub mod health;
mod persistent;
mod running;
mod seed;
mod state;
pub mod trial;

use std::fs;
use std::io;
use std::path::Path;

#[cfg(feature = "installer")]
pub(crate) use persistent::seed_persistent;
pub use running::Running;
pub use trial::Trial;

use crate::failure::chain;
use crate::journal::{Event, Journal};

/// Markers of this boot: gone with the next.
const RUN: &str = "run/edeploy";
/// Why /var is volatile: there only if it is.
pub const VOLATILE: &str = "run/edeploy/volatile";
/// Early boot is done, so that a second start repeats nothing that counts.
const STARTED: &str = "run/edeploy/started";

/// Early boot: /var, the persistent paths, the host name, and a line in the journal.
///
/// May run again on the same boot (after emergency mode): what is mounted stays.
///
/// # Errors
/// Only when not even a volatile /var can be mounted, or nothing can be written to /run.
pub fn start(root: &Path, say: &mut dyn FnMut(&str)) -> io::Result<()> {
    fs::create_dir_all(root.join(RUN))?;
    let running = Running::of(root);
    let volatile = mount_var(root, running.as_ref(), say)?;
    for (path, outcome) in persistent::bring(root) {
        match outcome {
            Ok(persistent::Brought::Seeded) => {
                say(&format!("/{path}: taken from the tree for the first time"));
            }
            Ok(persistent::Brought::Kept) => {}
            Err(e) => say(&format!("/{path} is not the machine's own: {}", chain(&e))),
        }
    }
    if let Err(e) = persistent::host_name(root) {
        say(&format!("the host name is not set: {e}"));
    }
    if root.join(STARTED).exists() {
        return Ok(());
    }
    match running {
        Ok(running) => record(root, &running, volatile, say),
        Err(e) => say(&format!("this boot is not recorded: {}", chain(&e))),
    }
    fs::write(root.join(STARTED), "")
}

/// Mounts the state partition at /var, or a tmpfs; then the answer is why.
fn mount_var(
    root: &Path,
    running: Result<&Running, &running::RunningError>,
    say: &mut dyn FnMut(&str),
) -> io::Result<Option<String>> {
    if let Ok(reason) = fs::read_to_string(root.join(VOLATILE)) {
        return Ok(Some(reason));
    }
    let reason = match running {
        Ok(running) => match state::mount(root, &running.options) {
            Ok(()) => {
                prepare_journald(root)?;
                return Ok(None);
            }
            Err(e) => chain(&e),
        },
        Err(e) => chain(e),
    };
    say(&format!("/var IS VOLATILE: {reason}"));
    say("what is written to /var on this boot is lost with it, and nothing is blessed");
    state::mount_volatile(root)?;
    fs::write(root.join(VOLATILE), &reason)?;
    Ok(Some(reason))
}

/// journald writes to /var only if this folder exists when it flushes, which is before tmpfiles.
fn prepare_journald(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join("var/log/journal"))
}

/// Writes into the journal what runs, and what it had to come back from.
fn record(root: &Path, running: &Running, volatile: Option<String>, say: &mut dyn FnMut(&str)) {
    let trial = running.trial != Trial::No;
    say(&format!("running {}{}", running.deployment, if trial { ", on trial" } else { "" }));
    let booted = Event::Booted { running: running.deployment.clone(), trial, volatile };
    let journal = Journal::of(root);
    let fell_back = fall_back(root, running, &journal, say).unwrap_or_else(|e| {
        say(&format!("it is not known whether this is a fall-back: {e}"));
        None
    });
    if let Some(Event::FellBack { from, reason, .. }) = &fell_back {
        say(&format!("FELL BACK from {from}: {reason}"));
    }
    for event in std::iter::once(booted).chain(fell_back) {
        if let Err(e) = journal.append(event) {
            say(&chain(&e));
        }
    }
}

fn fall_back(
    root: &Path,
    running: &Running,
    journal: &Journal,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Event>, String> {
    let listed = entries::of_running(root).map_err(|e| chain(&e))?;
    if let Some(complaint) = entries::not_counted(&listed, running.trial) {
        say(&complaint);
    }
    let lines = journal.read().map_err(|e| chain(&e))?;
    Ok(entries::fall_back(&listed, &running.deployment, &lines))
}
