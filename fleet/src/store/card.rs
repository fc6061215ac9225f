//! Network cards: what a machine is known by before it says anything else.
//!
//! A card that asked for a boot script, or that an operator named, is its machine's. One that only a report names may
//! be a lie, or was moved to another machine since: it counts for as long as whoever asks with it has the UUID of the
//! machine that reported it. So nobody is installed by another machine's permission, and a machine with several cards
//! is one machine, whichever of them it boots from.

use rusqlite::{OptionalExtension, Transaction};

use super::{MACHINES, StoreError};
use crate::mac::Mac;
use crate::machine::is_unique;
use crate::moment::Moment;

/// The machine of an address.
pub(super) fn by_mac(look: &Transaction<'_>, mac: &Mac) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT machine FROM mac WHERE mac = ?";
    Ok(look.query_row(sql, [mac.as_str()], |row| row.get(0)).optional()?)
}

/// The machine that asks with an address and a UUID, if it is known.
pub(super) fn known(look: &Transaction<'_>, mac: &Mac, uuid: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT machine FROM mac JOIN machine ON id = machine
               WHERE mac = ?1 AND (NOT told OR (?3 AND uuid = ?2))";
    Ok(look.query_row(sql, (mac.as_str(), uuid, is_unique(uuid)), |row| row.get(0)).optional()?)
}

/// The same, taken on where it is not; `None` where there are too many.
pub(super) fn asking(
    change: &Transaction<'_>,
    mac: &Mac,
    uuid: &str,
    now: Moment,
) -> Result<Option<i64>, StoreError> {
    if let Some(machine) = known(change, mac, uuid)? {
        return Ok(Some(machine));
    }
    // Another machine told of this card, and does not have it, or not any more.
    change.execute("DELETE FROM mac WHERE mac = ?", [mac.as_str()])?;
    find_or_make(change, mac, now)
}

/// The machine of an address, taken on where it is new; `None` where there are too many.
pub(super) fn find_or_make(
    change: &Transaction<'_>,
    mac: &Mac,
    now: Moment,
) -> Result<Option<i64>, StoreError> {
    if let Some(id) = by_mac(change, mac)? {
        return Ok(Some(id));
    }
    let count: u64 = change.query_row("SELECT count(*) FROM machine", (), |row| row.get(0))?;
    let oldest =
        "DELETE FROM machine WHERE id = (SELECT id FROM machine WHERE known = 0 ORDER BY seen LIMIT 1)";
    if count >= MACHINES && change.execute(oldest, ())? == 0 {
        return Ok(None);
    }
    change.execute("INSERT INTO machine (name, seen) VALUES (?, ?)", (mac.name(), now))?;
    let id = change.last_insert_rowid();
    change.execute("INSERT INTO mac (mac, machine, told) VALUES (?, ?, 0)", (mac.as_str(), id))?;
    Ok(Some(id))
}

/// The cards that a machine reports, in place of those that it reported before. A machine that has one of them and the
/// same UUID is this one, known by another card, and is no machine any more; any other keeps its card, and is not new
/// from now on: one of the two is not what it says.
pub(super) fn report_cards(change: &Transaction<'_>, machine: i64, macs: &[Mac]) -> Result<(), StoreError> {
    change.execute("DELETE FROM mac WHERE machine = ? AND told", [machine])?;
    for mac in macs {
        match by_mac(change, mac)? {
            Some(other) if other == machine => {}
            Some(other) if is_same(change, machine, other)? => {
                merge(change, machine, other)?;
            }
            Some(other) => {
                change.execute("UPDATE machine SET claimed = 1 WHERE id = ?", [other])?;
            }
            None => {
                let sql = "INSERT INTO mac (mac, machine, told) VALUES (?, ?, 1)";
                change.execute(sql, (mac.as_str(), machine))?;
            }
        }
    }
    Ok(())
}

/// `other` is `machine` itself, and no machine any more: its cards, what it had for the longest, and what is known of it
/// are of this one. Its permission ends, as this one has its own.
fn merge(change: &Transaction<'_>, machine: i64, other: i64) -> Result<(), StoreError> {
    let both = (machine, other);
    change.execute("UPDATE mac SET machine = ?1 WHERE machine = ?2", both)?;
    let younger = "DELETE FROM allocation WHERE machine = ?1 AND EXISTS (SELECT 1 FROM allocation AS older
                   WHERE older.machine = ?2 AND older.profile = allocation.profile AND older.since <= allocation.since)";
    change.execute(younger, both)?;
    for table in ["allocation", "place", "log"] {
        change.execute(&format!("UPDATE OR IGNORE {table} SET machine = ?1 WHERE machine = ?2"), both)?;
    }
    let known = "UPDATE machine SET known = max(machine.known, other.known),
                 installed = coalesce(machine.installed, other.installed)
                 FROM (SELECT * FROM machine WHERE id = ?2) AS other WHERE machine.id = ?1";
    change.execute(known, both)?;
    change.execute("DELETE FROM machine WHERE id = ?", [other])?;
    Ok(())
}

/// Whether the firmware of both says that they are one machine.
fn is_same(look: &Transaction<'_>, one: i64, other: i64) -> Result<bool, StoreError> {
    let one = uuid_of(look, one)?;
    Ok(is_unique(&one) && one == uuid_of(look, other)?)
}

fn uuid_of(look: &Transaction<'_>, machine: i64) -> Result<String, StoreError> {
    Ok(look.query_row("SELECT uuid FROM machine WHERE id = ?", [machine], |row| row.get(0))?)
}

/// Another machine that has what this one would get or have, and that this one would be: by its UUID, by the name that
/// its report gives it, or, where their UUIDs do not tell them apart, by a card: what it is called. It was installed and
/// not released since, or is being installed.
pub(super) fn twin(
    look: &Transaction<'_>,
    machine: i64,
    name: Option<&str>,
    macs: &[Mac],
    now: Moment,
) -> Result<Option<String>, StoreError> {
    let uuid = uuid_of(look, machine)?;
    let sql = "SELECT name FROM machine WHERE id != ?1 AND (name = ?2 OR (?4 AND uuid = ?3))
               AND EXISTS (SELECT 1 FROM place WHERE place.machine = id
                           AND (until IS NULL OR until > ?5 OR armed IS NOT NULL)) LIMIT 1";
    let row = look.query_row(sql, (machine, name, &uuid, is_unique(&uuid), now), |row| row.get(0));
    if let Some(twin) = row.optional()? {
        return Ok(Some(twin));
    }
    let sql =
        "SELECT name, uuid FROM mac JOIN machine ON id = machine WHERE mac = ?1 AND NOT told AND id != ?2
               AND EXISTS (SELECT 1 FROM place WHERE place.machine = id
                           AND (until IS NULL OR until > ?3 OR armed IS NOT NULL))";
    for mac in macs {
        let row = look.query_row(sql, (mac.as_str(), machine, now), |row| Ok((row.get(0)?, row.get(1)?)));
        let other: Option<(String, String)> = row.optional()?;
        if let Some((twin, other)) = other
            && !(is_unique(&uuid) && is_unique(&other))
        {
            return Ok(Some(twin));
        }
    }
    Ok(None)
}
