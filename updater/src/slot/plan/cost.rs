//! Where each content will come from.

use edeploy_format::manifest::{Kind, Record};
use edeploy_format::tuf::AGAINST_LIMIT;
use edeploy_format::{delta, pack};

use super::{INACTIVE, NEW, Plan, PlanError, Planning, of};
use crate::slot::choice::{Choice, Offer};
use crate::slot::entry::{Found, Shape};
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
        let inactive = self.inactive.and_then(|(_, file)| file).map(manifest).transpose();
        let inactive = inactive.map_err(of(INACTIVE))?;
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
        let pack_index = self.pack_index.metadata().map_or(0, |index| index.len());
        plan.need.own_folder(offset + if pack_index <= AGAINST_LIMIT { pack_index } else { 0 });
        needs.sort();
        self.download(&mut plan, needs)?;
        Ok(plan)
    }

    /// What of `needs` comes by the delta, and what by the pack: as filling chooses.
    fn download(&self, plan: &mut Plan, mut needs: Index<'_>) -> Result<(), PlanError> {
        if needs.is_empty() {
            return Ok(());
        }
        if let Some(index) = self.delta_index {
            let by_delta = |piece: &delta::Piece| Ok(needs.has(&piece.view.content));
            let by_pack = |piece: &pack::Piece| Ok(needs.has(&piece.content));
            let room = plan.need.left(self.partition);
            let running = self.running.map(|running| running.index);
            let offer = Offer::new(index, &by_delta, running, self.manifest)?;
            let choice = Choice::new(&offer, (self.pack_index, &by_pack), room)?;
            plan.by_delta = cost::<delta::Piece>(index, &|piece| Ok(choice.has(&piece.view.content)))?;
            let made = needs.take(|prefix| choice.has_prefix(prefix));
            for record in made.records() {
                plan.patched += record.map_err(of(NEW))?.content().map_or(0, |(size, _)| size);
            }
            plan.fetched -= plan.patched;
        }
        let rest = cost::<pack::Piece>(self.pack_index, &|piece| Ok(needs.has(&piece.content)))?;
        plan.download = rest + plan.by_delta;
        Ok(())
    }

    fn source(&self, new: &Record, there: Option<&Record>) -> Result<Source, PlanError> {
        let Some((size, digest)) = new.content() else { return Ok(Source::Already) };
        if let Some((slot, _)) = self.inactive {
            let found = slot.stat(new.path.as_bytes()).map_err(PlanError::Inactive)?;
            let found = found.filter(|found| found.shape == Shape::File && found.size == size);
            let same = |there: &Record| there.content() == Some((size, digest));
            // A run that did not come to its end gave what it wrote the time of the new version.
            let was_written =
                |found: &Found| is_of(found, new) && !there.is_some_and(|old| is_of(found, old));
            if found.is_some_and(|found| there.is_some_and(same) || was_written(&found)) {
                return Ok(Source::Already);
            }
        }
        let is_running = self.running.is_some_and(|running| running.index.has(&digest));
        Ok(if is_running { Source::Running } else { Source::Pack })
    }
}

/// Whether a file has the time that a record gives it.
fn is_of(found: &Found, record: &Record) -> bool {
    found.mtime == (record.mtime, 0)
}
