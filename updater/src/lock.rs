//! One command at a time may change a machine.
//!
//! A lock of the kernel's on an open file, so that it dies with its holder, whatever kills it. Commands
//! that only look do not take it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock, major, minor};
use rustix::io::Errno;

/// What a running machine locks.
const RUNNING: &str = "/run/edeploy.lock";

/// The right to change a machine, as long as this value lives.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another command has it.
    #[error("{holder} is changing this machine; wait for it to end")]
    Held {
        /// Who, as far as the kernel tells.
        holder: String,
    },
    /// The file cannot be opened or locked.
    #[error("locking {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Locks the running machine.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn running() -> Result<Self, LockError> {
        let path = Path::new(RUNNING);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        Self::of(path, file)
    }

    /// Locks a disk or image.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn disk(path: &Path) -> Result<Self, LockError> {
        Self::of(path, File::open(path))
    }

    fn of(path: &Path, file: io::Result<File>) -> Result<Self, LockError> {
        let failed = |source| LockError::Io { path: path.to_owned(), source };
        let file = file.map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: file }),
            Err(Errno::WOULDBLOCK) => Err(LockError::Held { holder: holder(&file) }),
            Err(e) => Err(failed(e.into())),
        }
    }
}

/// Who holds the lock on `file`: its command line and process id, from the kernel's table of locks.
fn holder(file: &File) -> String {
    let pid = file.metadata().ok().and_then(|of| {
        let place = format!("{:02x}:{:02x}:{}", major(of.dev()), minor(of.dev()), of.ino());
        let locks = fs::read_to_string("/proc/locks").ok()?;
        pid_in(&locks, &place).map(str::to_owned)
    });
    let Some(pid) = pid else { return "another edeploy-ab".to_owned() };
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).trim_end_matches('\0').replace('\0', " ");
    format!("`{line}` (process {pid})")
}

/// The process that holds a lock at `place` (`major:minor:inode`), in the text of /proc/locks.
fn pid_in<'a>(locks: &'a str, place: &str) -> Option<&'a str> {
    locks.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, at, ..] = fields[..] else { return None };
        (at == place).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_was_first_and_may_come_after_it() {
        let disk = tempfile::NamedTempFile::new().unwrap();
        let first = Lock::disk(disk.path()).unwrap();
        let refused = Lock::disk(disk.path()).unwrap_err().to_string();
        assert!(refused.contains(&format!("(process {})", std::process::id())), "{refused}");
        drop(first);
        assert!(Lock::disk(disk.path()).is_ok());
    }

    #[test]
    fn the_kernels_table_is_read_by_place_and_kind() {
        let table = "1: POSIX  ADVISORY  WRITE 10 08:01:7 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 11 08:01:77 0 EOF\n\
                     2: -> FLOCK  ADVISORY  WRITE 12 08:01:7 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 08:01:7 0 EOF\n";
        assert_eq!(pid_in(table, "08:01:7"), Some("13"));
        assert_eq!(pid_in(table, "08:01:8"), None);
    }
}
