//! What machines logged: of each the last one.

use rusqlite::OptionalExtension;

use super::armed::lapse;
use super::host::find;
use super::ticket::teller;
use super::{Recorded, Store, StoreError};
use crate::moment::Moment;
use crate::secret::SecretHash;

/// The last log of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// When it came.
    pub at: Moment,
    /// As it came.
    pub text: String,
}

impl Store {
    /// Keeps a log in place of the one before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_log(&self, token: &SecretHash, text: &str, now: Moment) -> Result<Recorded, StoreError> {
        self.write(|change| {
            lapse(change, now)?;
            let Some(ticket) = teller(change, token, now)? else { return Ok(Recorded::NoToken) };
            let sql = "INSERT INTO log (machine, at, text) VALUES (?1, ?2, ?3)
                       ON CONFLICT (machine) DO UPDATE SET at = ?2, text = ?3";
            change.execute(sql, (ticket.machine, now, text))?;
            Ok(Recorded::Done)
        })
    }

    /// The last log of a machine, by name or address; `None` where there is none, or no such machine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log(&self, machine: &str) -> Result<Option<Log>, StoreError> {
        self.read(|look| {
            let Some(machine) = find(look, machine)? else { return Ok(None) };
            let row = look.query_row("SELECT at, text FROM log WHERE machine = ?", [machine], |row| {
                Ok(Log { at: row.get(0)?, text: row.get(1)? })
            });
            Ok(row.optional()?)
        })
    }
}
