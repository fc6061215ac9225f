//! A report and its answer: what is taken is looked at and taken in one transaction, so that nobody else takes it.

use edeploy_format::fleet::Stage;
use rusqlite::Transaction;

use super::host::add_mac;
use super::permission::attempts;
use super::standing::{allocate, give_back, reserve, standing};
use super::ticket::{State, begin, holder, planned, prolong};
use super::{Standing, Store, StoreError, Ticket};
use crate::mac::Mac;
use crate::moment::Moment;
use crate::secret::SecretHash;

/// What is kept of a report.
#[derive(Clone, Debug)]
pub struct Reported {
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
        /// What the machine is told.
        plan: P,
    },
    /// Nothing: why, and what each profile said, as JSON.
    Refuse {
        /// In one line.
        reason: String,
        /// For the pages.
        tried: String,
    },
}

/// What became of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<P> {
    /// The machine has what was decided.
    Assigned(P),
    /// Nothing fits it.
    Refused,
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
        decide: impl FnOnce(&Ticket, &Standing) -> Decision<P>,
    ) -> Result<Answer<P>, StoreError> {
        self.write(|change| {
            let Some(ticket) = holder(change, token, now)? else { return Ok(Answer::NoToken) };
            if ticket.state == State::Over || attempts(change, ticket.machine)?.is_none() {
                return Ok(Answer::NoPermission);
            }
            keep(change, &ticket, reported, now)?;
            match decide(&ticket, &standing(change, ticket.machine, now)?) {
                Decision::Assign { profile, entry, plan } => {
                    if let Some(entry) = entry {
                        allocate(change, ticket.machine, &profile, &entry, now)?;
                    }
                    reserve(change, ticket.machine, &profile, now.plus(lease))?;
                    planned(change, &ticket)?;
                    begin(change, ticket.machine, Stage::Planned)?;
                    let sql = "UPDATE machine SET profile = ?, tried = NULL WHERE id = ?";
                    change.execute(sql, (profile, ticket.machine))?;
                    Ok(Answer::Assigned(plan))
                }
                Decision::Refuse { reason, tried } => {
                    give_back(change, ticket.machine)?;
                    begin(change, ticket.machine, Stage::Detected)?;
                    let sql = "UPDATE machine SET failure = ?, tried = ? WHERE id = ?";
                    change.execute(sql, (reason, tried, ticket.machine))?;
                    Ok(Answer::Refused)
                }
            }
        })
    }
}

fn keep(
    change: &Transaction<'_>,
    ticket: &Ticket,
    reported: &Reported,
    now: Moment,
) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET hardware = ?, summary = ?, reported = ? WHERE id = ?";
    change.execute(sql, (&reported.hardware, &reported.summary, now, ticket.machine))?;
    for mac in &reported.macs {
        add_mac(change, ticket.machine, mac)?;
    }
    prolong(change, ticket.machine, now)
}
