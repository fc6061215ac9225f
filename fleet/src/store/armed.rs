//! Boot entries that were made, by installs that are not confirmed yet.
//!
//! Such a machine most likely runs what was installed, whatever is said of it after that: only an attempt that writes ends
//! it. Until the moment that its row has as `armed` it may begin again by itself, as it may have lost power; after that
//! its permission is over, and what it took is spent, so that it is not wiped by a permission that stayed open.

use edeploy_format::fleet::Stage;
use rusqlite::{OptionalExtension, Transaction};

use super::StoreError;
use super::permission::withdraw;
use super::taken::{give_back_but, spend};
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
        (_, Stage::Armed) => {
            let sql = "UPDATE machine SET armed = ?, armed_for = profile, returned = 0 WHERE id = ?";
            change.execute(sql, (until, machine))?;
            Ok(())
        }
        // What its disk held is gone.
        (State::Planned, Stage::Writing | Stage::Verifying) => settle(change, machine),
        _ => stay(change, machine, until),
    }
}

/// A boot entry that is there counts as unconfirmed until then at least.
pub(super) fn stay(change: &Transaction<'_>, machine: i64, until: Moment) -> Result<(), StoreError> {
    change.execute("UPDATE machine SET armed = max(armed, ?) WHERE id = ?", (until, machine))?;
    Ok(())
}

/// A machine comes back before that, and is given the time to report; once, however often that is asked for.
pub(super) fn comes_back(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET armed = ?1, returned = 1 WHERE id = ?2 AND armed < ?1 AND NOT returned";
    change.execute(sql, (now.plus(ARRIVAL), machine))?;
    Ok(())
}

/// There is no boot entry any more, or it is confirmed: what the machine was by it, it is not reserved any more.
pub(super) fn settle(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET armed = NULL, armed_for = NULL WHERE id = ? AND armed IS NOT NULL RETURNING profile";
    let profile: Option<String> = change.query_row(sql, [machine], |row| row.get(0)).optional()?;
    profile.map_or(Ok(()), |profile| give_back_but(change, machine, &profile))
}

/// Ends the permissions of those whose time ran out since.
pub(super) fn lapse(change: &Transaction<'_>, now: Moment) -> Result<(), StoreError> {
    let mut ended = change.prepare("SELECT id FROM machine WHERE armed <= ?")?;
    let machines: Vec<i64> = ended.query_map([now], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for machine in machines {
        runs(change, machine)?;
        withdraw(change, machine)?;
        change.execute("UPDATE machine SET failure = ? WHERE id = ?", (UNCONFIRMED, machine))?;
        let sql = "UPDATE ticket SET state = ? WHERE machine = ? AND state = ?";
        change.execute(sql, (State::Lapsed.text(), machine, State::Armed.text()))?;
    }
    Ok(())
}

/// An install whose boot entry is there is to be done again: else its end, or that of its time, would end the new
/// permission.
pub(super) fn forget(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let sql = "SELECT armed IS NOT NULL FROM machine WHERE id = ?";
    if change.query_row(sql, [machine], |row| row.get(0))? {
        runs(change, machine)?;
        let sql = "DELETE FROM ticket WHERE machine = ? AND state = ?";
        change.execute(sql, (machine, State::Armed.text()))?;
    }
    Ok(())
}

/// It most likely runs what was installed: that is its profile, and what it took is spent.
fn runs(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let sql = "UPDATE machine SET profile = armed_for, armed = NULL, armed_for = NULL WHERE id = ?";
    change.execute(sql, [machine])?;
    spend(change, machine)
}
