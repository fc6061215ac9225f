//! A key that is somewhere else: a command of the operator's signs with it (HSM, KMS, a smart card, another machine).
//!
//! `<name>.signer.toml` names the public half and the command. The command is started without a shell, gets the
//! message on standard input, writes the signature to standard output and ends with 0. Nothing it writes is believed:
//! the signature must be one of the message by the public half. What it says on standard error is shown when it fails.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use ed25519_dalek::pkcs8::spki::DecodePublicKey;
use ed25519_dalek::{Signature, VerifyingKey};
use edeploy_format::exit::Exit;
use serde::Deserialize;

use super::KeysError;
use super::file::{self, Care};
use crate::failure::Fault;

/// The time a command has, unless its file says otherwise.
const SECONDS: u64 = 60;
/// No signature, however written, is longer.
const OUTPUT: u64 = 4096;
/// So much of the end of what a failing command says is shown.
const SAID: usize = 1000;

/// The text of a signer's file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Text {
    public_key: String,
    command: Vec<String>,
    seconds: Option<u64>,
}

/// A command that signs.
#[derive(Debug)]
pub(super) struct Command {
    /// The file that names it.
    file: PathBuf,
    program: PathBuf,
    arguments: Vec<String>,
    limit: Duration,
}

/// Why a command gave no signature.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It cannot be started, or not be talked to.
    #[error("running the command of {file}")]
    Run {
        /// The file that names it.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It failed.
    #[error("the command of {file} ended with {status}{said}")]
    Failed {
        /// The file that names it.
        file: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// What it said last, with a colon before it.
        said: String,
    },
    /// It did not end.
    #[error("the command of {file} did not end within {seconds} s, and was ended{said}")]
    Late {
        /// The file that names it.
        file: PathBuf,
        /// Its limit.
        seconds: u64,
        /// What it said last, with a colon before it.
        said: String,
    },
    /// It wrote something else.
    #[error("the command of {file} wrote no signature: 64 bytes, or their hex or base64, were expected")]
    NoSignature {
        /// The file that names it.
        file: PathBuf,
    },
    /// Its signature is by another key, or of something else.
    #[error(
        "the command of {file} wrote a signature that is not one of its public-key over what was to be signed"
    )]
    Wrong {
        /// The file that names it.
        file: PathBuf,
    },
}

impl Fault for CommandError {
    fn exit(&self) -> Exit {
        match self {
            Self::Run { .. } | Self::Failed { .. } | Self::Late { .. } => Exit::Failed,
            Self::NoSignature { .. } | Self::Wrong { .. } => Exit::Untrusted,
        }
    }
}

/// Reads a signer's file: the public half, and what signs.
pub(super) fn read(path: &Path) -> Result<(VerifyingKey, Command), KeysError> {
    let text = file::read(path, Care::Command)?;
    let wrong = |what: String| KeysError::Signer { path: path.to_owned(), what };
    // The parser's own report quotes the line, and somebody may have put a private key there.
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let parsed = toml::from_str::<Text>(&text)
        .map_err(|e| wrong(format!("line {}: {}", e.span().map_or(1, |span| line(span.start)), kind(&e))))?;
    let public = public(&parsed.public_key).ok_or_else(|| {
        wrong(
            "public-key: an Ed25519 key as 64 hex digits or as PEM (BEGIN PUBLIC KEY) was expected"
                .to_owned(),
        )
    })?;
    let mut words = parsed.command.into_iter();
    let program = words.next().filter(|word| !word.is_empty());
    let program =
        program.ok_or_else(|| wrong("command: a list of program and arguments was expected".to_owned()))?;
    let seconds = parsed.seconds.unwrap_or(SECONDS);
    if !(1..=3600).contains(&seconds) {
        return Err(wrong("seconds: 1 to 3600 were expected".to_owned()));
    }
    // With a slash it lies beside this file, wherever rolebuild is started.
    let beside = path.parent().filter(|_| program.contains('/'));
    let program = match beside.map(|folder| folder.join(&program)) {
        Some(program) => {
            file::check_program(&program)?;
            program
        }
        None => PathBuf::from(&program),
    };
    let limit = Duration::from_secs(seconds);
    Ok((public, Command { file: path.to_owned(), program, arguments: words.collect(), limit }))
}

