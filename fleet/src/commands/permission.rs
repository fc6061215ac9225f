//! `permit`, `forbid`, `reinstall` and `release`, on the store: the service may run meanwhile.

use crate::cli::{Machine, Permit};
use crate::failure::Cause;
use crate::moment::Moment;
use crate::store::{Permitted, Released, Store};

pub(super) fn permit(args: &Permit) -> Result<(), Cause> {
    let store = Store::open(&args.data.folder)?;
    if let Some(count) = args.new {
        return Ok(store.permit_new(count)?);
    }
    let Some(machine) = &args.machine else {
        return Err(Cause::Usage("a machine or --new N is needed".to_owned()));
    };
    given(&store, machine, false)
}

pub(super) fn reinstall(args: &Machine) -> Result<(), Cause> {
    given(&Store::open(&args.data.folder)?, &args.machine, true)
}

fn given(store: &Store, machine: &str, again: bool) -> Result<(), Cause> {
    match store.permit(machine, again, Moment::now())? {
        Permitted::Given => Ok(()),
        Permitted::Unknown => Err(no_machine(machine)),
        Permitted::Full => Err(Cause::Refused("too many machines are known".to_owned())),
        Permitted::Installed(name) => Err(Cause::Refused(format!(
            "{name} was installed: to wipe it and install it again run `edeploy-fleet reinstall {name}`"
        ))),
        Permitted::Told(name) => Err(only_told(machine, &name, "reinstall")),
    }
}

pub(super) fn forbid(args: &Machine) -> Result<(), Cause> {
    match Store::open(&args.data.folder)?.forbid(&args.machine)? {
        true => Ok(()),
        false => Err(Cause::Unknown(format!("permission of {}", args.machine))),
    }
}

pub(super) fn release(args: &Machine) -> Result<(), Cause> {
    match Store::open(&args.data.folder)?.release(&args.machine, Moment::now())? {
        Released::Done => Ok(()),
        Released::Unknown => Err(no_machine(&args.machine)),
        Released::Told(name) => Err(only_told(&args.machine, &name, "release")),
        Released::Busy => {
            Err(Cause::Refused(format!("{} is being installed with what it has", args.machine)))
        }
    }
}

fn only_told(mac: &str, known: &str, command: &str) -> Cause {
    Cause::Refused(format!(
        "no machine has booted by {mac}; {known} has reported that card: if that machine is meant run \
         `edeploy-fleet {command} {known}`, else let the machine that has the card boot by it first"
    ))
}

fn no_machine(machine: &str) -> Cause {
    Cause::Unknown(format!("machine {machine}"))
}
