//! `edeploy-fleet match`: one machine against profiles, each explained; the first that matches is the machine's.
//!
//! A profile that cannot be read or judged is told, and the next one is tried; whether it matches is not known.

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::read;
use crate::cli::Match;
use crate::explain::{Explained, explain};
use crate::failure::{Cause, chain};
use crate::hardware::Hardware;
use crate::matcher::{Budget, WORK};
use crate::spec::Spec;

/// What came of each profile, in their order.
pub(super) struct Answer {
    judged: Vec<(PathBuf, Result<Explained, String>)>,
}

/// Judges the profiles.
///
/// # Errors
/// When the hardware cannot be read, or the only profile.
pub(super) fn run(args: &Match) -> Result<Answer, Cause> {
    let path = &args.hardware;
    let hardware =
        Hardware::read(&read(path)?).map_err(|source| Cause::Hardware { path: path.clone(), source })?;
    let mut judged = Vec::new();
    for path in &args.specs {
        let explained = match spec(path) {
            Ok(spec) => explain(&Budget::of(WORK), &hardware, &spec).map_err(|error| error.to_string()),
            Err(cause) if args.specs.len() == 1 => return Err(cause),
            Err(cause) => Err(chain(&cause)),
        };
        judged.push((path.clone(), explained));
    }
    Ok(Answer { judged })
}

fn spec(path: &Path) -> Result<Spec, Cause> {
    Spec::read(&read(path)?).map_err(|source| Cause::Spec { path: path.to_owned(), source })
}

impl Answer {
    /// Whether any profile matches.
    pub(super) fn is_match(&self) -> bool {
        self.judged.iter().any(|(_, judged)| judged.as_ref().is_ok_and(Explained::is_match))
    }

    /// The profiles of which it is not known whether they match, each with the reason.
    pub(super) fn not_judged(&self) -> impl Iterator<Item = String> {
        self.judged.iter().filter_map(|(path, judged)| {
            let error = judged.as_ref().err()?;
            Some(format!("{}: not judged: {error}", path.display()))
        })
    }

    /// For programs: `matched` is null where it is not known.
    pub(super) fn json(&self) -> Value {
        let one = |(path, judged): &(PathBuf, Result<Explained, String>)| match judged {
            Err(error) => json!({"specs": path, "matched": null, "error": error}),
            Ok(explained) => json!({
                "specs": path,
                "matched": explained.is_match(),
                "variables": explained.found.variables,
                "cmdb_variables": explained.found.picks,
                "lines": explained.taken.iter()
                    .map(|(spec, line)| json!({"spec": spec, "hardware": line.0}))
                    .collect::<Vec<_>>(),
                "failed": explained.failed,
                "unjudged": explained.unjudged,
            }),
        };
        let known = self.is_match() || self.not_judged().next().is_none();
        json!({"matched": known.then(|| self.is_match()), "profiles": self.judged.iter().map(one).collect::<Vec<_>>()})
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, judged) in &self.judged {
            match judged {
                Err(error) => writeln!(f, "{}: not judged: {error}", path.display())?,
                Ok(explained) => {
                    let word = if explained.is_match() { "matches" } else { "does not match" };
                    write!(f, "{}: {word}\n{explained}", path.display())?;
                }
            }
        }
        Ok(())
    }
}
