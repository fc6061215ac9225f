//! The install of one machine, from its hardware to what the service has heard of it.
//!
//! Nothing of a plan is used before its signature holds under what TUF says now. Which site that is asked of comes
//! from the initrd or the kernel's arguments, never from the plan. What is away is waited for; what is wrong ends the
//! install with its stage.

mod belief;
mod patience;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use edeploy_format::digest::hex;
use edeploy_format::exit::Exit;
use edeploy_format::fleet::{OnFailure, Plan, Progress as Told, Report, Stage};
use edeploy_format::tuf::{Expiry, Verified};

use belief::believed;
use patience::{Patience, insist, later};

use super::arguments::Arguments;
use super::belongings::Files;
use super::console::Console;
use super::scripts;
use super::service::{Service, ServiceError};
use crate::detect::{self, Line, hint};
use crate::failure::Failure;
use crate::fetch::Limits;
use crate::install::{Installed, Order, Request, check, install, no_uefi};
use crate::progress::Progress;
use crate::random;
use crate::settings::{Settings, lasting};
use crate::trust::Store;
use crate::wanted::own_architecture;

/// So often a failure or a log is told to a service that is away, before the machine goes on.
const INSISTENCE: u32 = 8;
/// The status of an answer to a machine that nobody permitted.
const FORBIDDEN: u16 = 403;
/// And of one to a machine that no profile fits.
const UNFIT: u16 = 409;
/// So long after such an answer the network cards are looked at again.
const COMING: Duration = Duration::from_secs(5);
/// So often a machine reports that its cards are others now.
const COMINGS: u32 = 3;
/// So often, a second apart, a disk is looked for that a script may have made.
const LOOKS: u32 = 20;
/// So often in a row it must be the same one.
const STEADY: u32 = 5;
/// The same where no script ran: some drivers find disks when the machine has long been up.
const WITHOUT_SCRIPTS: [u32; 2] = [3, 1];

/// What the flow works on.
pub struct Machine<'a> {
    /// Where /sys, /proc and /dev are found.
    pub root: &'a Path,
    /// Whether UEFI started it.
    pub uefi: bool,
    /// What was asked for.
    pub arguments: &'a Arguments,
    /// The root metadata to trust first.
    pub store: &'a Store,
    /// Certificates to trust for https, as PEM, instead of the system's.
    pub ca: Option<String>,
    /// The time that counts for expiry, as it is now: a machine may wait for long.
    pub expiry: &'a dyn Fn() -> Expiry,
    /// A folder in memory for what is run.
    pub scratch: &'a Path,
    /// How a pause is made.
    pub pause: &'a dyn Fn(Duration, For),
}

/// What a pause is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// What does not answer: it may be reached another way.
    Away,
    /// What answers, and asks for patience.
    Busy,
}

/// A machine that is installed, and the service knows it.
pub struct Done {
    /// The plan.
    pub plan: Verified<Plan>,
    /// What was installed.
    pub installed: Installed,
    /// The disk.
    pub disk: PathBuf,
}

/// Why a machine could not be installed.
pub struct Failed {
    /// At which stage.
    pub stage: Stage,
    /// Why.
    pub failure: Failure,
    /// What the plan says about that, if there was one.
    pub on_failure: Option<OnFailure>,
}

/// Installs the machine; the service is told of every stage, and of the end.
///
/// # Errors
/// [`Failed`], which the console shows and the service was told of, as far as it was there.
pub fn run(machine: &Machine<'_>, service: &Arc<Service>, console: &Console) -> Result<Done, Failed> {
    let mut plan = None;
    let ended = attempt(machine, service, console, &mut plan);
    let stage = console.reached();
    console.tell_no_more();
    match (ended, plan) {
        (Ok((installed, disk)), Some(plan)) => {
            let told = Told { stage: Stage::Installed, done: 0, total: 0, failure: None };
            insist(machine, console, u32::MAX, || service.progress(&told));
            hand_in_log(machine, service, console);
            Ok(Done { plan, installed, disk })
        }
        (ended, plan) => {
            let none = || Failure::new(Exit::Failed, "an install ended without a plan");
            let failure = ended.err().unwrap_or_else(none);
            console.note(&format!("FAILED at the stage {}: {failure}", name(stage)));
            // Of a machine that it does not know it would not hear.
            if service.knows_us() {
                let told = Told { stage, done: 0, total: 0, failure: Some(failure.to_string()) };
                insist(machine, console, INSISTENCE, || service.progress(&told));
                hand_in_log(machine, service, console);
            }
            Err(Failed { stage, failure, on_failure: plan.map(|plan| plan.on_failure) })
        }
    }
}

