//! How an event is read: by its name, from all fields that any event has. One reader for all of them is a tenth of
//! the code of one for each.

use std::collections::BTreeMap;

use edeploy_format::name::{Role, Version};
use serde::Deserialize;

use super::event::{Deployment, Event};

/// The fields of all events.
#[derive(Deserialize)]
pub(super) struct Flat {
    running: Option<Deployment>,
    from: Option<Deployment>,
    to: Option<Deployment>,
    role: Option<Role>,
    version: Option<Version>,
    reason: Option<String>,
    volatile: Option<String>,
    hook: Option<String>,
    end: Option<String>,
    output: Option<String>,
    fetched: Option<u64>,
    written: Option<u64>,
    seconds: Option<u64>,
    trial: Option<bool>,
    reboot: Option<bool>,
    wanted: Option<Vec<String>>,
    found: Option<Vec<String>>,
}

impl TryFrom<BTreeMap<String, Flat>> for Event {
    type Error = &'static str;

    fn try_from(named: BTreeMap<String, Flat>) -> Result<Self, Self::Error> {
        let mut events = named.into_iter();
        let event = events.next().and_then(|(name, flat)| flat.named(&name));
        event.filter(|_| events.next().is_none()).ok_or("no event that is known, with all it has")
    }
}

impl Flat {
    fn named(self, name: &str) -> Option<Event> {
        Some(match name {
            "installed" => Event::Installed { role: self.role?, to: self.to? },
            "started" => Event::Started { from: self.from?, to: self.to? },
            "failed" => Event::Failed { version: self.version?, to: self.to, reason: self.reason? },
            "hook" => Event::Hook { hook: self.hook?, end: self.end?, output: self.output? },
            "armed" => Event::Armed {
                from: self.from?,
                to: self.to?,
                fetched: self.fetched?,
                written: self.written?,
                seconds: self.seconds?,
            },
            "booted" => Event::Booted { running: self.running?, trial: self.trial?, volatile: self.volatile },
            "healthy" => Event::Healthy { running: self.running?, wanted: self.wanted? },
            "unhealthy" => {
                Event::Unhealthy { running: self.running?, reason: self.reason?, reboot: self.reboot? }
            }
            "blessed" => Event::Blessed { running: self.running? },
            "fell-back" => Event::FellBack { from: self.from?, to: self.to?, reason: self.reason? },
            "stays" => Event::Stays { running: self.running? },
            "rolled-back" => Event::RolledBack { from: self.from?, to: self.to? },
            "repaired" => Event::Repaired { found: self.found? },
            _ => return None,
        })
    }
}
