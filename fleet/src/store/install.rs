//! A report and its answer: what is taken is looked at and taken in one transaction, so that nobody else takes it.

use edeploy_format::fleet::Stage;
use rusqlite::Transaction;

use super::armed::lapse;
use super::card::{report_cards, twin};
use super::permission::{attempts, name_of};
use super::taken::{allocate, reserve, taken};
use super::ticket::{State, bearer, begin, not_planned, planned, prolong};
use super::{Store, StoreError, Ticket, Tried};
use crate::judge::Taken;
use crate::mac::Mac;
use crate::moment::Moment;
use crate::secret::SecretHash;

/// What is kept of a report.
#[derive(Clone, Debug)]
pub struct Reported {
    /// What the machine is called by it, if it says enough.
    pub name: Option<String>,
    /// Its lines, as JSON.
    pub hardware: String,
    /// The same in one line.
    pub summary: String,
    /// The addresses of its network cards.
    pub macs: Vec<Mac>,
}

/// What is decided on a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision<P> {
    /// A profile and an entry of its database, if it has one, and what the machine is told.
    Assign {
        /// The profile.
        profile: String,
        /// The key of the entry.
        entry: Option<String>,
        /// What came of profiles that were not given, as far as somebody should know.
        passed: Vec<Tried>,
        /// What the machine is told.
        plan: P,
    },
    /// Nothing.
    Refuse(Refusal),
    /// Nothing yet, for this reason.
    Wait(String),
}

/// Why a machine gets nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// In one line.
    pub reason: String,
    /// What came of each profile.
    pub tried: Vec<Tried>,
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<P> {
    /// The machine has what was decided.
    Assigned(P),
    /// It gets nothing.
    Refused(Refusal),
    /// It gets nothing yet.
    Wait(String),
    /// There is no such token, or not any more.
    NoToken,
    /// It may not be installed, or not any more.
    NoPermission,
}

impl Store {
    /// Keeps a report, and takes what `decide` says, seeing what is taken. It may take what is the machine's own, or
    /// nobody's. An answer that was lost is decided anew, and is no second attempt.
    ///
    /// # Errors
    /// [`StoreError`], also where it decides to take what is another machine's: nothing is taken then.
    pub fn report<P>(
        &self,
        token: &SecretHash,
        reported: &Reported,
        now: Moment,
        lease: u64,
        decide: impl FnOnce(&str, &Taken) -> Decision<P>,
    ) -> Result<Answer<P>, StoreError> {
        self.write(|change| {
            lapse(change, now)?;
            let Some(ticket) = bearer(change, token, now)? else { return Ok(Answer::NoToken) };
            if ticket.state == State::Over || attempts(change, ticket.machine)?.is_none() {
                return Ok(Answer::NoPermission);
            }
            keep(change, &ticket, reported, now)?;
            // Before its cards are: a machine that is known by another card is no machine any more then.
            if let Some(twin) = twin(change, ticket.machine, reported.name.as_deref(), &reported.macs, now)? {
                let refusal = Refusal { reason: already(&twin), tried: Vec::new() };
                nothing(change, ticket.machine, &refusal.reason, &[])?;
                return Ok(Answer::Refused(refusal));
            }
            report_cards(change, ticket.machine, &reported.macs)?;
            let name = rename(change, &ticket, reported)?;
            match decide(&name, &taken(change, ticket.machine, now)?) {
                Decision::Assign { profile, entry, passed, plan } => {
                    if let Some(entry) = entry {
                        allocate(change, ticket.machine, &profile, &entry, now)?;
                    }
                    reserve(change, ticket.machine, &profile, now.plus(lease))?;
                    planned(change, &ticket, now.plus(lease))?;
                    begin(change, ticket.machine, Stage::Planned)?;
                    let sql = "UPDATE machine SET profile = ?, tried = ? WHERE id = ?";
                    change.execute(sql, (profile, as_json(&passed), ticket.machine))?;
                    Ok(Answer::Assigned(plan))
                }
                Decision::Refuse(refusal) => {
                    nothing(change, ticket.machine, &refusal.reason, &refusal.tried)?;
                    Ok(Answer::Refused(refusal))
                }
                Decision::Wait(reason) => {
                    nothing(change, ticket.machine, &reason, &[])?;
                    Ok(Answer::Wait(reason))
                }
            }
        })
    }
}

/// Keeps what was reported.
fn keep(
    change: &Transaction<'_>,
    ticket: &Ticket,
    reported: &Reported,
    now: Moment,
) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET hardware = ?, summary = ?, reported = ? WHERE id = ?";
    change.execute(sql, (&reported.hardware, &reported.summary, now, ticket.machine))?;
    prolong(change, ticket.machine, now)
}

/// Calls the machine what its report says; says what it is called from now on.
fn rename(change: &Transaction<'_>, ticket: &Ticket, reported: &Reported) -> Result<String, StoreError> {
    // A name that another machine has says that one of the two is not what it says.
    let sql = "UPDATE OR IGNORE machine SET name = coalesce(?, name) WHERE id = ?";
    change.execute(sql, (&reported.name, ticket.machine))?;
    name_of(change, ticket.machine)
}

/// The machine gets nothing; an attempt that ran is over.
fn nothing(change: &Transaction<'_>, machine: i64, reason: &str, tried: &[Tried]) -> Result<(), StoreError> {
    not_planned(change, machine)?;
    begin(change, machine, Stage::Detected)?;
    let sql = "UPDATE machine SET failure = ?, tried = ? WHERE id = ?";
    change.execute(sql, (reason, as_json(tried), machine))?;
    Ok(())
}

/// As it is kept.
fn as_json(tried: &[Tried]) -> String {
    serde_json::json!(tried).to_string()
}

/// A machine that was installed is wiped when that was asked for by its name, and not because it came by another card.
fn already(twin: &str) -> String {
    format!(
        "by its serial number, UUID or cards this machine is {twin}, which was or is being installed: to install it again \
         permit that (`edeploy-fleet reinstall {twin}`), or release it if it is gone"
    )
}
