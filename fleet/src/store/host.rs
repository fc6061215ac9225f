//! The machines, as they are shown, and how one is found.

use edeploy_format::fleet::Stage;
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::armed::{UNCONFIRMED, lapse};
use super::card::{by_mac, known};
use super::permission::{attempts, is_only_told, name_of};
use super::taken::drop_places;
use super::ticket::is_busy;
use super::{Store, StoreError, script};
use crate::mac::Mac;
use crate::moment::Moment;

/// A machine, with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Host {
    /// What the service calls it.
    pub name: String,
    /// The addresses of its network cards.
    pub macs: Vec<String>,
    /// When it last said anything.
    pub seen: Moment,
    /// By its firmware.
    pub uuid: String,
    /// By its firmware.
    pub serial: String,
    /// As iPXE calls it: `efi`, `pcbios`.
    pub platform: String,
    /// When it last reported its hardware.
    pub reported: Option<Moment>,
    /// Of its last report: what each profile said, where none was given; else those before the one that was, and those
    /// that match as well. Not in a list of machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// The profile of its last plan.
    pub profile: Option<String>,
    /// Where its last install is.
    pub stage: Option<Stage>,
    /// Bytes of that stage that are done.
    pub done: u64,
    /// Bytes of that stage; 0 where that is not known.
    pub total: u64,
    /// Why the last install ended there, if it did.
    pub failure: Option<String>,
    /// When it was last installed.
    pub installed: Option<Moment>,
    /// Whether it may be installed.
    pub permission: Option<Permission>,
    /// Its hardware, in one line.
    pub summary: String,
    /// Lines of class, item, attribute and value, of its last report; not in a list of machines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hardware: Vec<[String; 4]>,
}

/// Why a profile does not fit a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Which.
    pub profile: String,
    /// Why, in one line.
    pub reason: String,
    /// Line by line, where it was matched.
    pub explained: String,
}

/// The right to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Permission {
    /// Since when.
    pub since: Moment,
    /// So many attempts were begun under it.
    pub attempts: u32,
}

/// What became of a machine's release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// What it had is free.
    Done,
    /// It is being installed with it.
    Busy,
    /// Only a machine of this name has told of that address: whether it has that card is not known.
    Told(String),
    /// There is no such machine.
    Unknown,
}

impl Store {
    /// All machines, by name, without their hardware lines and what profiles said of them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn hosts(&self, now: Moment) -> Result<Vec<Host>, StoreError> {
        self.read(|look| {
            let mut all = look.prepare(&hosts("NULL AS tried, NULL AS hardware", "ORDER BY name"))?;
            let mut rows = all.query([now])?;
            let mut hosts = Vec::new();
            while let Some(row) = rows.next()? {
                hosts.push(host(row)?);
            }
            Ok(hosts)
        })
    }

    /// One machine, by name or address, with its hardware.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn host(&self, machine: &str, now: Moment) -> Result<Option<Host>, StoreError> {
        self.read(|look| {
            let Some(id) = find(look, machine)? else { return Ok(None) };
            let mut one = look.prepare(&hosts("tried, hardware", "WHERE id = ?2"))?;
            let mut rows = one.query((now, id))?;
            let row = rows.next()?.ok_or(StoreError::Value("machine"))?;
            Ok(Some(host(row)?))
        })
    }

    /// By which of its addresses a machine with this UUID is known: of one that may be installed, or else of one that was seen, or
    /// else the first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn known_by(&self, macs: &[Mac], uuid: &str) -> Result<Option<Mac>, StoreError> {
        self.read(|look| {
            let mut seen = None;
            for mac in macs {
                let Some(machine) = known(look, mac, uuid)? else { continue };
                if attempts(look, machine)?.is_some() {
                    return Ok(Some(mac.clone()));
                }
                seen.get_or_insert(mac);
            }
            Ok(seen.or(macs.first()).cloned())
        })
    }

    /// Frees the entries and the place of a machine that is gone; its token is of no use any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn release(&self, machine: &str, now: Moment) -> Result<Released, StoreError> {
        self.write(|change| {
            lapse(change, now)?;
            let Some(id) = find(change, machine)? else { return Ok(Released::Unknown) };
            if is_only_told(change, machine)? {
                return Ok(Released::Told(name_of(change, id)?));
            }
            if is_busy(change, id, now)? {
                return Ok(Released::Busy);
            }
            change.execute("DELETE FROM allocation WHERE machine = ?", [id])?;
            change.execute("DELETE FROM ticket WHERE machine = ?", [id])?;
            script::forget(change, id)?;
            drop_places(change, id)?;
            Ok(Released::Done)
        })
    }
}

/// The query for machines at a moment, with or without what is long.
fn hosts(long: &str, which: &str) -> String {
    format!(
        "SELECT name, seen, uuid, serial, platform, reported, profile, stage, done, total, failure, installed,
         since, attempts, summary, {long}, coalesce(armed <= ?1, 0) AS lapsed,
         (SELECT group_concat(mac, ' ') FROM (SELECT mac FROM mac WHERE mac.machine = id ORDER BY mac)) AS macs
         FROM machine LEFT JOIN permission ON permission.machine = id {which}"
    )
}

fn host(row: &Row<'_>) -> Result<Host, StoreError> {
    let since: Option<Moment> = row.get("since")?;
    // It is written down by the next change that it matters to.
    let lapsed: bool = row.get("lapsed")?;
    let permission = match since.filter(|_| !lapsed) {
        Some(since) => Some(Permission { since, attempts: row.get("attempts")? }),
        None => None,
    };
    let stage: Option<String> = row.get("stage")?;
    let macs: Option<String> = row.get("macs")?;
    Ok(Host {
        name: row.get("name")?,
        macs: macs.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        seen: row.get("seen")?,
        uuid: row.get("uuid")?,
        serial: row.get("serial")?,
        platform: row.get("platform")?,
        reported: row.get("reported")?,
        tried: json(row.get("tried")?, "list of profiles")?.unwrap_or_default(),
        profile: row.get("profile")?,
        stage: json(stage.map(|stage| format!("\"{stage}\"")), "stage")?,
        done: row.get("done")?,
        total: row.get("total")?,
        failure: if lapsed { Some(UNCONFIRMED.to_owned()) } else { row.get("failure")? },
        installed: row.get("installed")?,
        permission,
        summary: row.get("summary")?,
        hardware: json(row.get("hardware")?, "hardware report")?.unwrap_or_default(),
    })
}

fn json<T: DeserializeOwned>(text: Option<String>, what: &'static str) -> Result<Option<T>, StoreError> {
    text.map(|text| serde_json::from_str(&text)).transpose().map_err(|_| StoreError::Value(what))
}

/// A stage as it is kept, which is as it is sent.
pub(super) fn stage_text(stage: Stage) -> String {
    serde_json::to_value(stage).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A machine by its name or one of its addresses.
pub(super) fn find(look: &Transaction<'_>, machine: &str) -> Result<Option<i64>, StoreError> {
    // By address first: a machine says what it is called.
    if let Ok(mac) = machine.parse::<Mac>()
        && let Some(id) = by_mac(look, &mac)?
    {
        return Ok(Some(id));
    }
    let named = look.query_row("SELECT id FROM machine WHERE name = ?", [machine], |row| row.get(0));
    Ok(named.optional()?)
}