/// The word for a stage, as the service has it.
fn name(stage: Stage) -> String {
    serde_json::to_string(&stage).unwrap_or_default().replace('"', "")
}

fn attempt(
    machine: &Machine<'_>,
    service: &Arc<Service>,
    console: &Console,
    out: &mut Option<Verified<Plan>>,
) -> Result<(Installed, PathBuf), Failure> {
    admitted(machine, service, console)?;
    console.tell(service);
    let hardware = detected(machine);
    console.reach(Stage::Detected);
    console.note(&format!("detected {} lines of hardware", hardware.len()));
    for [class, item, attribute, value] in &hardware {
        console.detail(&format!("{class} {item} {attribute} {value}"));
    }
    let plan = planned(machine, service, console, hardware)?;
    console.reach(Stage::Planned);
    console.note(&format!("{}: profile {}, {} {}", plan.machine, plan.profile, plan.role, plan.version));
    let plan = out.insert(plan);
    let files = Files::of(&plan.files).map_err(|e| Failure::new(Exit::Refused, e))?;
    let settings = settings(machine, plan)?;
    let order = || Order {
        role: &plan.role,
        version: &plan.version,
        store: machine.store,
        expiry: (machine.expiry)(),
        repos: &plan.repos,
        limits: Limits::default(),
        settings: &settings,
        slot_size: plan.slot_size,
        own: Some(&files),
    };
    if !plan.scripts.is_empty() {
        // They may end what the disks hold, so whatever would end the install anyway is found before.
        scripts::check(&plan.scripts)?;
        until_there(machine, console, Stage::Planned, || check(&order(), console))?;
    }
    for script in &plan.scripts {
        console.note(&format!("running the script {}", script.name));
        scripts::run(script, machine.scratch, &plan.profile, &mut |line| console.note(line))?;
    }
    let disk = chosen(machine, plan)?;
    console.reach(Stage::Prepared);
    console.note(&format!("installing on {}", disk.display()));
    let request = || Request { disk: &disk, wipe: true, hostname: None, order: order() };
    let installed = until_there(machine, console, Stage::Prepared, || install(&request(), console))?;
    console.reach(Stage::Armed);
    Ok((installed, disk))
}

/// The lines of a report.
fn detected(machine: &Machine<'_>) -> Vec<Line> {
    let mut hardware = detect::hardware(machine.root);
    if !machine.arguments.lldp.is_zero() {
        hardware.extend(detect::neighbours(machine.arguments.lldp));
    }
    hardware
}

/// What is detected now, where the network cards are not what `before` says: a link that came since may be what
/// a profile asks for.
fn come(machine: &Machine<'_>, before: &[Line]) -> Option<Vec<Line>> {
    (machine.pause)(COMING, For::Busy);
    let now = detected(machine);
    let of_cards = |lines: &[Line]| -> Vec<Line> {
        lines.iter().filter(|[class, ..]| class == "network").cloned().collect()
    };
    (of_cards(&now) != of_cards(before)).then_some(now)
}

/// Does what needs repositories; where they go away it waits, and begins again at `stage`.
fn until_there<T>(
    machine: &Machine<'_>,
    console: &Console,
    stage: Stage,
    run: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut patience = Patience::default();
    loop {
        match run() {
            Err(failure) if failure.exit == Exit::Network => {
                patience.wait(machine, console, (failure.to_string(), Duration::ZERO, For::Away))?;
                console.reach(stage);
            }
            other => return other,
        }
    }
}

