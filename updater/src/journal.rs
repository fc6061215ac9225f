//! The machine's own history: what was installed, upgraded, booted, blessed, and fallen back from.
//!
//! Lines of JSON in one file of the state partition, each appended and synced before the step it tells
//! of counts as told. A torn last line, and a line a later updater wrote in a form we do not know, are
//! passed over. The file is bounded: when it is full, its old half is dropped, except for the
//! fall-backs that still forbid a version. What boots is decided without it: it says which version is not
//! taken again, and to a repair which slot's upgrade had come to its end.

mod event;
mod flat;
mod history;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::durable;
pub use event::{Deployment, Event, Line};
pub use history::{all_refused, fall_back, last_report, version_of};

/// Where it lies below the root of the machine.
pub const PATH: &str = "var/lib/edeploy/journal";
/// No file grows beyond this.
pub const LIMIT: u64 = 256 << 10;

/// Why the journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{doing} the journal {}", .path.display())]
pub struct JournalError {
    doing: &'static str,
    path: PathBuf,
    /// Why not.
    #[source]
    pub source: io::Error,
}

/// The journal in one file.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal of the machine whose root is `root`.
    #[must_use]
    pub fn of(root: &Path) -> Self {
        Self { path: root.join(PATH) }
    }

    /// Appends `event` with the time of the clock; when this returns it is on the disk.
    ///
    /// # Errors
    /// [`JournalError`]: what happened is then not recorded.
    pub fn append(&self, event: Event) -> Result<(), JournalError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let mut text =
            serde_json::to_vec(&Line { time: now, event }).map_err(|e| self.failed("writing", e.into()))?;
        text.push(b'\n');
        self.write(&text).map_err(|e| self.failed("writing", e))
    }

    /// All lines that can be read, oldest first; none if there is no journal yet.
    ///
    /// # Errors
    /// [`JournalError`] when the file is there and cannot be read.
    pub fn read(&self) -> Result<Vec<Line>, JournalError> {
        match std::fs::read(&self.path) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(self.failed("reading", e)),
        }
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> JournalError {
        JournalError { doing, path: self.path.clone(), source }
    }

    fn write(&self, line: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().expect("PATH has folders");
        durable::make_folder(folder)?;
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let length = file.metadata()?.len();
        if length + line.len() as u64 > LIMIT {
            return self.shorten(&mut file, line);
        }
        if length > 0 && !ends_with_newline(&mut file)? {
            // The last write was cut by a power failure: what it left must not swallow this line.
            file.write_all(b"\n")?;
        }
        file.write_all(line)?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }

    /// Replaces the file by its young half, the fall-backs that still count, and `line`.
    fn shorten(&self, file: &mut File, line: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        file.seek(io::SeekFrom::Start(0))?;
        Read::take(&mut *file, 2 * LIMIT).read_to_end(&mut bytes)?;
        let half = bytes.len() / 2;
        let cut = bytes[half..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |at| half + at + 1);
        let mut text = Vec::new();
        for old in history::still_refused(&parse(&bytes[..cut]), &parse(&bytes[cut..])) {
            serde_json::to_writer(&mut text, old)?;
            text.push(b'\n');
        }
        text.extend_from_slice(&bytes[cut..]);
        if text.last().is_some_and(|b| *b != b'\n') {
            text.push(b'\n');
        }
        text.extend_from_slice(line);
        durable::replace(&self.path, &text, 0o600)
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(io::SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

fn parse(bytes: &[u8]) -> Vec<Line> {
    bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

#[cfg(test)]
mod tests;