/// What is wrong with the text, without anything that stands in it.
fn kind(error: &toml::de::Error) -> &'static str {
    let message = error.message();
    if message.starts_with("missing field") {
        return "public-key and command are needed";
    }
    if message.starts_with("unknown field") {
        return "a key that is none: there are public-key, command and seconds";
    }
    "no TOML of a signer: public-key = \"…\", command = [\"…\"], seconds = …"
}

/// An Ed25519 key that signatures can be checked with, as 64 hex digits or as PEM.
pub(super) fn public(text: &str) -> Option<VerifyingKey> {
    let text = text.trim();
    let bytes = edeploy_format::digest::unhex(text).and_then(|bytes| bytes.try_into().ok());
    let key = match bytes {
        Some(bytes) => VerifyingKey::from_bytes(&bytes).ok()?,
        None => VerifyingKey::from_public_key_pem(text).ok()?,
    };
    Some(key).filter(|key| !key.is_weak())
}

impl Command {
    /// The signature of `message`, which is one by `public`.
    pub(super) fn sign(&self, public: &VerifyingKey, message: &[u8]) -> Result<[u8; 64], CommandError> {
        let file = || self.file.clone();
        let written = self.run(message)?;
        let bytes = signature(&written).ok_or_else(|| CommandError::NoSignature { file: file() })?;
        match public.verify_strict(message, &Signature::from_bytes(&bytes)) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(CommandError::Wrong { file: file() }),
        }
    }

    fn run(&self, message: &[u8]) -> Result<Vec<u8>, CommandError> {
        let failed = |source| CommandError::Run { file: self.file.clone(), source };
        let mut command = process::Command::new(&self.program);
        command.args(&self.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        let ends = Ends::of(&mut child, message.to_vec());
        let until = Instant::now() + self.limit;
        let ended = ends.until(until);
        let status =
            ended.is_some().then(|| ended_by(&mut child, until)).transpose().map_err(failed)?.flatten();
        let (Some((written, said)), Some(status)) = (ended, status) else {
            // It is in our process group, so that it can ask for a PIN on the terminal: what it started itself is not
            // ended. It may have ended by itself just now.
            let _ = child.kill();
            child.wait().map_err(failed)?;
            let said = ends.said.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
            let (file, seconds, said) = (self.file.clone(), self.limit.as_secs(), last_words(&said));
            return Err(CommandError::Late { file, seconds, said });
        };
        // One that writes too much is cut off, and may fail of that.
        if !status.success() && (written.len() as u64) < OUTPUT {
            return Err(CommandError::Failed { file: self.file.clone(), status, said: last_words(&said) });
        }
        Ok(written)
    }
}

/// How the command ended, if it does by then; it may have closed its output before.
fn ended_by(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() >= until {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// The two ends of a command's output, each read by a thread, as a command may fill either first.
struct Ends {
    written: Receiver<Vec<u8>>,
    said: Receiver<Vec<u8>>,
}

impl Ends {
    fn of(child: &mut Child, message: Vec<u8>) -> Self {
        if let Some(mut input) = child.stdin.take() {
            // A command that does not read it all has decided already.
            thread::spawn(move || input.write_all(&message));
        }
        let (to_written, written) = channel();
        let (to_said, said) = channel();
        let (output, errors) = (child.stdout.take(), child.stderr.take());
        thread::spawn(move || {
            let mut bytes = Vec::new();
            if let Some(output) = output {
                let _ = output.take(OUTPUT).read_to_end(&mut bytes);
            }
            to_written.send(bytes)
        });
        thread::spawn(move || to_said.send(errors.map(tail).unwrap_or_default()));
        Self { written, said }
    }

    /// Both, or `None` when they do not end by then.
    fn until(&self, until: Instant) -> Option<(Vec<u8>, Vec<u8>)> {
        let by = |from: &Receiver<Vec<u8>>| {
            from.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
        };
        Some((by(&self.written)?, by(&self.said)?))
    }
}

/// The end of what can be read.
fn tail(mut from: impl Read) -> Vec<u8> {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..n]);
        let over = kept.len().saturating_sub(SAID);
        kept.drain(..over);
    }
    kept
}

fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let shown: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.is_empty() { shown } else { format!(": {shown}") }
}

/// The signature in what was written: 64 bytes, or their hex or base64 with white space around.
fn signature(written: &[u8]) -> Option<[u8; 64]> {
    if let Ok(bytes) = written.try_into() {
        return Some(bytes);
    }
    let text = std::str::from_utf8(written).ok()?.trim();
    let bytes = edeploy_format::digest::unhex(text).or_else(|| Base64::decode_vec(text).ok())?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