/// The disk. One that a script has just made of others, or a driver has just found, shows itself after a while, and what
/// fits alone until then may be another: so the choice must stay the same.
fn chosen(machine: &Machine<'_>, plan: &Plan) -> Result<PathBuf, Failure> {
    let mut chosen = hint::choose(machine.root, &plan.disk);
    let [looks, steady] = if plan.scripts.is_empty() { WITHOUT_SCRIPTS } else { [LOOKS, STEADY] };
    let (mut looked, mut same) = (0, 0);
    // What is found late is given its seconds too.
    while same < steady && looked < if chosen.is_ok() { 2 * LOOKS } else { looks } {
        (machine.pause)(Duration::from_secs(1), For::Busy);
        let now = hint::choose(machine.root, &plan.disk);
        same = if now.is_ok() && now == chosen { same + 1 } else { 0 };
        chosen = now;
        looked += 1;
    }
    let unsuitable = |text: String| Failure::new(Exit::Unsuitable, text);
    match chosen {
        Ok(disk) if same < steady => Err(unsuitable(format!(
            "the disks of this machine change from second to second: {} is the one only now",
            disk.display()
        ))),
        chosen => chosen.map_err(|e| unsuitable(e.to_string())),
    }
}

/// Asks for a token where the boot script brought none. A machine that nobody permitted waits for somebody to do it.
fn admitted(machine: &Machine<'_>, service: &Service, console: &Console) -> Result<(), Failure> {
    if service.knows_us() {
        return Ok(());
    }
    let arrival = detect::arrival(machine.root, machine.uefi);
    let mut patience = Patience::default();
    loop {
        let wait = match service.admit(&arrival) {
            Ok(()) => return Ok(()),
            Err(ServiceError::Refused { .. }) if !machine.uefi => return Err(no_uefi()),
            Err(error @ ServiceError::Refused { status: FORBIDDEN, .. }) => {
                (error.to_string(), Duration::ZERO, For::Busy)
            }
            Err(error) => later(console, error)?,
        };
        patience.wait(machine, console, wait)?;
    }
}

/// What the machine remembers; wrong now or never.
fn settings(machine: &Machine<'_>, plan: &Plan) -> Result<Settings, Failure> {
    let (repo, mirrors) = lasting(&plan.repos)?;
    Ok(Settings { repo, mirrors, profile: plan.profile.clone(), ca: machine.ca.clone() })
}

/// Reports, until there is a plan that holds.
fn planned(
    machine: &Machine<'_>,
    service: &Service,
    console: &Console,
    hardware: Vec<Line>,
) -> Result<Verified<Plan>, Failure> {
    let mut report = Report {
        nonce: String::new(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        architecture: own_architecture(),
        uefi: machine.uefi,
        hardware,
    };
    let (mut patience, mut looks) = (Patience::default(), COMINGS);
    loop {
        report.nonce = hex(&random::bytes::<32>()?);
        let answer = service.report(&report);
        // The service knows the machine now, whatever it answered.
        if !machine.uefi && !matches!(answer, Err(ServiceError::Away { .. } | ServiceError::Busy { .. })) {
            return Err(no_uefi());
        }
        let wait = match answer {
            Ok(bytes) => match believed(machine, console, &bytes, &report.nonce) {
                Err(failure) if failure.exit == Exit::Network => {
                    (failure.to_string(), Duration::ZERO, For::Away)
                }
                other => return other,
            },
            Err(error @ ServiceError::Refused { status: UNFIT, .. }) if looks > 0 => {
                looks -= 1;
                let failure = refused(console, error);
                let Some(hardware) = come(machine, &report.hardware) else { return Err(failure) };
                console.note("the network cards are not what was reported: this machine reports again");
                report.hardware = hardware;
                continue;
            }
            Err(error) => later(console, error)?,
        };
        patience.wait(machine, console, wait)?;
    }
}

/// Shows, profile by profile, why none fits.
fn refused(console: &Console, error: ServiceError) -> Failure {
    if let ServiceError::Refused { tried, .. } = &error {
        for one in tried {
            console.note(&format!("profile {}: {}", one.profile, one.reason));
        }
    }
    Failure::new(Exit::Refused, error)
}

fn hand_in_log(machine: &Machine<'_>, service: &Service, console: &Console) {
    if !machine.arguments.keep_log {
        insist(machine, console, INSISTENCE, || service.log(&console.log()));
    }
}
