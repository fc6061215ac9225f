//! Where each content will come from.

use std::fs::File;

use edeploy_format::manifest::{Kind, ManifestError, Record};
use edeploy_format::repack::Form;
use edeploy_format::{delta, pack};

use super::{INACTIVE, NEW, Plan, PlanError, Planning, RUNNING, of};
use crate::slot::choice::Choice;
use crate::slot::entry::Shape;
use crate::slot::frames::{FramesError, cost, read};
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
        if let Some(index) = self.running.and(self.delta_index) {
            let wants = |piece: &delta::Piece| needs.has(&piece.view.content);
            let choice = Choice::new(index, &wants, self.pack_index, &needs)?;
            plan.by_delta = cost::<delta::Piece>(index, &|piece| Ok(choice.has(&piece.view.content)))?;
            self.by_delta(plan, index, &choice, &mut needs)?;
        }
        let rest = cost::<pack::Piece>(self.pack_index, &|piece| needs.has(&piece.content))?;
        plan.download = rest + plan.by_delta;
        Ok(())
    }

    /// Takes what the delta makes out of `needs`.
    fn by_delta(
        &self,
        plan: &mut Plan,
        index: &File,
        choice: &Choice,
        needs: &mut Index<'_>,
    ) -> Result<(), PlanError> {
        let mut scratch = 0;
        let mut frames = read::<delta::Piece>(index)?;
        while let Some(frame) = frames.next_frame().map_err(FramesError::from)? {
            for piece in frame.pieces.iter().filter(|piece| choice.has(&piece.view.content)) {
                let unpacked = |view: &delta::View| view.form.as_ref().map_or(0, Form::length);
                let views = piece.bases.iter().chain([&piece.view]);
                scratch = views.map(unpacked).sum::<u64>().max(scratch);
            }
        }
        plan.need.scratch(scratch);
        let is_made = |record: &Record| record.content().is_some_and(|(_, content)| choice.has(&content));
        for record in needs.records() {
            let record = record.map_err(of(NEW))?;
            plan.patched += record.content().map_or(0, |(size, _)| if is_made(&record) { size } else { 0 });
        }
        needs.retain(|record| Ok::<_, ManifestError>(!is_made(record))).map_err(of(NEW))?;
        plan.fetched -= plan.patched;
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
