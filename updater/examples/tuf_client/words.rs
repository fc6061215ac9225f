//! What is typed.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Error, ValueExt};

/// The words of one run.
pub(crate) struct Words {
    pub(crate) metadata_dir: PathBuf,
    pub(crate) command: Command,
}

/// What is to be done.
pub(crate) enum Command {
    /// Begin with a root.
    Init { root: PathBuf },
    /// Bring the four top-level documents up to date.
    Refresh { url: String },
    /// The same, then each target until one fails.
    Download { url: String, targets: Vec<String>, base: String, folder: PathBuf },
}

#[derive(Default)]
struct Options {
    metadata_dir: Option<PathBuf>,
    metadata_url: Option<String>,
    target_names: Vec<String>,
    target_base_url: Option<String>,
    target_dir: Option<PathBuf>,
}

impl Words {
    /// Reads the command line.
    pub(crate) fn read() -> Result<Self, Error> {
        let (mut options, mut plain) = (Options::default(), Vec::<OsString>::new());
        let mut parser = lexopt::Parser::from_env();
        while let Some(arg) = parser.next()? {
            match arg {
                Arg::Long("metadata-dir") => options.metadata_dir = Some(parser.value()?.into()),
                Arg::Long("metadata-url") => options.metadata_url = Some(parser.value()?.string()?),
                Arg::Long("target-name") => options.target_names.push(parser.value()?.string()?),
                Arg::Long("target-base-url") => options.target_base_url = Some(parser.value()?.string()?),
                Arg::Long("target-dir") => options.target_dir = Some(parser.value()?.into()),
                Arg::Value(word) => plain.push(word),
                Arg::Long(_) | Arg::Short(_) => return Err(arg.unexpected()),
            }
        }
        let metadata_dir = options.metadata_dir.take().ok_or("--metadata-dir is missing")?;
        Ok(Self { metadata_dir, command: options.command(&plain)? })
    }
}

impl Options {
    fn command(self, plain: &[OsString]) -> Result<Command, Error> {
        let url = self.metadata_url.ok_or("--metadata-url is missing");
        match plain {
            [word, root] if word == "init" => Ok(Command::Init { root: root.into() }),
            [word] if word == "refresh" => Ok(Command::Refresh { url: url? }),
            [word] if word == "download" => Ok(Command::Download {
                url: url?,
                targets: Some(self.target_names)
                    .filter(|names| !names.is_empty())
                    .ok_or("--target-name is missing")?,
                base: self.target_base_url.ok_or("--target-base-url is missing")?,
                folder: self.target_dir.ok_or("--target-dir is missing")?,
            }),
            _ => Err("one of: init ROOT, refresh, download".into()),
        }
    }
}
