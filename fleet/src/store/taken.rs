//! What is taken: entries of the configuration databases, and places of the profiles' counts.
//!
//! An entry is a machine's until it is released. A place is reserved while an install runs, with a lease; it is spent
//! when the install is confirmed, or the lease of one runs out whose boot entry is there, and given back when it fails
//! or the lease of another runs out. A machine has the place of one profile, that which it is.

use rusqlite::{OptionalExtension, Transaction};

use super::ticket::holder;
use super::{Store, StoreError};
use crate::judge::Taken;
use crate::moment::Moment;
use crate::secret::SecretHash;

impl Store {
    /// What is taken by all machines.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn taken(&self, now: Moment) -> Result<Taken, StoreError> {
        // No machine has this number.
        self.read(|look| taken(look, 0, now))
    }

    /// What the machine of a token is called, and what is taken as it sees it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn taken_for(&self, token: &SecretHash, now: Moment) -> Result<Option<(String, Taken)>, StoreError> {
        self.read(|look| match holder(look, token, now)? {
            Some(ticket) => Ok(Some((ticket.name, taken(look, ticket.machine, now)?))),
            None => Ok(None),
        })
    }
}

/// What is taken, as `machine` sees it.
pub(super) fn taken(look: &Transaction<'_>, machine: i64, now: Moment) -> Result<Taken, StoreError> {
    let mut taken = Taken::default();
    let mut entries = look.prepare("SELECT profile, entry, machine = ? FROM allocation")?;
    let mut rows = entries.query([machine])?;
    while let Some(row) = rows.next()? {
        let (profile, entry, own) = (row.get(0)?, row.get(1)?, row.get(2)?);
        taken.entries.entry(profile).or_default().insert(entry, own);
    }
    // Of an install whose boot entry is there the place is spent when the lease runs out.
    let sql = "SELECT profile, count(*) FROM place WHERE machine != ? AND (until IS NULL OR until > ?
               OR EXISTS (SELECT 1 FROM machine WHERE id = place.machine AND armed IS NOT NULL))
               GROUP BY profile";
    let mut places = look.prepare(sql)?;
    let rows = places.query_map((machine, now), |row| Ok((row.get(0)?, row.get(1)?)))?;
    taken.places = rows.collect::<Result<_, _>>()?;
    let sql = "SELECT profile FROM place WHERE machine = ? AND until IS NULL";
    taken.own = look.query_row(sql, [machine], |row| row.get(0)).optional()?;
    Ok(taken)
}

/// Gives an entry to a machine, for good. The tables refuse one that is another's.
pub(super) fn allocate(
    change: &Transaction<'_>,
    machine: i64,
    profile: &str,
    entry: &str,
    now: Moment,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO allocation (machine, profile, entry, since) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (machine, profile) DO UPDATE SET entry = ?3, since = ?4 WHERE entry != ?3";
    change.execute(sql, (machine, profile, entry, now))?;
    Ok(())
}

/// Reserves a place, in place of one that was reserved of another profile.
pub(super) fn reserve(
    change: &Transaction<'_>,
    machine: i64,
    profile: &str,
    until: Moment,
) -> Result<(), StoreError> {
    give_back_but(change, machine, profile)?;
    let sql = "INSERT INTO place (machine, profile, until) VALUES (?1, ?2, ?3)
               ON CONFLICT (machine, profile) DO UPDATE SET until = ?3 WHERE until IS NOT NULL";
    change.execute(sql, (machine, profile, until))?;
    Ok(())
}

/// Reserves what an install took for longer; also where the lease had run out: it is being written.
pub(super) fn keep(change: &Transaction<'_>, machine: i64, until: Moment) -> Result<(), StoreError> {
    change.execute("UPDATE place SET until = ? WHERE machine = ? AND until IS NOT NULL", (until, machine))?;
    Ok(())
}

/// An install is confirmed: the machine is what its profile says, and nothing else any more.
pub(super) fn spend(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    let profile = "(SELECT profile FROM machine WHERE id = ?1)";
    change.execute(&format!("DELETE FROM place WHERE machine = ?1 AND profile != {profile}"), [machine])?;
    change.execute("UPDATE place SET until = NULL WHERE machine = ?", [machine])?;
    Ok(())
}

/// Gives back what was reserved.
pub(super) fn give_back(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    give_back_but(change, machine, "")
}

/// The same, but for that of one profile, and of what the machine most likely runs.
pub(super) fn give_back_but(change: &Transaction<'_>, machine: i64, profile: &str) -> Result<(), StoreError> {
    let sql = "DELETE FROM place WHERE machine = ?1 AND profile != ?2 AND until IS NOT NULL
               AND profile IS NOT (SELECT armed_for FROM machine WHERE id = ?1)";
    change.execute(sql, (machine, profile))?;
    Ok(())
}

/// Gives back also what was spent.
pub(super) fn drop_places(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    change.execute("DELETE FROM place WHERE machine = ?", [machine])?;
    Ok(())
}
