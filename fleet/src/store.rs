//! Everything that the service remembers: one SQLite file in the data folder.
//!
//! Each change is one transaction, begun as a writer, and durable before anybody is told of it (write-ahead log, synced
//! at every commit). So of any number of machines that report at once no two get the same entry, whichever process
//! writes, and a kill at any moment leaves what was answered. The command line works on the same file while the
//! service runs. Only hashes of tokens are kept. Moments are seconds since 1970, and are handed in.

mod armed;
mod card;
mod host;
mod install;
mod log;
mod metadata;
mod operator;
mod permission;
mod script;
mod session;
mod taken;
mod ticket;
mod watch;

#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use host::{Host, Permission, Released, Tried};
pub use install::{Answer, Decision, Refusal, Reported};
pub use log::Log;
pub use operator::Operator;
pub use permission::{ATTEMPTS, Permitted};
pub use ticket::{Boot, Booted, Recorded, Ticket};
pub use watch::Watch;

/// The name of the file.
pub const FILE: &str = "fleet.sqlite";
/// How the tables come to be, schema by schema.
const STEPS: [&str; 3] = [
    include_str!("store/schema.sql"),
    include_str!("store/schema-2.sql"),
    include_str!("store/schema-3.sql"),
];
/// What this program writes; it refuses what a later one wrote.
const SCHEMA: i64 = STEPS.len() as i64;
/// How long a writer waits for another one.
const BUSY: Duration = Duration::from_secs(30);
/// No more machines are remembered: each that asks for a boot script is, whoever it is. Of those that never had a
/// permission, the one that was not seen for the longest makes room for another.
pub const MACHINES: u64 = 20_000;

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder cannot be made.
    #[error("{path}")]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can write into the folder.
    #[error("{path}: mode {mode:04o}: others may write there; run `chmod 700 {path}`")]
    Mode {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A later program wrote it.
    #[error("{path}: written by a later program (schema {found}, this one knows {SCHEMA})")]
    Later {
        /// Which.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// SQLite failed.
    #[error("the store")]
    Sqlite(#[from] rusqlite::Error),
    /// A value in it is not what this program writes.
    #[error("the store: a {0} makes no sense")]
    Value(&'static str),
}

/// The store, open.
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl Store {
    /// Opens the store of a data folder; makes both where they are missing, for this user alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        make_folder(data)?;
        let path = data.join(FILE);
        let failed = |source| StoreError::Open { path: path.clone(), source };
        // SQLite would make it readable to others, and its log takes the mode of the file.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(_) => {}
            // One that is there is not opened here: to close it would end the locks of this process on it.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let connection = connect(&path)?;
        let store = Self { connection: Mutex::new(connection), path };
        store.lay()?;
        Ok(store)
    }

    /// Makes the tables of an empty file, and of an older schema this one.
    fn lay(&self) -> Result<(), StoreError> {
        let path = self.path.clone();
        self.write(|change| {
            let found: i64 = change.query_row("PRAGMA user_version", (), |row| row.get(0))?;
            let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
            let steps = steps.ok_or(StoreError::Later { path, found })?;
            if steps.is_empty() {
                return Ok(());
            }
            steps.iter().try_for_each(|step| change.execute_batch(step))?;
            Ok(change.pragma_update(None, "user_version", SCHEMA)?)
        })
    }

    fn locked(&self) -> MutexGuard<'_, Connection> {
        // A transaction that was not committed is undone, also by a panic.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One change, as a whole or not at all.
    fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.locked();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// One look at a single state.
    fn read<T>(&self, look: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut connection = self.locked();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
        look(&transaction)
    }
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}

/// Makes the data folder where it is missing, for this user alone.
///
/// # Errors
/// [`StoreError`], also where others may write into it.
pub fn make_folder(data: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open { path: data.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    let mode = fs::metadata(data).map_err(failed)?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::Mode { path: data.to_owned(), mode });
    }
    Ok(())
}
