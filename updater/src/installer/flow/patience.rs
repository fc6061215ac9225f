//! How what is away is waited for: the service, a repository, whoever permits this machine.

use std::time::Duration;

use super::{For, Machine, refused};
use crate::failure::{Failure, chain};
use crate::fetch::pause;
use crate::installer::console::Console;
use crate::installer::service::ServiceError;
use crate::progress::Progress;
use crate::random;

/// What is away is said again after so many tries.
const OFTEN: u32 = 10;

/// What is said of what may answer later, how long it asked to be left alone, and why it is waited for.
pub(super) type Wait = (String, Duration, For);

/// How a service is waited for; its refusal is one.
pub(super) fn later(console: &Console, error: ServiceError) -> Result<Wait, Failure> {
    match error {
        ServiceError::Refused { .. } => Err(refused(console, error)),
        ServiceError::Busy { pause, is_its_own, .. } => Ok((error.to_string(), pause, waits_for(is_its_own))),
        ServiceError::Away { .. } => Ok((chain(&error), Duration::ZERO, For::Away)),
    }
}

/// A service that asks for patience is reached; one in whose place something else answers is not.
fn waits_for(is_its_own: bool) -> For {
    if is_its_own { For::Busy } else { For::Away }
}

/// How long something has been away, and what was said of it.
#[derive(Default)]
pub(super) struct Patience {
    failures: u32,
    said: String,
}

impl Patience {
    /// Waits before it is asked again. What was said before is said again only now and then.
    pub(super) fn wait(
        &mut self,
        machine: &Machine<'_>,
        console: &Console,
        (text, asked, why): Wait,
    ) -> Result<(), Failure> {
        self.failures = self.failures.saturating_add(1);
        if self.said != text || self.failures.is_multiple_of(OFTEN) {
            console.note(&format!("waiting: {text}"));
            self.said = text;
        }
        (machine.pause)(pause(self.failures, random::number()?).max(asked), why);
        Ok(())
    }
}

/// Tells the service until it has heard, or so often.
pub(super) fn insist(
    machine: &Machine<'_>,
    console: &Console,
    times: u32,
    tell: impl Fn() -> Result<(), ServiceError>,
) {
    for attempt in 1..=times {
        let (error, asked, why) = match tell() {
            Ok(()) => return,
            Err(ServiceError::Refused { status, text, .. }) => {
                return console.note(&format!("the service would not hear of it: {status}: {text}"));
            }
            Err(ServiceError::Busy { pause, status, text, is_its_own }) => {
                (format!("the service answers {status}: {text}"), pause, waits_for(is_its_own))
            }
            Err(error @ ServiceError::Away { .. }) => (chain(&error), Duration::ZERO, For::Away),
        };
        console.note(&format!("waiting to tell the service: {error}"));
        (machine.pause)(pause(attempt, random::number().unwrap_or(u32::MAX)).max(asked), why);
    }
}
