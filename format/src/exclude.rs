//! Rules that name paths of a slot: the filter language of rsync's `--exclude-from` files.
//!
//! One rule per line, the first that matches a path decides. `- pattern` excludes, `+ pattern`
//! includes, a line without sign is what its file is for. Lines that are empty or begin with `#` or
//! `;` say nothing. An excluded folder hides all below it, whatever later rules say. Patterns mean
//! what they mean to rsync (`exclude/pattern.rs` has the cases); what rsync reads but this code does not
//! (`!` alone, `[:class:]`, a class or an escape without end) is refused with its line.

mod glob;
mod lint;
mod pattern;

pub use glob::GlobError;
pub use lint::{LintError, is_own};

use crate::path::TreePath;
use pattern::Pattern;

/// What a rule says of the paths it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Exclude,
    Include,
}

/// What a file of rules is for, and so which paths it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// `exclude`: covered is what is excluded, by its own or a folder's rule.
    Exclude,
    /// `add_only`: covered is what a rule includes and no folder's rule hides; folders never are.
    AddOnly,
}

#[derive(Clone, Debug)]
struct Rule {
    line: usize,
    verdict: Verdict,
    pattern: Pattern,
}

/// A file of rules.
#[derive(Clone, Debug)]
pub struct Rules {
    purpose: Purpose,
    rules: Vec<Rule>,
}

/// Why a file of rules is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, `{text}`: {fault}")]
pub struct ExcludeError {
    /// Counted from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What can be wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// `!` alone: forget the rules before it.
    #[error("`!` is not supported; leave out the rules before it")]
    Clear,
    /// No pattern, or only a slash.
    #[error("there is no pattern")]
    Empty,
    /// A component `..`: it matches nothing.
    #[error("a pattern with `..` matches nothing")]
    Dots,
    /// A wildcard that is not closed or not supported.
    #[error(transparent)]
    Glob(#[from] GlobError),
}

impl Rules {
    /// Reads an `exclude` file: lines without sign exclude.
    ///
    /// # Errors
    /// [`ExcludeError`] names the first line that is wrong.
    pub fn exclude(text: &str) -> Result<Self, ExcludeError> {
        Self::parse(text, Purpose::Exclude, Verdict::Exclude)
    }

    /// Reads an `add_only` file, as rsync's `--include-from`: lines without sign include.
    ///
    /// Unlike with rsync, what no rule matches is not covered: an empty file covers nothing.
    ///
    /// # Errors
    /// [`ExcludeError`] names the first line that is wrong.
    pub fn add_only(text: &str) -> Result<Self, ExcludeError> {
        Self::parse(text, Purpose::AddOnly, Verdict::Include)
    }

    fn parse(text: &str, purpose: Purpose, unsigned: Verdict) -> Result<Self, ExcludeError> {
        let mut rules = Vec::new();
        for (i, line) in text.split('\n').enumerate() {
            // rsync ends a line at either character, so a carriage return is never part of a name.
            for text in line.split('\r').filter(|t| !t.is_empty() && !t.starts_with(['#', ';'])) {
                let rule = parse_rule(text, unsigned);
                let (verdict, pattern) = rule.map_err(|fault| {
                    let text = text.chars().take(120).collect();
                    ExcludeError { line: i + 1, text, fault }
                })?;
                rules.push(Rule { line: i + 1, verdict, pattern });
            }
        }
        Ok(Self { purpose, rules })
    }

    /// Whether the rules cover `path`, with the folders it lies in.
    #[must_use]
    pub fn covers(&self, path: &TreePath, is_folder: bool) -> bool {
        self.covering(path.as_str().as_bytes(), is_folder).is_some()
    }

    /// A judge of paths that come in walking order; much faster than asking for each alone.
    #[must_use]
    pub fn in_order(&self) -> InOrder<'_> {
        InOrder { rules: self, hidden: None }
    }

    /// The line of the rule that makes `path` covered.
    fn covering(&self, path: &[u8], is_folder: bool) -> Option<usize> {
        let slashes = path.iter().enumerate().filter(|(_, b)| **b == b'/');
        for (end, _) in slashes {
            match self.first_match(&path[..end], true) {
                Some((Verdict::Exclude, line)) => return (self.purpose == Purpose::Exclude).then_some(line),
                Some((Verdict::Include, _)) | None => {}
            }
        }
        let (verdict, line) = self.first_match(path, is_folder)?;
        self.is_covered(verdict, is_folder).then_some(line)
    }

    fn is_covered(&self, verdict: Verdict, is_folder: bool) -> bool {
        match self.purpose {
            Purpose::Exclude => verdict == Verdict::Exclude,
            Purpose::AddOnly => verdict == Verdict::Include && !is_folder,
        }
    }

    fn first_match(&self, path: &[u8], is_folder: bool) -> Option<(Verdict, usize)> {
        let rule = self.rules.iter().find(|rule| rule.pattern.matches(path, is_folder))?;
        Some((rule.verdict, rule.line))
    }
}

/// Judges paths in walking order, each folder before its members.
#[derive(Clone, Debug)]
pub struct InOrder<'a> {
    rules: &'a Rules,
    /// The last folder that a rule excluded: what is below it needs no look at the rules.
    hidden: Option<Vec<u8>>,
}

impl InOrder<'_> {
    /// Whether the rules cover `path`. Every folder it lies in must have been asked for before it.
    ///
    /// Takes bytes, because what lies on a disk need not be UTF-8.
    pub fn covers(&mut self, path: &[u8], is_folder: bool) -> bool {
        let below = |folder: &Vec<u8>| path.strip_prefix(&folder[..]).is_some_and(|r| r.starts_with(b"/"));
        if self.hidden.as_ref().is_some_and(below) {
            return self.rules.purpose == Purpose::Exclude;
        }
        let Some((verdict, _)) = self.rules.first_match(path, is_folder) else { return false };
        if is_folder && verdict == Verdict::Exclude {
            self.hidden = Some(path.to_vec());
        }
        self.rules.is_covered(verdict, is_folder)
    }
}

fn parse_rule(text: &str, unsigned: Verdict) -> Result<(Verdict, Pattern), Fault> {
    let (verdict, pattern) = match text.as_bytes() {
        [b'-', b' ', ..] => (Verdict::Exclude, &text[2..]),
        [b'+', b' ', ..] => (Verdict::Include, &text[2..]),
        _ => (unsigned, text),
    };
    match pattern {
        "!" => Err(Fault::Clear),
        "" | "/" => Err(Fault::Empty),
        _ if pattern.split('/').any(|c| c == "..") => Err(Fault::Dots),
        _ => Ok((verdict, Pattern::parse(pattern)?)),
    }
}

#[cfg(test)]
mod tests;
