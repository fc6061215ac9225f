//! Where each content will come from.

use edeploy_format::manifest::{Kind, ManifestError, Record};

use super::{INACTIVE, NEW, Plan, PlanError, Planning, RUNNING, of};
use crate::slot::entry::Shape;
use crate::slot::frames::{Download, cost, cost_of, delta_frames, made_by};
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
        self.download(&mut plan, needs)?;
        Ok(plan)
    }

    /// What of `needs` comes by the delta, and what by the pack: as filling chooses.
    fn download(&self, plan: &mut Plan, mut needs: Index<'_>) -> Result<(), PlanError> {
        if needs.is_empty() {
            return Ok(());
        }
        let by_pack = cost(self.pack_index, &needs)?;
        let running = self.running.and(self.delta_index);
        let by_delta = running.map(|index| cost_of(delta_frames(index)?, &needs)).transpose()?;
        if let (Some(index), Some(by_delta)) = (running, by_delta)
            && (1..by_pack.bytes).contains(&by_delta.bytes)
        {
            let made = made_by(index)?;
            let is_made = |record: &Record| {
                record.content().is_some_and(|(_, digest)| made.binary_search(&digest.prefix()).is_ok())
            };
            for record in needs.records() {
                let record = record.map_err(of(NEW))?;
                plan.patched +=
                    record.content().map_or(0, |(size, _)| if is_made(&record) { size } else { 0 });
            }
            needs.retain(|record| Ok::<_, ManifestError>(!is_made(record))).map_err(of(NEW))?;
            plan.fetched -= plan.patched;
            plan.by_delta = by_delta;
        }
        let rest = if needs.is_empty() { Download::default() } else { cost(self.pack_index, &needs)? };
        plan.download = rest + plan.by_delta;
        Ok(())
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
