//! `rolebuild keygen NAME...`: new private keys.

use std::fmt;
use std::path::PathBuf;

use edeploy_format::tuf::KeyId;
use serde::Serialize;

use crate::cli;
use crate::commands::keys;
use crate::failure::Failure;

/// The keys that were made.
#[derive(Debug, Serialize)]
pub struct Answer {
    keys: Vec<Made>,
}

#[derive(Debug, Serialize)]
struct Made {
    file: PathBuf,
    id: KeyId,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> =
            self.keys.iter().map(|key| format!("{} {}", key.id, key.file.display())).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// Makes the keys.
///
/// # Errors
/// When one is there already, or cannot be written; those before it were made.
pub fn run(args: &cli::Keygen) -> Result<Answer, Failure> {
    let mut keys = keys(&args.keys)?;
    let mut made = Vec::new();
    for name in &args.names {
        let id = keys.make(name)?;
        let file = keys.path(&id).map(PathBuf::from).unwrap_or_default();
        made.push(Made { file, id });
    }
    Ok(Answer { keys: made })
}
