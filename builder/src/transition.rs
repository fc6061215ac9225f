//! The transitions tree `<from>/<role>/<to>/` becomes the rules that are published with a version.
//!
//! A rule's folder holds any of `exclude`, `add_only`, `check`, `pre`, `post` and `hook_seconds`; a name that is
//! none of these is an error, as it is most likely a typing mistake. Hidden files are not looked at.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use edeploy_format::exclude::{ExcludeError, LintError, Rules};
use edeploy_format::exit::Exit;
use edeploy_format::manifest::Head;
use edeploy_format::name::{Role, Version};
use edeploy_format::transition::{FORMAT, Hook, Match, Rule, Transition};

use crate::failure::Fault;

/// Why a transition cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// A file or folder cannot be read.
    #[error("reading {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder is called what is no role or version.
    #[error("{path}: {reason}")]
    Name {
        /// The folder.
        path: PathBuf,
        /// What its name should be.
        reason: String,
    },
    /// A file that belongs to no rule.
    #[error(
        "{0} is not part of a rule: there may be `exclude`, `add_only`, `check`, `pre`, `post`, `hook_seconds`"
    )]
    Stranger(PathBuf),
    /// Not text.
    #[error("{0} is not UTF-8 text")]
    NotText(PathBuf),
    /// Not a program in text form.
    #[error("{0} does not begin with `#!`")]
    NoInterpreter(PathBuf),
    /// Not executable.
    #[error("{0} is not executable; run `chmod +x {0}`")]
    NotExecutable(PathBuf),
    /// Not a number of seconds.
    #[error("{0} is not a number of seconds from 1 to 86400")]
    Seconds(PathBuf),
    /// A rule does not parse.
    #[error("{path}")]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: ExcludeError,
    },
    /// A rule covers what an upgrade must replace.
    #[error("{path}")]
    Covers {
        /// The file.
        path: PathBuf,
        /// What it covers.
        #[source]
        source: LintError,
    },
    /// Nothing leads here.
    #[error("no folder of {metadata} leads to {role} {version}; make {metadata}/any/any/any")]
    None {
        /// The tree.
        metadata: PathBuf,
        /// The role.
        role: Role,
        /// The version.
        version: Version,
    },
}

impl Fault for TransitionError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } => Exit::Failed,
            Self::None { .. } => Exit::NotFound,
            Self::Name { .. }
            | Self::Stranger(_)
            | Self::NotText(_)
            | Self::NoInterpreter(_)
            | Self::NotExecutable(_)
            | Self::Seconds(_)
            | Self::Rules { .. }
            | Self::Covers { .. } => Exit::Input,
        }
    }
}

/// All rules of the tree `metadata` that lead to the version in `head`.
///
/// # Errors
/// [`TransitionError`] names the file that is wrong; also when there is no rule at all.
pub fn read(metadata: &Path, head: &Head) -> Result<Transition, TransitionError> {
    let mut rules = Vec::new();
    for (from_path, from) in folders::<Version>(metadata)? {
        for (role_path, role) in folders::<Role>(&from_path)? {
            if !accepts(&role, &head.role) {
                continue;
            }
            for (path, to) in folders::<Version>(&role_path)? {
                if accepts(&to, &head.version) {
                    rules.push(rule(&path, (from.clone(), role.clone(), to), head)?);
                }
            }
        }
    }
    let (role, version) = (head.role.clone(), head.version.clone());
    if rules.is_empty() {
        return Err(TransitionError::None { metadata: metadata.to_owned(), role, version });
    }
    Ok(Transition { format: FORMAT, role, version, rules })
}

fn accepts<T: PartialEq>(matches: &Match<T>, name: &T) -> bool {
    match matches {
        Match::Any => true,
        Match::Exact(exact) => exact == name,
    }
}

fn unread(path: &Path) -> impl FnOnce(io::Error) -> TransitionError {
    let path = path.to_owned();
    move |source| TransitionError::Read { path, source }
}

/// What lies in a folder and is not hidden, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, TransitionError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(unread(folder))? {
        let entry = entry.map_err(unread(folder))?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            entries.push(entry.path());
        }
    }
    entries.sort();
    Ok(entries)
}

/// The folders in a folder, with the names they stand for. Files beside them (a README) are not looked at.
fn folders<T: FromStr<Err: std::fmt::Display>>(
    folder: &Path,
) -> Result<Vec<(PathBuf, Match<T>)>, TransitionError> {
    let mut found = Vec::new();
    for path in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        let matches = match file_name(&path) {
            "any" => Match::Any,
            name => {
                let name = name.parse();
                let bad = |e: T::Err| TransitionError::Name { path: path.clone(), reason: e.to_string() };
                Match::Exact(name.map_err(bad)?)
            }
        };
        found.push((path, matches));
    }
    Ok(found)
}

/// The last component; a name that is not UTF-8 becomes one that nothing is called.
fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or("\u{fffd}")
}

fn rule(
    folder: &Path,
    (from, role, to): (Match<Version>, Match<Role>, Match<Version>),
    head: &Head,
) -> Result<Rule, TransitionError> {
    let (exclude, add_only) = (String::new(), String::new());
    let mut rule =
        Rule { from, role, to, exclude, add_only, check: None, pre: None, post: None, hook_seconds: 0 };
    for path in entries(folder)? {
        match file_name(&path) {
            "exclude" => rule.exclude = rules(&path, Rules::exclude, head)?,
            "add_only" => rule.add_only = rules(&path, Rules::add_only, head)?,
            "hook_seconds" => rule.hook_seconds = seconds(&path)?,
            name => match Hook::ALL.into_iter().find(|hook| hook.name() == name) {
                Some(Hook::Check) => rule.check = Some(hook(&path)?),
                Some(Hook::Pre) => rule.pre = Some(hook(&path)?),
                Some(Hook::Post) => rule.post = Some(hook(&path)?),
                None => return Err(TransitionError::Stranger(path)),
            },
        }
    }
    Ok(rule)
}

fn text(path: &Path) -> Result<String, TransitionError> {
    let bytes = fs::read(path).map_err(unread(path))?;
    String::from_utf8(bytes).map_err(|_| TransitionError::NotText(path.to_owned()))
}

fn rules(
    path: &Path,
    parse: fn(&str) -> Result<Rules, ExcludeError>,
    head: &Head,
) -> Result<String, TransitionError> {
    let text = text(path)?;
    let rules = parse(&text).map_err(|source| TransitionError::Rules { path: path.to_owned(), source })?;
    rules.lint(head).map_err(|source| TransitionError::Covers { path: path.to_owned(), source })?;
    Ok(text)
}

fn hook(path: &Path) -> Result<String, TransitionError> {
    let text = text(path)?;
    if !text.starts_with("#!") {
        return Err(TransitionError::NoInterpreter(path.to_owned()));
    }
    let mode = fs::metadata(path).map_err(unread(path))?.permissions().mode();
    if mode & 0o111 == 0 { Err(TransitionError::NotExecutable(path.to_owned())) } else { Ok(text) }
}

fn seconds(path: &Path) -> Result<u32, TransitionError> {
    let seconds = text(path)?.trim().parse().ok().filter(|n| (1..=86400).contains(n));
    seconds.ok_or_else(|| TransitionError::Seconds(path.to_owned()))
}
