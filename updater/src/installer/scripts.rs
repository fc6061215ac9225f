//! The scripts of a plan: signed with it, run one after another before the disk is chosen.
//!
//! Each has a time limit and a process group of its own, and knows of the machine what its environment says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use edeploy_format::exit::Exit;
use edeploy_format::fleet::Script;

use crate::failure::Failure;
use crate::program::{self, End};

/// What a script finds its programs by.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a script is no success.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It is none.
    #[error("the script {0} does not begin with #!")]
    Form(String),
    /// It could not be started or followed.
    #[error("running the script {name}")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("the script {name}: {end}{}", last_words(.words))]
    Failed {
        /// Its name.
        name: String,
        /// How it ended.
        end: End,
        /// The last it said.
        words: Option<String>,
    },
}

fn last_words(words: &Option<String>) -> String {
    words.as_ref().map(|words| format!(": {words}")).unwrap_or_default()
}

/// Whether they are scripts at all: known before the first of them runs.
///
/// # Errors
/// [`Exit::Hook`] unless each begins with `#!`.
pub fn check(scripts: &[Script]) -> Result<(), Failure> {
    match scripts.iter().find(|script| !script.text.starts_with("#!")) {
        None => Ok(()),
        Some(script) => Err(Failure::new(Exit::Hook, ScriptError::Form(script.name.clone()))),
    }
}

/// Runs it in `scratch`; each line that it prints is handed to `show`.
///
/// # Errors
/// [`Exit::Hook`] unless it ends with 0 in time.
pub fn run(
    script: &Script,
    scratch: &Path,
    profile: &str,
    show: &mut dyn FnMut(&str),
) -> Result<(), Failure> {
    check(std::slice::from_ref(script))?;
    let name = script.name.clone();
    let started = put(script, scratch).and_then(|()| {
        let mut command = Command::new(scratch.join("script"));
        command
            .current_dir("/")
            .env_clear()
            .env("PATH", PATH)
            .env("LC_ALL", "C")
            .env("EDEPLOY_PROFILE", profile)
            .envs(&script.env);
        program::run(command, Duration::from_secs(script.seconds), show)
    });
    match started {
        Ok(ending) if ending.end == End::Code(0) => Ok(()),
        Ok(ending) => {
            let words = ending.last_words().map(str::to_owned);
            Err(Failure::new(Exit::Hook, ScriptError::Failed { name, end: ending.end, words }))
        }
        Err(source) => Err(Failure::new(Exit::Hook, ScriptError::Start { name, source })),
    }
}

fn put(script: &Script, scratch: &Path) -> io::Result<()> {
    let path = scratch.join("script");
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(path)?;
    file.write_all(script.text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(text: &str, seconds: u64) -> (Result<(), String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let script = Script {
            name: "raid".to_owned(),
            text: text.to_owned(),
            seconds,
            env: [("BMC".to_owned(), "$(id) 'x'".to_owned())].into(),
        };
        let mut lines = Vec::new();
        let ended = run(&script, folder.path(), "web", &mut |line| lines.push(line.to_owned()));
        (ended.map_err(|e| e.to_string()), lines)
    }

    #[test]
    fn a_script_knows_its_profile_and_nothing_else_of_ours() {
        let (ended, lines) = ran("#!/bin/sh\necho \"$EDEPLOY_PROFILE ${CARGO:-none} $BMC\"\n", 60);
        assert_eq!((ended, lines), (Ok(()), vec!["web none $(id) 'x'".to_owned()]));
    }

    #[test]
    fn what_fails_or_hangs_is_told_with_its_name_and_last_words() {
        let failed = |text, seconds| ran(text, seconds).0.unwrap_err();
        assert_eq!(
            failed("#!/bin/sh\necho no controller\nexit 3\n", 60),
            "the script raid: exit code 3: no controller"
        );
        assert_eq!(failed("#!/bin/sh\nsleep 600\n", 0), "the script raid: no end within its time limit");
        assert_eq!(failed("echo\n", 60), "the script raid does not begin with #!");
        assert!(failed("#!/no/such/program\n", 60).starts_with("running the script raid: "));
    }
}
