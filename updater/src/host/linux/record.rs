//! What the real host puts into the journal.

use edeploy_format::boot::EntryName;
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::transition::Hook;

use super::{Linux, Subject};
use crate::disk::mount::Access;
use crate::disk::sectors::Sectors;
use crate::esp::Esp;
use crate::failure::{Failure, chain};
use crate::hooks::{HookError, Ran};
use crate::host::{Record, Wish};
use crate::installed::Installed;
use crate::journal::{Deployment, Event, Line, last_report, version_of};

impl Linux<'_> {
    /// The journal's event for `record`.
    pub(super) fn event(&self, record: &Record) -> Result<Event, Failure> {
        match self.subject {
            Subject::Installed(installed) => self.event_of(installed, record),
            Subject::Blank(_) => self.event_of_install(record),
            Subject::Remains(_) => Err(super::never()),
        }
    }

    /// Puts on record how a hook ended, and gives what it wants; its own failure comes first.
    pub(super) fn record_hook(
        &self,
        hook: Hook,
        result: Result<Option<Ran>, HookError>,
    ) -> Result<Wish, Failure> {
        let (end, output) = match &result {
            Ok(None) => return Ok(Wish::Nothing),
            Ok(Some(ran)) => (ran.ending.end.to_string(), &*ran.ending.output),
            Err(e) => e.ending(),
        };
        let (hook, output) = (hook.name().to_owned(), output.to_owned());
        let recorded = self.journal().append(Event::Hook { hook, end, output });
        let ran = result.inspect_err(|_| {
            if let Err(e) = &recorded {
                self.progress.note(&chain(e));
            }
        })?;
        recorded?;
        Ok(ran.map_or(Wish::Nothing, |ran| ran.wish))
    }

    fn event_of(&self, installed: &Installed, record: &Record) -> Result<Event, Failure> {
        let running = installed.deployment();
        Ok(match *record {
            Record::Started(slot) => Event::Started { from: running, to: self.coming_to(slot, None)? },
            Record::FellBack(name, manifest) => fell_back(name, manifest, running, &self.journal().read()?),
            Record::Armed(name) => Event::Armed {
                from: running,
                to: self.coming_to(name.slot, Some(name.generation))?,
                fetched: self.filled.downloaded,
                written: self.filled.copied + self.filled.fetched,
                seconds: self.begun.elapsed().as_secs(),
            },
            Record::Blessed(name) => {
                Event::Blessed { running: Deployment { generation: Some(name.generation), ..running } }
            }
            Record::RolledBack(name) if name.slot == installed.slot() => {
                Event::Stays { running: Deployment { generation: Some(name.generation), ..running } }
            }
            Record::RolledBack(name) => {
                let manifest = self.manifest_of(name)?;
                let version = version_of(&self.journal().read()?, &manifest);
                let generation = Some(name.generation);
                Event::RolledBack {
                    from: running,
                    to: Deployment { version, manifest, slot: name.slot, generation },
                }
            }
        })
    }

    fn event_of_install(&self, record: &Record) -> Result<Event, Failure> {
        let slot = match *record {
            Record::Started(slot) => slot,
            Record::Armed(name) => name.slot,
            Record::FellBack(..) | Record::Blessed(_) | Record::RolledBack(_) => {
                return Err(Failure::new(Exit::Failed, "an install records only its beginning and its end"));
            }
        };
        let role = self.coming()?.wanted.head.role.clone();
        Ok(Event::Installed { role, to: self.coming_to(slot, None)? })
    }

    fn coming_to(
        &self,
        slot: edeploy_format::slot::Slot,
        generation: Option<u64>,
    ) -> Result<Deployment, Failure> {
        let wanted = self.coming()?.wanted;
        let version = Some(wanted.head.version.clone());
        Ok(Deployment { version, manifest: wanted.digest(), slot, generation })
    }

    /// The manifest that an entry on the ESP boots.
    fn manifest_of(&self, name: EntryName) -> Result<Digest, Failure> {
        let volume = self.volume(&self.place()?.layout.esp.clone(), Access::ReadOnly)?;
        let entries = Esp::open(Sectors::open(volume, Access::ReadOnly)?)?.entries()?;
        let found = entries.iter().find(|listed| listed.name == name).and_then(|listed| listed.whole());
        let gone = || Failure::new(Exit::Failed, format!("the entry {name} is not on the ESP"));
        found.map(|entry| entry.options.manifest).ok_or_else(gone)
    }
}

/// A trial whose end was not recorded when it happened.
fn fell_back(name: EntryName, manifest: Digest, to: Deployment, lines: &[Line]) -> Event {
    let (slot, generation) = (name.slot, Some(name.generation));
    let from = Deployment { version: version_of(lines, &manifest), manifest, slot, generation };
    let reason = last_report(lines, &from).0.unwrap_or("its tries were used up without a report").to_owned();
    Event::FellBack { from, to, reason }
}
