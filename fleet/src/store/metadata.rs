//! Metadata of repositories that was accepted: no older one is, from then on.

use rusqlite::OptionalExtension;

use super::{Store, StoreError};

impl Store {
    /// What was kept as `name` of a repository.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn metadata(&self, repo: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|look| {
            let sql = "SELECT bytes FROM metadata WHERE repo = ? AND name = ?";
            Ok(look.query_row(sql, (repo, name), |row| row.get(0)).optional()?)
        })
    }

    /// Keeps it, in place of what was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keep_metadata(&self, repo: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(|change| {
            let sql = "INSERT INTO metadata (repo, name, bytes) VALUES (?1, ?2, ?3)
                       ON CONFLICT (repo, name) DO UPDATE SET bytes = ?3";
            change.execute(sql, (repo, name, bytes))?;
            Ok(())
        })
    }
}
