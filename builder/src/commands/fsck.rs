//! `rolebuild fsck`: whether the published site is whole.

use std::fmt;

use edeploy_format::exit::Exit;
use serde::Serialize;

use crate::cli;
use crate::failure::Failure;
use crate::fsck::{Finding, Report, fsck};
use crate::progress::Progress;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(flatten)]
    report: Report,
}

impl Answer {
    /// [`Exit::Differs`] when something is damaged.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.report.findings.is_empty() { Exit::Done } else { Exit::Differs }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { findings, leftovers, files, bytes, versions } = &self.report;
        findings.iter().try_for_each(|Finding { object, fault }| writeln!(f, "{object}: {fault}"))?;
        if !leftovers.is_empty() {
            writeln!(f, "{} files are left over; `rolebuild prune` removes them", leftovers.len())?;
        }
        write!(f, "{files} files with {bytes} bytes and {versions} versions checked: ")?;
        match findings.len() {
            0 => write!(f, "all sound"),
            n => write!(f, "{n} damaged"),
        }
    }
}

/// Checks the site.
///
/// # Errors
/// When there is none.
pub fn run(args: &cli::Fsck) -> Result<Answer, Failure> {
    let progress = Progress::new();
    progress.stage("reading everything that is published");
    let report = fsck(&args.repo.repo, &mut |bytes| progress.advance(bytes))?;
    Ok(Answer { report })
}
