//! Browsers in which an operator logged in: what a cookie holds is of use for pages alone, and not for long.

use rusqlite::OptionalExtension;

use super::{Store, StoreError};
use crate::moment::Moment;
use crate::secret::SecretHash;

impl Store {
    /// Begins a session of an operator, until then; those that ended are forgotten.
    ///
    /// # Errors
    /// [`StoreError`], also where there is no such operator.
    pub fn begin_session(
        &self,
        operator: &str,
        hash: &SecretHash,
        now: Moment,
        until: Moment,
    ) -> Result<(), StoreError> {
        self.write(|change| {
            change.execute("DELETE FROM session WHERE until <= ?", [now])?;
            let sql = "INSERT INTO session (hash, operator, until) VALUES (?, ?, ?)";
            change.execute(sql, (hash.as_str(), operator, until))?;
            Ok(())
        })
    }

    /// Whose session it is; none of an operator whose token was taken away.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn session(&self, hash: &SecretHash, now: Moment) -> Result<Option<String>, StoreError> {
        self.read(|look| {
            let sql = "SELECT operator FROM session WHERE hash = ? AND until > ?";
            Ok(look.query_row(sql, (hash.as_str(), now), |row| row.get(0)).optional()?)
        })
    }
}
