//! Whether a boot is counted, and the end of a trial that never came to its health checks.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edeploy_format::boot::{EntryName, TRIES};

use super::running::Running;
use super::{entries, generator};
use crate::efi::{Efi, Variable};
use crate::failure::chain;
use crate::journal::{Event, Journal};
use crate::program::{self, End};

/// What the loader counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// Not this boot.
    No,
    /// It spent a try of this entry: a failure may reboot, the count ends that.
    Counted(EntryName),
    /// No entry had tries left, so the loader took an exhausted one once more. It can be blessed, but a
    /// reboot would only come back here.
    LastResort(EntryName),
}

impl Trial {
    /// Reads the loader's variable. A counted entry that is not ours is nothing of ours to judge.
    #[must_use]
    pub fn of(efi: Option<&Efi>) -> Self {
        let path = efi.and_then(|efi| efi.read(Variable::BootCountPath).ok()).flatten();
        path.as_deref().map_or(Self::No, Self::of_path)
    }

    fn of_path(path: &str) -> Self {
        let file = path.rsplit('\\').next().unwrap_or(path);
        match file.parse::<EntryName>() {
            Ok(entry) if entry.tries.is_some_and(|t| t.left == 0 && t.done > TRIES) => {
                Self::LastResort(entry)
            }
            Ok(entry) => Self::Counted(entry),
            Err(_) => Self::No,
        }
    }

    /// The entry on trial.
    #[must_use]
    pub fn entry(self) -> Option<EntryName> {
        match self {
            Self::No => None,
            Self::Counted(entry) | Self::LastResort(entry) => Some(entry),
        }
    }
}

/// The end of a trial that came to emergency or rescue mode, if a reboot leads elsewhere; whether it does.
pub fn emergency(root: &Path, say: &mut dyn FnMut(&str)) -> bool {
    let ends = entries::leads_elsewhere(root, say);
    if ends {
        fail(root, "emergency mode", say);
    } else {
        say("emergency mode; no reboot: this version is blessed, or nothing else would boot");
    }
    ends
}

/// Records why a trial ends, durably, and shows it.
fn fail(root: &Path, reason: &str, say: &mut dyn FnMut(&str)) {
    say(&format!("this trial has failed: {reason}"));
    let recorded = Running::of(root).map_err(|e| chain(&e)).and_then(|running| {
        let running = running.deployment;
        let event = Event::Unhealthy { running, reason: reason.to_owned(), reboot: true };
        Journal::of(root).append(event).map_err(|e| chain(&e))
    });
    if let Err(e) = recorded {
        say(&format!("the reason is not recorded: {e}"));
    }
    rustix::fs::sync();
}

/// Waits for the limit of the trial; whether the boot was complete by then. If not, says what was
/// still to be done, and records it.
pub fn limit(root: &Path, say: &mut dyn FnMut(&str)) -> bool {
    let limits = generator::limits(root, say);
    std::thread::sleep(Duration::from_secs(limits.trial.into()));
    let (complete, _) = systemctl(&["is-active", "--quiet", "boot-complete.target"]);
    if complete {
        return true;
    }
    if !entries::leads_elsewhere(root, say) {
        say(
            "the time limit of this trial is over; no reboot: this version is blessed, or nothing else would boot",
        );
        return true;
    }
    let (_, jobs) = systemctl(&["list-jobs", "--no-legend", "--plain"]);
    fail(root, &format!("not complete after {} s; {}", limits.trial, waiting_for(&jobs)), say);
    false
}

fn systemctl(args: &[&str]) -> (bool, String) {
    let mut command = Command::new("systemctl");
    command.args(args);
    match program::run(command, Duration::from_secs(5), &mut |_| ()) {
        Ok(ending) => (ending.end == End::Code(0), ending.output),
        Err(e) => (false, e.to_string()),
    }
}

/// The units that are being started, from the lines `<id> <unit> start running` of `list-jobs`.
fn waiting_for(jobs: &str) -> String {
    let running = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, unit, _, "running"] = fields[..] else { return None };
        Some(unit.to_owned())
    };
    let units: Vec<String> = jobs.lines().filter_map(running).take(8).collect();
    if units.is_empty() {
        "it waits for no unit".to_owned()
    } else {
        format!("it waits for {}", units.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaders_path_tells_a_trial_from_the_last_resort() {
        let trial = |file: &str| Trial::of_path(&format!("\\loader\\entries\\{file}"));
        let entry = |file: &str| file.parse::<EntryName>().unwrap();
        for counted in ["edeploy-b-g2+2-1.conf", "edeploy-b-g2+0-3.conf"] {
            assert_eq!(trial(counted), Trial::Counted(entry(counted)));
        }
        for last in ["edeploy-b-g2+0-4.conf", "edeploy-a-g12+0-40.conf"] {
            assert_eq!(trial(last), Trial::LastResort(entry(last)));
        }
        assert_eq!(trial("debian+2-1.conf"), Trial::No);
        assert_eq!(Trial::of(None), Trial::No);
    }

    #[test]
    fn the_units_that_hold_a_boot_up_are_named() {
        let jobs = "  1 multi-user.target start waiting\n 88 slow.service start running\n\
                    2 boot-complete.target start waiting\n 90 other.service start running\n";
        assert_eq!(waiting_for(jobs), "it waits for slow.service, other.service");
        assert_eq!(waiting_for(""), "it waits for no unit");
    }
}
