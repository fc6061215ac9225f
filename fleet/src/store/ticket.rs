//! The one token of a machine that is being installed: from its first use to the end of the install.

use edeploy_format::fleet::{Progress, Stage};
use rusqlite::{OptionalExtension, Transaction};

use super::card::asking;
use super::host::stage_text;
use super::permission::{
    attempts, count_attempt, is_installed, name_of, welcome, withdraw, withdraw_if_spent,
};
use super::taken::{give_back, keep, spend};
use super::{Store, StoreError, armed, script};
use crate::mac::Mac;
use crate::moment::Moment;
use crate::secret::SecretHash;

/// A machine that says nothing for so many seconds must start anew.
pub(super) const SILENCE: u64 = 86_400;

/// What a machine says when it asks for its boot script.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The card it boots from.
    pub mac: Mac,
    /// By its firmware.
    pub uuid: String,
    /// By its firmware.
    pub serial: String,
    /// As iPXE calls it: `efi`, `pcbios`.
    pub platform: String,
    /// Why it cannot be installed whoever permits it, if so.
    pub refusal: Option<String>,
}

/// What a machine does that asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booted {
    /// The installer, with the token that was handed in.
    Install,
    /// Its disk.
    Disk,
    /// There are too many machines.
    Full,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It counts.
    Done,
    /// There is no such token, or not any more.
    NoToken,
    /// No plan was given that could be carried out.
    NoPlan,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Of the machine.
    pub(super) machine: i64,
    /// What the service calls it.
    pub name: String,
    /// How far it has come.
    pub(super) state: State,
}

/// How far an install has come under a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No attempt runs.
    Given,
    /// A plan is carried out.
    Planned,
    /// The boot entry is there, and the machine did not confirm it yet.
    Armed,
    /// It did not while its lease ran.
    Lapsed,
    /// It was carried out.
    Over,
}

impl State {
    const ALL: [Self; 5] = [Self::Given, Self::Planned, Self::Armed, Self::Lapsed, Self::Over];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Planned => "planned",
            Self::Armed => "armed",
            Self::Lapsed => "lapsed",
            Self::Over => "over",
        }
    }
}

impl Store {
    /// A machine asks what to boot. Where it may be installed, an install can begin by `token`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn boot(&self, boot: &Boot, token: &SecretHash, now: Moment) -> Result<Booted, StoreError> {
        self.write(|change| {
            armed::lapse(change, now)?;
            let Some(machine) = asking(change, &boot.mac, &boot.uuid, now)? else { return Ok(Booted::Full) };
            // Anybody can ask in its name: what is known of it by its own report is not replaced.
            let sql =
                "UPDATE machine SET uuid = ?, serial = ?, platform = ? WHERE id = ? AND reported IS NULL";
            change.execute(sql, (&boot.uuid, &boot.serial, &boot.platform, machine))?;
            change.execute("UPDATE machine SET seen = ? WHERE id = ?", (now, machine))?;
            if let Some(refusal) = &boot.refusal {
                refuse(change, machine, refusal, now)?;
                return Ok(Booted::Disk);
            }
            withdraw_if_spent(change, machine)?;
            welcome(change, machine, now)?;
            if attempts(change, machine)?.is_none() {
                return Ok(Booted::Disk);
            }
            let sql = "UPDATE machine SET stage = ? WHERE id = ? AND reported IS NULL";
            change.execute(sql, (stage_text(Stage::Booted), machine))?;
            armed::comes_back(change, machine, now)?;
            script::hand_out(change, machine, boot, token, now)?;
            Ok(Booted::Install)
        })
    }

    /// Whose token it is; `None` where nobody has it, or not any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ticket(&self, token: &SecretHash, now: Moment) -> Result<Option<Ticket>, StoreError> {
        self.read(|look| holder(look, token, now))
    }

    /// Records how far an install has come: what it took is kept for `lease` more seconds, spent at its end, and
    /// given back where it failed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn progress(
        &self,
        token: &SecretHash,
        progress: &Progress,
        now: Moment,
        lease: u64,
    ) -> Result<Recorded, StoreError> {
        self.write(|change| {
            armed::lapse(change, now)?;
            let Some(ticket) = teller(change, token, now)? else { return Ok(Recorded::NoToken) };
            let machine = ticket.machine;
            prolong(change, machine, now)?;
            if let State::Planned | State::Armed = ticket.state {
                armed::heard(change, machine, (ticket.state, progress.stage), now.plus(lease))?;
            }
            match (ticket.state, &progress.failure, progress.stage) {
                // The answer to the last message was lost, and it comes again.
                (State::Over, _, Stage::Installed) => return Ok(Recorded::Done),
                // It goes on after all, and has what it needs.
                (State::Lapsed, None, Stage::Armed) => return Ok(Recorded::Done),
                (State::Planned | State::Armed | State::Lapsed, None, Stage::Installed) => {
                    finish(change, machine, now)?;
                }
                (State::Given, None, Stage::Booted | Stage::Detected) => {}
                (State::Over | State::Lapsed, ..) | (State::Given, None, _) => return Ok(Recorded::NoPlan),
                (state, Some(reason), _) => fail(change, machine, state, reason)?,
                (State::Planned | State::Armed, None, stage) => {
                    if stage == Stage::Armed {
                        set(change, machine, State::Armed)?;
                    }
                    keep(change, machine, now.plus(lease))?;
                    stay_busy(change, machine, now.plus(lease))?;
                }
            }
            let sql = "UPDATE machine SET stage = ?, done = ?, total = ?, seen = ?, failure = ? WHERE id = ?";
            let (done, total) = (clamped(progress.done), clamped(progress.total));
            let stage = stage_text(progress.stage);
            change.execute(sql, (stage, done, total, now, &progress.failure, machine))?;
            Ok(Recorded::Done)
        })
    }
}

