//! The installer: this program as all that runs in a small initrd, from PID 1 on.
//!
//! PID 1 mounts what the kernel shows, and keeps one child at work for as long as the machine is on: a child that
//! dies is started anew, and starts over; after ten that died the next one only tells the service so. The child brings
//! drivers and network, and installs ([`flow`]). There is no shell in any of it; the console gets one only at the very end, if that is asked for. `docs/installer.md` describes
//! the kernel's arguments, the stages and what each start trusts.

pub mod arguments;
pub mod belongings;
mod cards;
pub mod console;
mod early;
mod ending;
pub mod flow;
pub mod lease;
pub mod link;
mod network;
pub mod scripts;
pub mod service;

use std::cell::RefCell;
use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use edeploy_format::exit::Exit;
use edeploy_format::fleet::{Progress as Told, Stage};

use arguments::Arguments;
use console::Console;
use flow::Machine;
use network::Network;
use service::Service;

use crate::commands::{now, say};
use crate::disk::mount::private_namespace;
use crate::failure::{Failure, chain};
use crate::install::SOURCES;
use crate::progress::Progress;
use crate::trust::Store;

/// What the initrd brings: arguments in the kernel's form, which those of the boot script replace.
pub const ARGUMENTS: &str = "/etc/edeploy/arguments";
/// The root metadata to trust first.
pub const ROOT: &str = "/etc/edeploy/root.json";
/// Certificates to trust for https, instead of the system's; need not be there.
pub const CERTIFICATES: &str = "/etc/edeploy/ca.pem";
/// The word that PID 1 starts its child with.
const WORK: &str = "work";
/// A child that died is started anew after so long.
const AGAIN: Duration = Duration::from_secs(10);
/// So many may die before the next only tells of it: the disk is not written again and again.
const DEATHS: u32 = 10;
/// What tells a child that it is to do so, and how the last one ended.
const DEATH: &str = "EDEPLOY_DEATH";

