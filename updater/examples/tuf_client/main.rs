//! The TUF client of hosts alone, as a command line: for test suites of TUF clients, whose conventions it follows.
//!
//!     tuf_client --metadata-dir D init ROOT
//!     tuf_client --metadata-dir D --metadata-url U refresh
//!     tuf_client --metadata-dir D --metadata-url U --target-name T… --target-base-url B --target-dir TD download
//!
//! Workflow, limits and fetching are those of the host program; the rules are the specification's alone, and RSA and
//! ECDSA keys count too. What is believed is kept in `D` step by step, as `root.json`, `timestamp.json`,
//! `snapshot.json`, `targets.json` and `<role>.json` with the role percent-encoded. Exit code 0, or 1 and why.

mod keys;
mod repository;
mod words;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use edeploy_ab::failure::chain;
use edeploy_format::tuf::{Expiry, Time};

use repository::{ClientError, Repository};
use words::{Command, Words};

fn main() -> ExitCode {
    match Words::read().map_err(ClientError::from).and_then(|words| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tuf_client: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &Words) -> Result<(), ClientError> {
    match &words.command {
        Command::Init { root } => Repository::init(&words.metadata_dir, root),
        Command::Refresh { url } => {
            Repository::open(&words.metadata_dir, url)?.refresh(now())?;
            Ok(())
        }
        Command::Download { url, targets, base, folder } => {
            let repository = Repository::open(&words.metadata_dir, url)?;
            let top = repository.refresh(now())?;
            targets.iter().try_for_each(|target| repository.download(&top, target, base, folder))
        }
    }
}

/// The one time that a whole run is held against.
fn now() -> Expiry {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Expiry::At(Time::new(now.as_secs()))
}
