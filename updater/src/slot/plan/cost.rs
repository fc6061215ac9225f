//! Where each content will come from.

use edeploy_format::manifest::{Kind, ManifestError, Record};

use super::{INACTIVE, NEW, Plan, PlanError, Planning, RUNNING, of};
use crate::slot::entry::Shape;
use crate::slot::frames::cost;
use crate::slot::index::{Index, manifest};
use crate::slot::merge::{Sides, Versions};

/// The cheapest place of a content.
enum Source {
    Already,
    Running,
    Pack,
}

impl Planning<'_> {
    /// `plan` with what it costs.
    pub(super) fn cost(&self, mut plan: Plan) -> Result<Plan, PlanError> {
        let new = manifest(self.manifest).map_err(of(NEW))?;
        let start = new.offset();
        let inactive = self.inactive.map(|(_, file)| manifest(file)).transpose().map_err(of(INACTIVE))?;
        let mut versions = Versions::new(new, inactive);
        let (mut needs, mut offset) = (Index::empty(self.manifest), start);
        while let Some(sides) = versions.next_sides(of(NEW), of(INACTIVE))? {
            let (new, there) = match sides {
                Sides::Both(new, there) => (new, Some(there)),
                Sides::First(new) => (new, None),
                Sides::Second(_) => continue,
            };
            let at = std::mem::replace(&mut offset, versions.offset());
            plan.need.record(&new);
            let Kind::File { size: size @ 1.., digest } = new.kind else { continue };
            let (sum, needed) = match self.source(&new, there.as_ref())? {
                Source::Already => (&mut plan.already, false),
                Source::Running => (&mut plan.copied, false),
                Source::Pack => (&mut plan.fetched, true),
            };
            *sum += size;
            if needed {
                needs.push(&digest, at);
            }
        }
        plan.need.own_folder(offset);
        needs.sort();
        plan.download = if needs.is_empty() { plan.download } else { cost(self.pack_index, &needs)? };
        Ok(plan)
    }

    fn source(&self, new: &Record, there: Option<&Record>) -> Result<Source, PlanError> {
        let Some((size, digest)) = new.content() else { return Ok(Source::Already) };
        if let (Some((slot, _)), Some(there)) = (self.inactive, there)
            && there.content() == Some((size, digest))
        {
            let found = slot.stat(new.path.as_bytes()).map_err(PlanError::Inactive)?;
            if found.is_some_and(|found| found.shape == Shape::File && found.size == size) {
                return Ok(Source::Already);
            }
        }
        let has = |running: super::PlannedFrom<'_>| running.index.has(&digest);
        let running: Result<Option<bool>, ManifestError> = self.running.map(has).transpose();
        Ok(if running.map_err(of(RUNNING))? == Some(true) { Source::Running } else { Source::Pack })
    }
}
