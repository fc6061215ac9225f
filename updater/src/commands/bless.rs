//! `bless`: what runs is good.

use edeploy_format::exit::Exit;
use serde_json::json;

use crate::cli::Common;
use crate::disk::mount::Access;
use crate::failure::Failure;
use crate::host::linux::Linux;
use crate::host::run as run_host;
use crate::installed::Installed;
use crate::machine::{Goal, Outcome};

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let progress = super::progress(common);
    let installed = Installed::open(common, Access::ReadWrite)?;
    let outcome = run_host(&mut Linux::installed(&installed, None, &*progress), &Goal::Bless)?;
    let Outcome::Blessed(name) = outcome else {
        return Err(Failure::new(Exit::Failed, "a blessing ended as something else"));
    };
    let version = &installed.head.version;
    let json = json!({ "version": version, "slot": name.slot.to_string(), "entry": name.to_string() });
    super::answer_done(common, &json, &[format!("{version} in slot {} is good", name.slot)]);
    Ok(Exit::Done)
}
