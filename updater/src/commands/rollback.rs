//! `rollback`: the other slot boots next.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::Common;
use crate::disk::mount::Access;
use crate::failure::Failure;
use crate::host::linux::Linux;
use crate::host::run as run_host;
use crate::installed::Installed;
use crate::machine::{Goal, Outcome};

pub(super) fn run(common: &Common, no_reboot: bool) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = Installed::open(common, Access::ReadWrite)?;
    let outcome = run_host(&mut Linux::installed(&installed, None, &*progress), &Goal::Rollback)?;
    let Outcome::RolledBack(name) = outcome else {
        return Err(Failure::new(Exit::Failed, "a rollback ended as something else"));
    };
    let json = json!({ "slot": name.slot.to_string(), "entry": name.to_string(), "reboot": true });
    super::answer_done(common, &json, &[format!("slot {} boots next", name.slot)]);
    Ok(super::reboot(&installed, no_reboot, &*progress))
}
