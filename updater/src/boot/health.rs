//! Runs the role's health checks, reports them, and decides what their failure means.
//!
//! A check is an executable in one of two folders of the tree; exit code 0 is healthy. A required check
//! that fails, hangs or cannot be run makes the machine unhealthy, one that is only wanted is reported.
//! The marker [`HEALTHY`] is what bless waits for. Rebooting is systemd's part: on a counted trial the
//! generator arms the unit, so that a failure reboots. Where that would lead nowhere, an armed run ends
//! well in systemd's eyes, without the marker.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use edeploy_format::exit::Exit;
use edeploy_format::units::{HEALTH_REQUIRED, HEALTH_WANTED};

use super::running::Running;
use super::{entries, generator};
use crate::failure::chain;
use crate::journal::{Event, Journal};
use crate::program::{self, End};

/// There when all required checks of this boot passed.
pub const HEALTHY: &str = "run/edeploy/healthy";

/// What runs a check, as checks of the tree and of tests differ only in where they lie.
struct Checks<'a> {
    root: &'a Path,
    limit: Duration,
    say: &'a mut dyn FnMut(&str),
}

/// Runs all checks of the machine whose root is `root`. `armed`: every exit code but 0 reboots it.
pub fn run(root: &Path, armed: bool, say: &mut dyn FnMut(&str)) -> Exit {
    let limit = Duration::from_secs(generator::limits(root, say).check.into());
    let mut checks = Checks { root, limit, say };
    let mut reasons = checks.failures(HEALTH_REQUIRED);
    let wanted = checks.failures(HEALTH_WANTED);
    let marker = if reasons.is_empty() { mark(root) } else { unmark(root) };
    reasons.extend(marker.err().map(|e| format!("the marker /{HEALTHY}: {e}")));
    let reboot = armed && !reasons.is_empty() && entries::leads_elsewhere(root, say);
    report(root, &reasons, wanted, reboot, say);
    match (reasons.is_empty(), armed) {
        (true, _) => Exit::Done,
        (false, true) if !reboot => Exit::Done,
        (false, _) => Exit::Failed,
    }
}

fn mark(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root.join(super::RUN))?;
    fs::write(root.join(HEALTHY), "")
}

fn unmark(root: &Path) -> io::Result<()> {
    match fs::remove_file(root.join(HEALTHY)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Says and records the outcome; on a trial the record is on the disk before the machine reboots.
fn report(root: &Path, reasons: &[String], wanted: Vec<String>, reboot: bool, say: &mut dyn FnMut(&str)) {
    for failure in &wanted {
        say(&format!("health: {failure} (wanted, not required)"));
    }
    match (reasons, reboot) {
        ([], _) => say("health: all required checks passed"),
        (_, true) => say(&format!("health: FAILED, this trial ends: {}", reasons.join("; "))),
        (_, false) => say(&format!("health: FAILED, the machine stays up: {}", reasons.join("; "))),
    }
    let running = match Running::of(root) {
        Ok(running) => running.deployment,
        Err(e) => return say(&format!("health is not recorded: {}", chain(&e))),
    };
    let event = match reasons {
        [] => Event::Healthy { running, wanted },
        _ => Event::Unhealthy { running, reason: reasons.join("; "), reboot },
    };
    if let Err(e) = Journal::of(root).append(event) {
        say(&chain(&e));
    }
}

impl Checks<'_> {
    /// Runs every check of a folder in the order of their names; one sentence per failure.
    fn failures(&mut self, folder: &str) -> Vec<String> {
        match list(&self.root.join(folder)) {
            Ok(paths) => paths.iter().filter_map(|path| self.failure(path)).collect(),
            Err(e) => vec![format!("the folder of checks /{folder}: {e}")],
        }
    }

    fn failure(&mut self, path: &Path) -> Option<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !is_executable(path) {
            return Some(format!("check {name} is not executable"));
        }
        let mut command = Command::new(path);
        command.current_dir("/");
        let mut prefixed = |line: &str| (self.say)(&format!("health: {name}: {line}"));
        let ending = match program::run(command, self.limit, &mut prefixed) {
            Ok(ending) => ending,
            Err(e) => return Some(format!("check {name} cannot be run: {e}")),
        };
        let words = ending.last_words().map(|words| format!(" ({words})")).unwrap_or_default();
        match ending.end {
            End::Code(0) => None,
            End::OutOfTime => Some(format!("check {name}: no end within {} s{words}", self.limit.as_secs())),
            end => Some(format!("check {name}: {end}{words}")),
        }
    }
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    Ok(paths)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for folder in [HEALTH_REQUIRED, HEALTH_WANTED] {
                fs::create_dir_all(machine.0.path().join(folder)).unwrap();
            }
            fs::write(machine.0.path().join(edeploy_format::limits::PATH), "check-seconds 1\n").unwrap();
            machine
        }

        fn check(self, folder: &str, name: &str, script: &str, mode: u32) -> Self {
            let path = self.0.path().join(folder).join(name);
            // Written by another process: a child that a test beside this one forks would hold it open for
            // writing, and then it cannot be run.
            let text = self.0.path().join("text");
            fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
            assert!(Command::new("cp").args([&text, &path]).status().unwrap().success());
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            self
        }

        fn run(&self, armed: bool) -> (Exit, Vec<String>) {
            let mut said = Vec::new();
            let exit = run(self.0.path(), armed, &mut |line| said.push(line.to_owned()));
            (exit, said)
        }

        fn is_marked(&self) -> bool {
            self.0.path().join(HEALTHY).exists()
        }
    }

    #[test]
    fn without_checks_a_machine_is_healthy() {
        let machine = Machine::new();
        let (exit, said) = machine.run(true);
        assert_eq!(exit, Exit::Done);
        assert_eq!(said[0], "health: all required checks passed");
        assert!(machine.is_marked());
    }

    #[test]
    fn a_failing_required_check_is_named_with_its_last_words() {
        let machine = Machine::new().check(HEALTH_REQUIRED, "10-fine", "echo fine", 0o755).check(
            HEALTH_REQUIRED,
            "20-nginx",
            "echo no answer; exit 3",
            0o755,
        );
        fs::create_dir_all(machine.0.path().join("run/edeploy")).unwrap();
        fs::write(machine.0.path().join(HEALTHY), "of an earlier run").unwrap();
        let (exit, said) = machine.run(true);
        assert_eq!(exit, Exit::Failed);
        assert_eq!(said[..2], ["health: 10-fine: fine", "health: 20-nginx: no answer"]);
        let verdict = "health: FAILED, this trial ends: check 20-nginx: exit code 3 (no answer)";
        assert!(said.iter().any(|line| line == verdict), "{said:?}");
        assert!(!machine.is_marked());
    }

    #[test]
    fn a_failing_wanted_check_is_only_reported() {
        let machine = Machine::new().check(HEALTH_WANTED, "backup", "exit 1", 0o755);
        let (exit, said) = machine.run(true);
        assert_eq!(exit, Exit::Done);
        assert_eq!(said[0], "health: check backup: exit code 1 (wanted, not required)");
        assert!(machine.is_marked());
    }

    #[test]
    fn a_check_that_hangs_or_cannot_be_run_is_a_failure() {
        let machine = Machine::new().check(HEALTH_REQUIRED, "a", "sleep 600", 0o755).check(
            HEALTH_REQUIRED,
            "b",
            "exit 0",
            0o644,
        );
        let (exit, said) = machine.run(false);
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            said[0],
            "health: FAILED, the machine stays up: check a: no end within 1 s; check b is not executable"
        );
    }
}
