//! `rolebuild diff A B`: what differs between two builds.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use edeploy_format::exit::Exit;
use edeploy_format::manifest::{ManifestError, Reader};
use serde::Serialize;

use crate::cli;
use crate::diff::{self, Aspect, HeadDifference};
use crate::failure::{Failure, Fault};

/// What differs.
#[derive(Debug, Serialize)]
pub struct Answer {
    head: Vec<HeadDifference>,
    differences: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    path: String,
    differs_in: Vec<Aspect>,
    #[serde(skip)]
    text: String,
}

impl Answer {
    /// [`Exit::Differs`] when something differs.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.head.is_empty() && self.differences.is_empty() { Exit::Done } else { Exit::Differs }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        self.differences.iter().try_for_each(|line| writeln!(f, "{}", line.text))?;
        match (self.head.len(), self.differences.len()) {
            (0, 0) => write!(f, "no differences"),
            (_, paths) => write!(f, "{paths} paths differ"),
        }
    }
}

/// Why a build cannot be compared.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("there is no build {0}: neither a file, nor a folder with a manifest, nor in --builds")]
    NotThere(PathBuf),
    #[error("opening {0}")]
    Open(PathBuf, #[source] std::io::Error),
    #[error("{0}")]
    Manifest(PathBuf, #[source] ManifestError),
}

impl Fault for Unreadable {
    fn exit(&self) -> Exit {
        match self {
            Self::NotThere(_) => Exit::NotFound,
            Self::Open(..) => Exit::Failed,
            Self::Manifest(..) => Exit::Input,
        }
    }
}

/// Compares the two builds.
///
/// # Errors
/// When either is missing or no manifest.
pub fn run(args: &cli::Diff) -> Result<Answer, Failure> {
    let mut differences = Vec::new();
    let (mut first, mut second) = (open(&args.first, &args.builds)?, open(&args.second, &args.builds)?);
    let head = diff::heads(first.head(), second.head());
    diff::compare(&mut first, &mut second, |difference| {
        let text = difference.to_string();
        let path = difference.path.as_str().to_owned();
        differences.push(Line { path, differs_in: difference.aspects, text });
    })?;
    Ok(Answer { head, differences })
}

/// Opens a build: a manifest, a folder that holds one, or a folder's name below `builds`.
fn open(build: &Path, builds: &Path) -> Result<Reader<BufReader<File>>, Unreadable> {
    let candidates = [build.to_owned(), build.join("manifest"), builds.join(build).join("manifest")];
    let path = candidates.into_iter().find(|path| path.is_file());
    let path = path.ok_or_else(|| Unreadable::NotThere(build.to_owned()))?;
    let file = File::open(&path).map_err(|e| Unreadable::Open(path.clone(), e))?;
    Reader::new(BufReader::new(file)).map_err(|e| Unreadable::Manifest(path, e))
}
