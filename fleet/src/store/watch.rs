//! Tells that something changed: what was written, by whomever, and the leases that run out, which nobody writes.

use rusqlite::Connection;

use super::{Store, StoreError, connect};
use crate::moment::Moment;

/// What was seen at the last look.
pub struct Watch {
    connection: Connection,
    version: i64,
    /// When the next permission ends by itself.
    lapse: Option<Moment>,
}

impl Store {
    /// Begins to watch, on a connection of its own.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn watch(&self, now: Moment) -> Result<Watch, StoreError> {
        let connection = connect(&self.path)?;
        Ok(Watch { version: version(&connection)?, lapse: next_lapse(&connection, now)?, connection })
    }
}

impl Watch {
    /// A number that is another one after anything was written.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// Whether anything is other than at the last look.
    ///
    /// # Errors
    /// [`StoreError`]; the next look tells of it then.
    pub fn changed(&mut self, now: Moment) -> Result<bool, StoreError> {
        let version = version(&self.connection)?;
        if version == self.version && self.lapse.is_none_or(|at| at > now) {
            return Ok(false);
        }
        self.lapse = next_lapse(&self.connection, now)?;
        self.version = version;
        Ok(true)
    }
}

fn version(look: &Connection) -> Result<i64, StoreError> {
    Ok(look.query_row("PRAGMA data_version", (), |row| row.get(0))?)
}

fn next_lapse(look: &Connection, now: Moment) -> Result<Option<Moment>, StoreError> {
    let sql = "SELECT min(armed) FROM machine WHERE armed > ?";
    Ok(look.query_row(sql, [now], |row| row.get(0))?)
}
