//! Boot scripts that were handed out, each with a token that was not used yet.
//!
//! Anybody can ask for one in a machine's name, so none changes anything: an install that runs goes on, and what was said
//! of the machine is believed once the token is used. The first that is used ends the others, and the token before it.

use edeploy_format::fleet::Stage;
use rusqlite::{OptionalExtension, Transaction};

use super::ticket::{SILENCE, State, begin};
use super::{Boot, StoreError};
use crate::moment::Moment;
use crate::secret::SecretHash;

/// So many of one machine may be out.
const SCRIPTS: u64 = 8;

/// Hands one out.
pub(super) fn hand_out(
    change: &Transaction<'_>,
    machine: i64,
    boot: &Boot,
    token: &SecretHash,
    now: Moment,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO script (hash, machine, until, uuid, serial, platform)
               VALUES (?, ?, ?, ?, ?, ?)";
    let until = now.plus(SILENCE);
    change.execute(sql, (token.as_str(), machine, until, &boot.uuid, &boot.serial, &boot.platform))?;
    let sql = "DELETE FROM script WHERE machine = ?1 AND rowid NOT IN
               (SELECT rowid FROM script WHERE machine = ?1 ORDER BY rowid DESC LIMIT ?2)";
    change.execute(sql, (machine, SCRIPTS))?;
    Ok(())
}

/// The machine of a token that was not used yet.
pub(super) fn holder(
    look: &Transaction<'_>,
    token: &SecretHash,
    now: Moment,
) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT machine FROM script WHERE hash = ? AND until > ?";
    Ok(look.query_row(sql, (token.as_str(), now), |row| row.get(0)).optional()?)
}

/// A token is used: where it is for the first time, an install begins by it.
pub(super) fn begun(change: &Transaction<'_>, token: &SecretHash, now: Moment) -> Result<(), StoreError> {
    let Some(machine) = holder(change, token, now)? else { return Ok(()) };
    let sql = "UPDATE machine SET (uuid, serial, platform) =
               (SELECT uuid, serial, platform FROM script WHERE hash = ?) WHERE id = ?";
    change.execute(sql, (token.as_str(), machine))?;
    forget(change, machine)?;
    let sql = "INSERT OR REPLACE INTO ticket (machine, hash, until, state) VALUES (?, ?, ?, ?)";
    change.execute(sql, (machine, token.as_str(), now.plus(SILENCE), State::Given.text()))?;
    begin(change, machine, Stage::Booted)
}

/// None that is out is good for anything any more.
pub(super) fn forget(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    change.execute("DELETE FROM script WHERE machine = ?", [machine])?;
    Ok(())
}
