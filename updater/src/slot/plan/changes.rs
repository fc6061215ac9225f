//! What changes for the machine.

use edeploy_format::manifest::Record;

use super::{NEW, Plan, PlanError, Planning, RUNNING, of};
use crate::slot::entry::{Shape, shown};
use crate::slot::index::manifest;
use crate::slot::merge::{MergeError, Sides, Versions};
use crate::slot::selection::{Selected, select};

/// What an upgrade does to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It comes into being.
    Added,
    /// Its content or metadata is replaced.
    Changed,
    /// It goes away.
    Removed,
    /// The machine's is carried over.
    Kept,
}

impl Change {
    /// One stable word, for lines and `--json`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
            Self::Kept => "kept",
        }
    }
}

impl Planning<'_> {
    /// What the rules carry over from the running slot.
    pub(super) fn carried(&self, plan: &mut Plan, on: &mut dyn FnMut(Change, &str)) -> Result<(), PlanError> {
        let Some(running) = self.running else { return Ok(()) };
        select(self.manifest, running.tree, self.kept, |selected| {
            let Selected::Carried(entry) = selected else { return Ok(()) };
            plan.kept += 1;
            if entry.shape == Shape::File
                && let Some(found) = running.tree.stat(&entry.path).map_err(MergeError::from)?
            {
                plan.carried += found.size;
                plan.need.carried(found.size);
            }
            on(Change::Kept, &shown(&entry.path));
            Ok::<_, MergeError>(())
        })?;
        Ok(())
    }

    /// How the two manifests differ, but for what is carried over.
    pub(super) fn changes(&self, plan: &mut Plan, on: &mut dyn FnMut(Change, &str)) -> Result<(), PlanError> {
        let new = manifest(self.manifest).map_err(of(NEW))?;
        let old = self.running.map(|running| manifest(running.manifest)).transpose().map_err(of(RUNNING))?;
        let (mut versions, mut kept) = (Versions::new(new, old), self.kept.in_order());
        while let Some(sides) = versions.next_sides(of(NEW), of(RUNNING))? {
            let (Sides::Both(record, _) | Sides::First(record) | Sides::Second(record)) = &sides;
            let covered = kept.judge(record.path.as_bytes(), Shape::wanted(record) == Shape::Folder);
            let (change, count) = match &sides {
                Sides::Both(new, old) if new == old || covered.by_either() => continue,
                Sides::Second(_) if covered.excluded => continue,
                // The running slot has it beyond its manifest: it was told of as kept.
                Sides::First(new) if covered.by_either() && self.runs(new)? => continue,
                Sides::Both(..) => (Change::Changed, &mut plan.changed),
                Sides::First(_) => (Change::Added, &mut plan.added),
                Sides::Second(_) => (Change::Removed, &mut plan.removed),
            };
            *count += 1;
            on(change, &shown(record.path.as_bytes()));
        }
        Ok(())
    }

    /// Whether the running slot has the path.
    fn runs(&self, record: &Record) -> Result<bool, MergeError> {
        let Some(running) = self.running else { return Ok(false) };
        Ok(running.tree.stat(record.path.as_bytes())?.is_some())
    }
}
