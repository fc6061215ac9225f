//! Boot entries that were made, by installs that are not confirmed yet.
//!
//! Such a machine most likely runs what was installed, whatever is said of it after that: only an attempt that writes ends
//! it. Until the moment that its row has as `armed` it may begin again by itself, as it may have lost power; after that
//! its permission is over, and what it took is spent, so that it is not wiped by a permission that stayed open.

use edeploy_format::fleet::Stage;
use rusqlite::Transaction;

use super::StoreError;
use super::permission::withdraw;
use super::taken::spend;
use super::ticket::State;
use crate::moment::Moment;

/// What is told of a machine whose install is taken for done although it never said so.
pub(super) const UNCONFIRMED: &str = "its boot entry was made, and it never confirmed the install: most likely it runs what was \
     installed, and its permission is over";
/// From its boot script to its report a machine needs no more seconds.
const ARRIVAL: u64 = 600;

/// An install, which is in this state, is at `stage`, and may be silent until then.
pub(super) fn heard(
    change: &Transaction<'_>,
    machine: i64,
    (state, stage): (State, Stage),
    until: Moment,
) -> Result<(), StoreError> {
    match (state, stage) {
        (_, Stage::Armed) => set(change, machine, Some(until)),
        // What its disk held is gone.
        (State::Planned, Stage::Writing | Stage::Verifying) => set(change, machine, None),
        _ => stay(change, machine, until),
    }
}

/// A boot entry that is there counts as unconfirmed until then at least.
pub(super) fn stay(change: &Transaction<'_>, machine: i64, until: Moment) -> Result<(), StoreError> {
    change.execute("UPDATE machine SET armed = max(armed, ?) WHERE id = ?", (until, machine))?;
    Ok(())
}

/// A machine comes back before that, and is given the time to report; once, however often it is asked for.
pub(super) fn comes_back(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    let sql = "SELECT count(*) FROM script WHERE machine = ?";
    let scripts: u64 = change.query_row(sql, [machine], |row| row.get(0))?;
    if scripts == 0 { stay(change, machine, now.plus(ARRIVAL)) } else { Ok(()) }
}

/// There is no boot entry any more, or it is confirmed.
pub(super) fn settle(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    set(change, machine, None)
}

fn set(change: &Transaction<'_>, machine: i64, until: Option<Moment>) -> Result<(), StoreError> {
    change.execute("UPDATE machine SET armed = ? WHERE id = ?", (until, machine))?;
    Ok(())
}

/// Ends the permissions of those whose time ran out since.
pub(super) fn lapse(change: &Transaction<'_>, now: Moment) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET armed = NULL, failure = ? WHERE armed <= ? RETURNING id";
    let mut ended = change.prepare(sql)?;
    let rows = ended.query_map((UNCONFIRMED, now), |row| row.get(0))?;
    let machines: Vec<i64> = rows.collect::<Result<_, _>>()?;
    for machine in machines {
        spend(change, machine)?;
        withdraw(change, machine)?;
        let sql = "UPDATE ticket SET state = ? WHERE machine = ? AND state = ?";
        change.execute(sql, (State::Lapsed.text(), machine, State::Armed.text()))?;
    }
    Ok(())
}

/// An install whose boot entry is there is to be done again: else its end, or that of its time, would end the new
/// permission. As the machine most likely runs what was installed, what it took is spent.
pub(super) fn forget(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET armed = NULL WHERE id = ? AND armed IS NOT NULL";
    if change.execute(sql, [machine])? == 1 {
        spend(change, machine)?;
        let sql = "DELETE FROM ticket WHERE machine = ? AND state = ?";
        change.execute(sql, (machine, State::Armed.text()))?;
    }
    Ok(())
}
