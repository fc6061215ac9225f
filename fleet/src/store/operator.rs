//! Who may ask and change: the operators, each with a token.

use rusqlite::OptionalExtension;
use serde::Serialize;

use super::{Store, StoreError};
use crate::moment::Moment;
use crate::secret::SecretHash;

/// Somebody who has a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Operator {
    /// A name, for people.
    pub name: String,
    /// Since when.
    pub since: Moment,
}

impl Store {
    /// Gives `name` a token; false where that name has one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_operator(&self, name: &str, hash: &SecretHash, now: Moment) -> Result<bool, StoreError> {
        self.write(|change| {
            let sql =
                "INSERT INTO operator (name, hash, since) VALUES (?, ?, ?) ON CONFLICT (name) DO NOTHING";
            Ok(change.execute(sql, (name, hash.as_str(), now))? == 1)
        })
    }

    /// Takes the token of `name` away; false where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_operator(&self, name: &str) -> Result<bool, StoreError> {
        self.write(|change| Ok(change.execute("DELETE FROM operator WHERE name = ?", [name])? == 1))
    }

    /// All operators, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn operators(&self) -> Result<Vec<Operator>, StoreError> {
        self.read(|look| {
            let mut all = look.prepare("SELECT name, since FROM operator ORDER BY name")?;
            let rows = all.query_map((), |row| Ok(Operator { name: row.get(0)?, since: row.get(1)? }))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn operator(&self, hash: &SecretHash) -> Result<Option<String>, StoreError> {
        self.read(|look| {
            let sql = "SELECT name FROM operator WHERE hash = ?";
            Ok(look.query_row(sql, [hash.as_str()], |row| row.get(0)).optional()?)
        })
    }
}