/// What this program is when it is called `name`: the first process, its child, or the hook of the DHCP client.
/// `None` when it is none of them.
pub fn main(name: &OsStr, word: Option<&OsStr>) -> Option<ExitCode> {
    let called = Path::new(name).file_name()?;
    if called == "init" {
        match word {
            Some(word) if word == WORK => work(),
            _ if std::process::id() == 1 => first(),
            _ => return None,
        }
        return Some(ExitCode::FAILURE);
    }
    if Path::new(name).ends_with(lease::HOOK.trim_start_matches('/')) {
        let event = word.and_then(OsStr::to_str).unwrap_or_default();
        let done = lease::hook(event).map_err(|e| lease::complain(&e));
        return Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    None
}

/// PID 1: it never ends.
fn first() {
    if let Err(e) = early::mounts() {
        say(&format!("init: {e}"));
    }
    early::quiet();
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    if !early::has_drivers_of(Path::new("/"), &release) {
        say(&format!(
            "init: this initrd has no drivers of the kernel {release}: they are of two builds; the machine boots anew"
        ));
        std::thread::sleep(AGAIN);
        ending::anew();
    }
    let (mut deaths, mut last) = (0, String::new());
    loop {
        let mut child = Command::new("/init");
        child.arg(WORK).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        if deaths >= DEATHS {
            child.env(DEATH, &last);
        }
        if is_serial() {
            child.env("TERM", "dumb");
        }
        match child.status() {
            Ok(status) => {
                (deaths, last) = (deaths + 1, status.to_string());
                say(&format!("init: the installer ended ({status}); it starts over"));
            }
            Err(e) => say(&format!("init: starting the installer: {e}")),
        }
        std::thread::sleep(AGAIN);
    }
}

/// Whether the console is a serial line, which wants no line drawn twice.
fn is_serial() -> bool {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    active.split_whitespace().last().is_some_and(|console| console.starts_with("ttyS"))
}

/// The child: installs, then ends the machine as it is told to.
fn work() -> ! {
    let texts = [ARGUMENTS, "/proc/cmdline"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let (arguments, bad) = Arguments::read(&[&texts[0], &texts[1]]);
    let console = Console::new(arguments.verbose);
    console.note(concat!("edeploy-ab ", env!("CARGO_PKG_VERSION"), ": the installer"));
    // What is mounted goes with this process: whoever starts over finds the disk free.
    if let Err(e) = private_namespace() {
        console.note(&chain(&e));
    }
    let died = std::env::var(DEATH).ok();
    let died = died.map(|last| {
        format!("{DEATHS} installers or more ended before they were done, the last one with {last}")
    });
    let trouble = died.or(bad.map(|bad| chain(&bad)));
    // The network that the service is told by may be long in coming.
    trouble.iter().for_each(|trouble| console.note(trouble));
    let Err(failure) = installed(&arguments, trouble, &console);
    console.note(&format!("FAILED: {failure}"));
    ending::failure(arguments.on_failure, None)
}

/// Installs, unless there is `trouble`, and ends the machine; returns why it could not begin to, of which the service
/// was told.
fn installed(
    arguments: &Arguments,
    trouble: Option<String>,
    console: &Console,
) -> Result<Infallible, Failure> {
    if let (Some(trouble), None) = (&trouble, &arguments.token) {
        // No service knows this machine, so none is waited for.
        return Err(Failure::new(Exit::Failed, &**trouble));
    }
    let usage = |e| Failure::new(Exit::Usage, e);
    let server = arguments.server().map_err(usage)?;
    let failed = |e: std::io::Error| Failure::new(Exit::Failed, e);
    if early::clock(SOURCES).map_err(failed)? {
        console.note("the clock was before the day of this program: it begins there");
    }
    let ca = fs::read_to_string(CERTIFICATES).ok();
    let count = early::drivers(Path::new("/sys")).map_err(failed)?;
    console.detail(&format!("{count} devices were asked for their drivers"));
    // What nothing asks for by itself.
    early::modprobe(
        &["8021q", "ext4", "ib_ipoib", "ipmi_devintf", "loop", "sg"].map(str::to_owned).each_ref(),
    )
    .map_err(failed)?;
    let mut network = Network::new(&arguments.links, console);
    network.bring().map_err(failed)?;
    // Some buses show late what is at them.
    early::drivers(Path::new("/sys")).map_err(failed)?;
    let network = RefCell::new(network);
    // Whatever is waited for may be at another card, which has no address yet.
    let pause = |pause, why| network.borrow_mut().wait(pause, why);
    let service = Arc::new(Service::new(server, arguments.token.clone(), ca.as_deref())?);
    let told = |failure: &str| told(&service, failure, &console.log(), arguments.keep_log);
    if let Some(trouble) = trouble {
        told(&trouble);
        return Err(Failure::new(Exit::Failed, trouble));
    }
    let store = Store::anchor(Path::new(ROOT)).inspect_err(|fault| told(&chain(fault)))?;
    let machine = Machine {
        root: Path::new("/"),
        uefi: Path::new("/sys/firmware/efi").exists(),
        arguments,
        store: &store,
        ca,
        expiry: &|| now(SOURCES, console),
        scratch: Path::new("/run"),
        pause: &pause,
    };
    match flow::run(&machine, &service, console) {
        Ok(done) => {
            console.note(&format!("{} is installed", done.plan.machine));
            ending::success(&done, arguments.on_success)
        }
        Err(failed) => ending::failure(arguments.on_failure, failed.on_failure),
    }
}

/// The service hears of what failed before the install began, and gets the log, if it knows this machine and is there.
fn told(service: &Service, failure: &str, log: &str, keep_log: bool) {
    if service.knows_us() {
        let told = Told { stage: Stage::Booted, done: 0, total: 0, failure: Some(failure.to_owned()) };
        // The console says it as well.
        let _: Result<(), _> = service.progress(&told);
        if !keep_log {
            let _: Result<(), _> = service.log(log);
        }
    }
}
