//! The right of a machine to be installed, once: given by an operator, taken back by success, by too many attempts,
//! or where success is likely and nothing is heard any more.

use rusqlite::{OptionalExtension, Transaction};

use super::card::find_or_make;
use super::host::find;
use super::ticket::forget_lapsed;
use super::{Store, StoreError, armed, script};
use crate::mac::Mac;
use crate::moment::Moment;

/// So many attempts may begin or fail under one permission.
pub const ATTEMPTS: u32 = 5;

/// What became of a permission that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// The machine may be installed.
    Given,
    /// It was installed: that it is wiped must be said, by its name.
    Installed(String),
    /// Only a machine of this name has told of that address; it was installed, and whether it has that card is not known.
    Told(String),
    /// Nothing is known by that name, and it is no address.
    Unknown,
    /// There are too many machines to take on another one.
    Full,
}

impl Store {
    /// Permits a machine, by name or address; one that was never seen is taken on by its address. With `again`, also
    /// one that was installed, or is about to confirm that.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn permit(&self, machine: &str, again: bool, now: Moment) -> Result<Permitted, StoreError> {
        self.write(|change| {
            armed::lapse(change, now)?;
            let id = match (find(change, machine)?, machine.parse::<Mac>()) {
                (Some(id), _) => id,
                (None, Ok(mac)) if !again => match find_or_make(change, &mac, now)? {
                    Some(id) => id,
                    None => return Ok(Permitted::Full),
                },
                (None, _) => return Ok(Permitted::Unknown),
            };
            if is_installed(change, id)? {
                let name = name_of(change, id)?;
                if is_only_told(change, machine)? {
                    return Ok(Permitted::Told(name));
                }
                if !again {
                    return Ok(Permitted::Installed(name));
                }
            }
            if again {
                armed::forget(change, id)?;
            }
            give(change, id, now)?;
            Ok(Permitted::Given)
        })
    }

    /// Takes a permission back; false where there was none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forbid(&self, machine: &str) -> Result<bool, StoreError> {
        self.write(|change| {
            let Some(id) = find(change, machine)? else { return Ok(false) };
            withdraw(change, id)
        })
    }

    /// The next `count` machines that are new get a permission when they come: those that never had one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn permit_new(&self, count: u32) -> Result<(), StoreError> {
        self.write(|change| {
            change.execute("UPDATE newcomers SET count = ?", [count])?;
            Ok(())
        })
    }

    /// How many machines that are new may still come.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn newcomers(&self) -> Result<u32, StoreError> {
        self.read(|look| Ok(look.query_row("SELECT count FROM newcomers", (), |row| row.get(0))?))
    }
}

/// Whether it was installed, or has spent a place: then it most likely was.
pub(super) fn is_installed(look: &Transaction<'_>, machine: i64) -> Result<bool, StoreError> {
    let sql = "SELECT installed IS NOT NULL
               OR EXISTS (SELECT 1 FROM place WHERE place.machine = id AND until IS NULL) FROM machine WHERE id = ?";
    Ok(look.query_row(sql, [machine], |row| row.get(0))?)
}

pub(super) fn name_of(look: &Transaction<'_>, machine: i64) -> Result<String, StoreError> {
    Ok(look.query_row("SELECT name FROM machine WHERE id = ?", [machine], |row| row.get(0))?)
}

/// Whether it is an address by which no machine has asked yet.
pub(super) fn is_only_told(look: &Transaction<'_>, machine: &str) -> Result<bool, StoreError> {
    let Ok(mac) = machine.parse::<Mac>() else { return Ok(false) };
    let told = look.query_row("SELECT told FROM mac WHERE mac = ?", [mac.as_str()], |row| row.get(0));
    Ok(told.optional()?.unwrap_or(false))
}

fn give(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    let sql = "INSERT INTO permission (machine, since) VALUES (?1, ?2)
               ON CONFLICT (machine) DO UPDATE SET since = ?2, attempts = 0";
    change.execute(sql, (machine, now))?;
    change.execute("UPDATE machine SET known = 1 WHERE id = ?", [machine])?;
    forget_lapsed(change, machine)
}

/// Ends a permission, and what might still begin under it; false where there was none.
pub(super) fn withdraw(change: &Transaction<'_>, machine: i64) -> Result<bool, StoreError> {
    script::forget(change, machine)?;
    Ok(change.execute("DELETE FROM permission WHERE machine = ?", [machine])? == 1)
}

/// How many attempts there were under the permission of a machine; `None` where it has none.
pub(super) fn attempts(look: &Transaction<'_>, machine: i64) -> Result<Option<u32>, StoreError> {
    let sql = "SELECT attempts FROM permission WHERE machine = ?";
    Ok(look.query_row(sql, [machine], |row| row.get(0)).optional()?)
}

/// One more attempt began, or failed before it had begun.
pub(super) fn count_attempt(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    change.execute("UPDATE permission SET attempts = attempts + 1 WHERE machine = ?", [machine])?;
    Ok(())
}

/// Ends a permission under which there were too many attempts.
pub(super) fn withdraw_if_spent(change: &Transaction<'_>, machine: i64) -> Result<(), StoreError> {
    if attempts(change, machine)?.is_some_and(|attempts| attempts >= ATTEMPTS) {
        withdraw(change, machine)?;
    }
    Ok(())
}

/// Gives a machine that is new one of the permissions for such machines, if any are left.
pub(super) fn welcome(change: &Transaction<'_>, machine: i64, now: Moment) -> Result<(), StoreError> {
    let new: bool =
        change.query_row("SELECT known = 0 AND claimed = 0 FROM machine WHERE id = ?", [machine], |r| {
            r.get(0)
        })?;
    if new && change.execute("UPDATE newcomers SET count = count - 1 WHERE count > 0", ())? == 1 {
        give(change, machine, now)?;
    }
    Ok(())
}
