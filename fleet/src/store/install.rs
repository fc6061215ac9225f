//! A report and its answer: what is taken is looked at and taken in one transaction, so that nobody else takes it.

use edeploy_format::fleet::Stage;
use rusqlite::Transaction;

use super::host::add_mac;
use super::permission::attempts;
use super::taken::{allocate, give_back, reserve, taken};
use super::ticket::{State, begin, holder, planned, prolong};
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
        /// What the machine is told.
        plan: P,
    },
    /// Nothing.
    Refuse(Refusal),
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
            let Some(ticket) = holder(change, token, now)? else { return Ok(Answer::NoToken) };
            if ticket.state == State::Over || attempts(change, ticket.machine)?.is_none() {
                return Ok(Answer::NoPermission);
            }
            let name = keep(change, &ticket, reported, now)?;
            match decide(&name, &taken(change, ticket.machine, now)?) {
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
                Decision::Refuse(refusal) => {
                    give_back(change, ticket.machine)?;
                    begin(change, ticket.machine, Stage::Detected)?;
                    let sql = "UPDATE machine SET failure = ?, tried = ? WHERE id = ?";
                    let tried = serde_json::json!(refusal.tried).to_string();
                    change.execute(sql, (&refusal.reason, tried, ticket.machine))?;
                    Ok(Answer::Refused(refusal))
                }
            }
        })
    }
}

/// Keeps what was reported; says what the machine is called from now on.
fn keep(
    change: &Transaction<'_>,
    ticket: &Ticket,
    reported: &Reported,
    now: Moment,
) -> Result<String, StoreError> {
    let sql = "UPDATE machine SET hardware = ?, summary = ?, reported = ? WHERE id = ?";
    change.execute(sql, (&reported.hardware, &reported.summary, now, ticket.machine))?;
    for mac in &reported.macs {
        add_mac(change, ticket.machine, mac)?;
    }
    prolong(change, ticket.machine, now)?;
    // A name that another machine has says that one of the two is not what it says.
    let sql = "UPDATE OR IGNORE machine SET name = coalesce(?, name) WHERE id = ?";
    change.execute(sql, (&reported.name, ticket.machine))?;
    Ok(change.query_row("SELECT name FROM machine WHERE id = ?", [ticket.machine], |row| row.get(0))?)
}
