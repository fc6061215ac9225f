//! What a machine does at the end of an install. None of these returns: a machine that is installed must not begin again.

use std::convert::Infallible;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use edeploy_format::exit::Exit;
use edeploy_format::fleet::{OnFailure, OnSuccess};
use rustix::system::{RebootCommand, reboot};

use super::flow::Done;
use crate::commands::say;
use crate::failure::Failure;
use crate::installed::{Installed, mount_point};

const BUSYBOX: &str = "/usr/bin/busybox";
const KEXEC: &str = "/usr/sbin/kexec";
/// A shell that ended begins anew after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// The last that a machine does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// It boots what was installed.
    Kexec,
    /// Its firmware does.
    Restart,
    /// It is switched off.
    PowerOff,
    /// It stays.
    Console,
}

impl Last {
    /// Of a machine that is installed; what was `asked` for counts before the plan.
    fn of_success(asked: Option<OnSuccess>, plan: OnSuccess) -> Self {
        match asked.unwrap_or(plan) {
            OnSuccess::Kexec => Self::Kexec,
            OnSuccess::Reboot => Self::Restart,
            OnSuccess::Halt => Self::PowerOff,
            OnSuccess::Console => Self::Console,
        }
    }

    /// Of one that could not be; there may be no plan.
    fn of_failure(asked: Option<OnFailure>, plan: Option<OnFailure>) -> Self {
        match asked.or(plan).unwrap_or_default() {
            OnFailure::Console => Self::Console,
            OnFailure::Halt => Self::PowerOff,
            OnFailure::Reboot => Self::Restart,
        }
    }

    /// What it does where that is not possible.
    fn instead(self) -> Self {
        match self {
            Self::Kexec => Self::Restart,
            Self::Restart | Self::PowerOff | Self::Console => Self::Console,
        }
    }
}

/// The end of a machine that cannot begin.
pub(super) fn anew() -> ! {
    end(Last::Restart, &nothing)
}

/// The end of a machine that is installed.
pub(super) fn success(done: &Done, asked: Option<OnSuccess>) -> ! {
    end(Last::of_success(asked, done.plan.on_success), &|| kexec(done))
}

/// The end of a machine that could not be installed.
pub(super) fn failure(asked: Option<OnFailure>, plan: Option<OnFailure>) -> ! {
    end(Last::of_failure(asked, plan), &nothing)
}

fn nothing() -> Result<Infallible, Failure> {
    Err(Failure::new(Exit::Failed, "nothing was installed"))
}

fn end(mut last: Last, kexec: &dyn Fn() -> Result<Infallible, Failure>) -> ! {
    loop {
        let failure = match last {
            Last::Kexec => {
                let Err(failure) = kexec();
                format!("{failure}; the firmware boots what is installed instead")
            }
            Last::Restart => not_ended(RebootCommand::Restart),
            Last::PowerOff => not_ended(RebootCommand::PowerOff),
            Last::Console => console(),
        };
        say(&failure);
        last = last.instead();
    }
}

/// Ends the machine; returns why it goes on.
fn not_ended(how: RebootCommand) -> String {
    rustix::fs::sync();
    match reboot(how) {
        Ok(()) => "the kernel did not end".to_owned(),
        Err(e) => format!("ending the machine: {e}"),
    }
}

fn failed(what: &str, source: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{what}: {source}"))
}

/// A shell on the console alone, where there is one; over the network nobody comes in. When it is left, it begins
/// anew.
fn console() -> ! {
    say("this machine stays as it is; `reboot -f` in the shell starts it anew");
    loop {
        let mut shell = Command::new(BUSYBOX);
        shell.args(["setsid", "-c", "sh"]).arg0("busybox").current_dir("/");
        if let Err(e) = shell.status() {
            say(&format!("no shell: {e}; switch the machine off by hand"));
        }
        // A console that cannot be read ends a shell at once.
        std::thread::sleep(AGAIN);
    }
}

/// Boots what was installed without the firmware; returns where that cannot be.
fn kexec(done: &Done) -> Result<Infallible, Failure> {
    let common = crate::cli::Common {
        disk: Some(done.disk.clone()),
        booted: Some(done.installed.entry.slot),
        ..Default::default()
    };
    let folder = mount_point("kexec");
    let options = {
        let installed = Installed::open(&common, crate::disk::mount::Access::ReadOnly)?;
        fs::create_dir_all(&folder).map_err(|e| failed("making a folder", &e))?;
        for (name, path) in [("kernel", &installed.head.kernel), ("initrd", &installed.head.initrd)] {
            let mut from = installed.tree.open(path.as_str().as_bytes())?;
            let copied = File::create(folder.join(name)).and_then(|mut to| io::copy(&mut from, &mut to));
            copied.map_err(|e| failed("copying kernel and initrd", &e))?;
        }
        installed.options.to_string()
    };
    call(&[
        Path::new("--load"),
        &folder.join("kernel"),
        &prefixed("--initrd=", &folder.join("initrd")),
        Path::new(&format!("--command-line={options}")),
    ])?;
    rustix::fs::sync();
    call(&[Path::new("--exec")])?;
    Err(Failure::new(Exit::Failed, "kexec did not boot what was loaded"))
}

fn prefixed(option: &str, path: &Path) -> std::path::PathBuf {
    format!("{option}{}", path.display()).into()
}

fn call(words: &[&Path]) -> Result<(), Failure> {
    let output = Command::new(KEXEC).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|e| failed("starting kexec", &e))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(Exit::Failed, format!("kexec: {}: {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_ends_as_it_was_asked_then_as_the_plan_says_and_stays_where_nobody_said() {
        use {OnFailure as Failure, OnSuccess as Success};
        let every = [
            (Success::Kexec, Last::Kexec),
            (Success::Reboot, Last::Restart),
            (Success::Halt, Last::PowerOff),
            (Success::Console, Last::Console),
        ];
        for (what, last) in every {
            assert_eq!(Last::of_success(None, what), last);
            assert_eq!(Last::of_success(Some(what), Success::Kexec), last);
        }
        let every = [
            (Failure::Console, Last::Console),
            (Failure::Halt, Last::PowerOff),
            (Failure::Reboot, Last::Restart),
        ];
        for (what, last) in every {
            assert_eq!(Last::of_failure(None, Some(what)), last);
            assert_eq!(Last::of_failure(Some(what), Some(Failure::Reboot)), last);
            assert_eq!(Last::of_failure(Some(what), None), last);
        }
        assert_eq!(Last::of_failure(None, None), Last::Console);
    }

    #[test]
    fn an_end_that_is_not_possible_is_another_and_never_a_second_install() {
        assert_eq!(Last::Kexec.instead(), Last::Restart);
        for last in [Last::Restart, Last::PowerOff, Last::Console] {
            assert_eq!(last.instead(), Last::Console);
        }
    }
}
