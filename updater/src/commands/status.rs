//! `status`: what runs, what each slot holds, what was tried, and what came of it.

use edeploy_format::boot::{Efi as Overrides, EntryName};
use edeploy_format::exit::Exit;
use edeploy_format::slot::Slot;
use edeploy_format::tuf::Time;
use serde_json::{Value, json};

use crate::boot::Trial;
use crate::cli::Common;
use crate::efi::Variable;
use crate::esp::Listed;
use crate::failure::Failure;
use crate::installed::Installed;
use crate::journal::{Event, Line, version_of};

/// So many events of the journal are shown.
const SHOWN: usize = 12;

pub(super) fn run(common: &Common) -> Result<Exit, Failure> {
    let installed = super::look(common)?;
    let lines = installed.journal().read()?;
    let mut esp = installed.esp()?;
    let entries = esp.entries()?;
    let next = esp.next_boot(&overrides(&installed)?)?;
    let next = next.map(|choice| choice.file);
    let dates = installed.metadata().map(|metadata| metadata.dates());
    let seen = Seen { installed: &installed, lines: &lines, entries: &entries, next: next.as_deref(), dates };
    super::answer(common, &seen.json(), &seen.text())?;
    Ok(Exit::Done)
}

fn overrides(installed: &Installed) -> Result<Overrides, Failure> {
    let Some(efi) = installed.efi() else { return Ok(Overrides::default()) };
    Ok(Overrides { oneshot: efi.read(Variable::EntryOneShot)?, default: efi.read(Variable::EntryDefault)? })
}

struct Seen<'a> {
    installed: &'a Installed,
    lines: &'a [Line],
    entries: &'a [Listed],
    next: Option<&'a str>,
    /// When the newest metadata that is kept was issued, and when it expires.
    dates: Option<(Option<Time>, Time)>,
}

/// How an entry stands, in one word.
fn state(name: EntryName) -> &'static str {
    match name.tries {
        None => "good",
        Some(_) if name.exhausted() => "failed",
        Some(_) => "trial",
    }
}

impl Seen<'_> {
    fn trial(&self) -> &'static str {
        match self.installed.trial {
            Trial::Counted(_) => "on trial",
            Trial::LastResort(_) => "last resort: no entry had tries left",
            Trial::No => "not on trial",
        }
    }

    fn version_in(&self, entry: &Listed) -> String {
        let Some(whole) = entry.whole() else { return "(torn entry)".to_owned() };
        let manifest = &whole.options.manifest;
        if *manifest == self.installed.options.manifest {
            return self.installed.head.version.to_string();
        }
        let known = version_of(self.lines, manifest).map(|version| version.to_string());
        known.unwrap_or_else(|| format!("manifest {}", manifest.short()))
    }

    fn last(&self, is: impl Fn(&Event) -> bool) -> Option<&Line> {
        self.lines.iter().rev().find(|line| is(&line.event))
    }

    fn fell_back(&self) -> Option<&Line> {
        self.last(|event| matches!(event, Event::FellBack { .. }))
    }

    fn upgrade(&self) -> Option<&Line> {
        self.last(|event| matches!(event, Event::Armed { .. } | Event::Failed { .. }))
    }

    fn json(&self) -> Value {
        let entry = |listed: &Listed| {
            let name = listed.name;
            json!({
                "entry": name.to_string(), "slot": name.slot.to_string(), "generation": name.generation,
                "state": state(name), "version": self.version_in(listed), "whole": listed.whole().is_some(),
                "next": self.next == Some(&*name.to_string()),
            })
        };
        let head = &self.installed.head;
        json!({
            "role": head.role, "version": head.version, "slot": self.installed.slot().to_string(),
            "manifest": self.installed.options.manifest.to_string(), "trial": self.trial(),
            "profile": self.installed.settings.profile, "repo": self.installed.settings.repo,
            "mirrors": self.installed.settings.mirrors,
            "metadata": self.dates.map(|(issued, expires)| json!({ "issued": issued, "expires": expires })),
            "volatile": self.installed.volatile(), "next": self.next,
            "entries": self.entries.iter().map(entry).collect::<Vec<_>>(),
            "fell_back": self.fell_back(), "upgrade": self.upgrade(),
            "journal": &self.lines[self.lines.len().saturating_sub(SHOWN)..],
        })
    }

    fn text(&self) -> Vec<String> {
        let head = &self.installed.head;
        let mut text = vec![
            format!(
                "running     {} {} in slot {}, {}",
                head.role,
                head.version,
                self.installed.slot(),
                self.trial()
            ),
            format!("manifest    {}", self.installed.options.manifest),
            format!("repository  {}", self.installed.settings.repo),
        ];
        text.extend(self.installed.settings.mirrors.iter().map(|mirror| format!("mirror      {mirror}")));
        text.push(match self.dates {
            Some((issued, expires)) => {
                let issued = issued.map_or("some time ago".to_owned(), |issued| issued.to_string());
                format!("metadata    issued {issued}, expires {expires}")
            }
            None => "metadata    none that can be believed".to_owned(),
        });
        if let Some(reason) = self.installed.volatile() {
            text.push(format!("WARNING     /var is volatile: {}", reason.trim()));
        }
        for slot in Slot::ALL {
            text.push(self.slot(slot));
        }
        text.push(format!("next boot   {}", self.next.unwrap_or("the loader would find nothing to boot")));
        if let Some(Line { time, event: Event::FellBack { from, to, reason } }) = self.fell_back() {
            text.push(format!("fell back   {}: from {from} to {to}: {reason}", Time::new(*time)));
        }
        text.push("journal".to_owned());
        let shown = &self.lines[self.lines.len().saturating_sub(SHOWN)..];
        text.extend(shown.iter().map(|line| format!("  {}  {}", Time::new(line.time), line.event)));
        text
    }

    fn slot(&self, slot: Slot) -> String {
        let of_slot: Vec<_> = self.entries.iter().filter(|listed| listed.name.slot == slot).collect();
        let told = |listed: &&Listed| {
            format!("{} ({}, {})", self.version_in(listed), state(listed.name), listed.name)
        };
        match of_slot.as_slice() {
            [] => format!("slot {slot}      no boot entry"),
            entries => {
                format!("slot {slot}      {}", entries.iter().map(told).collect::<Vec<_>>().join("; "))
            }
        }
    }
}