/// What SQLite can hold.
fn clamped(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The holder of a token, who uses it.
pub(super) fn bearer(
    change: &Transaction<'_>,
    token: &SecretHash,
    now: Moment,
) -> Result<Option<Ticket>, StoreError> {
    script::begun(change, token, now)?;
    holder(change, token, now)
}

/// The same, of who does not report: while an install goes on no other begins by that.
pub(super) fn teller(
    change: &Transaction<'_>,
    token: &SecretHash,
    now: Moment,
) -> Result<Option<Ticket>, StoreError> {
    match script::holder(change, token, now)? {
        Some(machine) if is_busy(change, machine, now)? => Ok(None),
        Some(_) | None => bearer(change, token, now),
    }
}

/// The holder of a token.
pub(super) fn holder(
    look: &Transaction<'_>,
    token: &SecretHash,
    now: Moment,
) -> Result<Option<Ticket>, StoreError> {
    if let Some(machine) = script::holder(look, token, now)? {
        return Ok(Some(Ticket { machine, name: name_of(look, machine)?, state: State::Given }));
    }
    let sql = "SELECT machine, name, state FROM ticket JOIN machine ON machine.id = machine
               WHERE hash = ? AND until > ?";
    let row: Option<(i64, String, String)> = look
        .query_row(sql, (token.as_str(), now), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((machine, name, text)) = row else { return Ok(None) };
    let state = State::ALL.into_iter().find(|state| state.text() == text);
    Ok(Some(Ticket { machine, name, state: state.ok_or(StoreError::Value("state"))? }))
}

/// A plan is carried out from now on, until `busy` for all that is known: one more attempt, unless it is the answer to
/// the same one that comes again.
pub(super) fn planned(change: &Transaction<'_>, ticket: &Ticket, busy: Moment) -> Result<(), StoreError> {
    if ticket.state == State::Given {
        count_attempt(change, ticket.machine)?;
    }
    set(change, ticket.machine, State::Planned)?;
    armed::stay(change, ticket.machine, busy)?;
    stay_busy(change, ticket.machine, busy)
}

/// The token of an install that lapsed is of no use once another one is permitted.
pub(super) fn forget_lapsed(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM ticket WHERE machine = ? AND state = ?";
    change.execute(sql, (machine, State::Lapsed.text()))?;
    Ok(())
}

/// No plan is carried out any more, or none yet.
pub(super) fn not_planned(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    set(change, machine, State::Given)?;
    give_back(change, machine)
}

/// Whether a plan is carried out, for all that is known, or was as far as its boot entry: what it gave must not become
/// another machine's.
pub(super) fn is_busy(look: &Transaction<'_>, machine: i64, now: Moment) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM ticket WHERE machine = ?1 AND busy > ?2)
               OR EXISTS (SELECT 1 FROM machine WHERE id = ?1 AND armed > ?2)";
    Ok(look.query_row(sql, (machine, now), |row| row.get(0))?)
}

fn stay_busy(change: &Transaction<'_>, machine: i64, until: Moment) -> Result<(), StoreError> {
    change.execute("UPDATE ticket SET busy = ? WHERE machine = ?", (until, machine))?;
    Ok(())
}

/// Tells why a machine cannot be installed; not of one that runs or is being installed, as anybody can ask in its name.
fn refuse(change: &Transaction<'_>, machine: i64, reason: &str, now: Moment) -> Result<(), StoreError> {
    let runs = is_installed(change, machine)? && attempts(change, machine)?.is_none();
    if !runs && !is_busy(change, machine, now)? {
        begin(change, machine, Stage::Booted)?;
        change.execute("UPDATE machine SET failure = ? WHERE id = ?", (reason, machine))?;
    }
    Ok(())
}

/// Begins to tell of an install at `stage`.
pub(super) fn begin(change: &Transaction<'_>, machine: i64, stage: Stage) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET stage = ?, done = 0, total = 0, failure = NULL WHERE id = ?";
    change.execute(sql, (stage_text(stage), machine))?;
    Ok(())
}

pub(super) fn prolong(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    let until = now.plus(SILENCE);
    change.execute("UPDATE ticket SET until = ? WHERE machine = ?", (until, machine))?;
    change.execute("UPDATE machine SET seen = ? WHERE id = ?", (now, machine))?;
    Ok(())
}

/// A state of which nothing goes on, unless [`stay_busy`] says so.
fn set(change: &Transaction<'_>, machine: i64, state: State) -> Result<(), StoreError> {
    change.execute("UPDATE ticket SET state = ?, busy = 0 WHERE machine = ?", (state.text(), machine))?;
    Ok(())
}

/// An attempt ended badly; one that had not begun counts as well, once for each reason.
fn fail(change: &Transaction<'_>, machine: i64, state: State, reason: &str) -> Result<(), StoreError> {
    let told: Option<String> =
        change.query_row("SELECT failure FROM machine WHERE id = ?", [machine], |row| row.get(0))?;
    if state == State::Given && told.as_deref() != Some(reason) {
        count_attempt(change, machine)?;
    }
    not_planned(change, machine)?;
    withdraw_if_spent(change, machine)
}

fn finish(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    set(change, machine, State::Over)?;
    armed::settle(change, machine)?;
    spend(change, machine)?;
    withdraw(change, machine)?;
    change.execute("UPDATE machine SET installed = ? WHERE id = ?", (now, machine))?;
    Ok(())
}
