//! Whether a plan is believed: under what TUF says now, by a site that the initrd or the kernel's arguments name.

use edeploy_format::exit::Exit;
use edeploy_format::fleet::Plan;
use edeploy_format::tuf::{Fault, TufError, Verified};

use super::Machine;
use crate::failure::Failure;
use crate::fetch::{Limits, Meter, SystemClock, open_repos};
use crate::installer::console::Console;
use crate::progress::Progress;
use crate::trust::{self, TrustError};

/// The plan in `bytes`, under the `targets.json` of the first site under which it holds: one that lags behind may not
/// know the service's key yet. What newer metadata denies, older does not allow.
pub(super) fn believed(
    machine: &Machine<'_>,
    console: &Console,
    bytes: &[u8],
    nonce: &str,
) -> Result<Verified<Plan>, Failure> {
    let repos = machine.arguments.repos().map_err(|e| Failure::new(Exit::Usage, e))?;
    let (mut first, mut denied) = (None, 0);
    for repo in repos {
        let meter = Meter::new(Limits::default(), &SystemClock, console);
        let fetch = open_repos(std::slice::from_ref(&repo), machine.ca.as_deref(), meter)?;
        let failure = match trust::targets(&*fetch, std::slice::from_ref(machine.store), (machine.expiry)()) {
            Ok(targets) if targets.timestamp().common.version <= denied => continue,
            Ok(targets) => {
                denied = targets.timestamp().common.version;
                match targets.plan(bytes, nonce) {
                    Ok(plan) => return Ok(plan),
                    Err(e) => Failure::new(Exit::Untrusted, e),
                }
            }
            // No site, but something that answers in its place.
            Err(TrustError::Tuf(e @ TufError { fault: Fault::Envelope(_), .. })) => {
                Failure::new(Exit::Network, e)
            }
            Err(fault) => Failure::from(fault),
        };
        console.note(&format!("{repo}: {failure}"));
        // One that is away may be the one that holds.
        if first.is_none() || failure.exit == Exit::Network {
            first = Some(failure);
        }
    }
    Err(first.unwrap_or_else(|| Failure::new(Exit::Usage, "no repository is given")))
}
