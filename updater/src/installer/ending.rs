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

/// The end of a machine that is installed.
pub(super) fn success(done: &Done, what: OnSuccess) -> ! {
    match what {
        OnSuccess::Reboot => end(RebootCommand::Restart),
        OnSuccess::Halt => end(RebootCommand::PowerOff),
        OnSuccess::Console => console(),
        OnSuccess::Kexec => {
            let Err(failure) = kexec(done);
            say(&format!("{failure}; the firmware boots what is installed instead"));
            end(RebootCommand::Restart)
        }
    }
}

/// The end of a machine that could not be installed.
pub(super) fn failure(what: OnFailure) -> ! {
    match what {
        OnFailure::Reboot => end(RebootCommand::Restart),
        OnFailure::Halt => end(RebootCommand::PowerOff),
        OnFailure::Console => console(),
    }
}

fn failed(what: &str, source: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{what}: {source}"))
}

fn end(how: RebootCommand) -> ! {
    rustix::fs::sync();
    match reboot(how) {
        Ok(()) => say("the kernel did not end"),
        Err(e) => say(&format!("ending the machine: {e}")),
    }
    console()
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
