//! Turns: how much of what machines send is held at once, and how much of it is worked on.
//!
//! Each holds what it is given for as long as the work takes, also where the client that asked for it is gone. So
//! neither memory nor workers go to whoever asks most: others are answered meanwhile.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::WORKERS;
use super::problem::Problem;
use crate::secret::SecretHash;

/// So many large bodies are held at once.
const BODIES: usize = 16;
/// So many reports are worked on at once: boot scripts, progress and pages have the other workers.
const REPORTS: usize = WORKERS / 2;
/// So many listen for changes at once.
const LISTENERS: usize = 16;

/// The turns of a service.
pub(super) struct Turns {
    bodies: Arc<Semaphore>,
    reports: Arc<Semaphore>,
    listeners: Arc<Semaphore>,
    /// The tokens of the machines whose reports are worked on or wait for it.
    machines: Arc<Mutex<BTreeSet<SecretHash>>>,
}

/// The turn of one machine's report.
pub(super) struct Turn {
    _place: OwnedSemaphorePermit,
    _own: Own,
}

/// That a machine has a turn, or waits for one.
struct Own {
    machines: Arc<Mutex<BTreeSet<SecretHash>>>,
    token: SecretHash,
}

impl Turns {
    /// None is taken.
    pub(super) fn new() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self {
            bodies: places(BODIES),
            reports: places(REPORTS),
            listeners: places(LISTENERS),
            machines: Arc::default(),
        }
    }

    /// Room for a large body; who finds none waits.
    pub(super) async fn room(&self) -> Result<OwnedSemaphorePermit, Problem> {
        taken(&self.bodies).await
    }

    /// The turn of a machine's report. One at a time: a second one is told to come again.
    pub(super) async fn turn(&self, token: &SecretHash) -> Result<Turn, Problem> {
        let own = self.own(token).ok_or_else(|| Problem::later("a report of this machine is worked on"))?;
        Ok(Turn { _place: taken(&self.reports).await?, _own: own })
    }

    /// A place for somebody who listens for changes.
    pub(super) fn listener(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.listeners).try_acquire_owned();
        place.map_err(|_| Problem::later(format!("{LISTENERS} pages listen for changes already")))
    }

    fn own(&self, token: &SecretHash) -> Option<Own> {
        let alone = self.machines.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone());
        alone.then(|| Own { machines: Arc::clone(&self.machines), token: token.clone() })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.token);
    }
}

async fn taken(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(places).acquire_owned().await.map_err(|closed| Problem::later(closed.to_string()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    fn at_once<T>(work: impl Future<Output = T>) -> Option<T> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { timeout(Duration::from_millis(20), work).await.ok() })
    }

    #[test]
    fn a_machine_has_one_turn_at_a_time_and_reports_leave_workers_to_others() {
        let turns = Turns::new();
        let token = |n: usize| SecretHash::of(&n.to_string());
        let mut held: Vec<Turn> =
            (0..REPORTS).map(|n| at_once(turns.turn(&token(n))).unwrap().ok().unwrap()).collect();
        assert!(at_once(turns.turn(&token(0))).unwrap().is_err(), "a second one of a machine");
        assert!(at_once(turns.turn(&token(REPORTS))).is_none(), "more than there are places");
        held.clear();
        for n in [0, REPORTS] {
            assert!(at_once(turns.turn(&token(n))).unwrap().is_ok(), "who waited in vain is forgotten");
        }
    }

    #[test]
    fn room_and_listeners_are_bounded() {
        let turns = Turns::new();
        let room: Vec<_> = (0..BODIES).map(|_| at_once(turns.room()).unwrap().ok().unwrap()).collect();
        assert!(at_once(turns.room()).is_none());
        drop(room);
        assert!(at_once(turns.room()).is_some());
        let listeners: Vec<_> = (0..LISTENERS).map(|_| turns.listener().ok().unwrap()).collect();
        assert!(turns.listener().is_err());
        drop(listeners);
        assert!(turns.listener().is_ok());
    }
}
