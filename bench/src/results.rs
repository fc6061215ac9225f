//! What was measured, in one JSON file: each way of each case of each part, once.
//!
//! The file is written after every run, so that nothing measured is lost, and a part can be measured again alone.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, file, unexpected};
use crate::run::Sample;
use crate::stats::Summary;

/// More than this of a processor busy with something else, and times mean little.
pub const BUSY: f64 = 0.5;

/// One way of doing one case of one part.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What kind of measurement: `delta`.
    pub part: String,
    /// On what: `web1-web2`.
    pub case: String,
    /// By whom: `ours`, `ostree`.
    pub way: String,
    /// The bytes that came of it, where that is what counts.
    pub bytes: Option<u64>,
    /// The requests that a server answered for it, where they count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// When the run began in which it was measured, in seconds since 1970.
    #[serde(default)]
    pub run: u64,
    /// Which build of ours it was; empty for peers.
    pub build: String,
    /// What each round cost.
    pub samples: Vec<Sample>,
}

impl Record {
    /// Wall time in seconds.
    pub fn wall(&self) -> Option<Summary> {
        Summary::of(self.samples.iter().map(|sample| sample.wall))
    }

    /// Processor time in seconds.
    pub fn cpu(&self) -> Option<Summary> {
        Summary::of(self.samples.iter().map(|sample| sample.cpu))
    }

    /// The most memory of any round, in bytes.
    pub fn peak(&self) -> Option<f64> {
        Summary::of(self.samples.iter().map(|sample| sample.peak as f64)).map(|peak| peak.most)
    }

    /// Whether the machine did something else meanwhile.
    pub fn is_busy(&self) -> bool {
        Summary::of(self.samples.iter().map(|sample| sample.foreign)).is_some_and(|busy| busy.median > BUSY)
    }
}

/// All that was measured.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// The machine: processor, memory, system.
    pub machine: String,
    /// The peers' versions.
    pub peers: Vec<String>,
    records: Vec<Record>,
    #[serde(skip)]
    path: PathBuf,
}

impl Results {
    /// Reads the file; nothing where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is something else.
    pub fn load(path: &Path) -> Result<Self> {
        let mut results = match fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|e| unexpected(path.display().to_string(), e.to_string()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(e) => return Err(file("reading", path)(e)),
        };
        results.path = path.to_owned();
        Ok(results)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When that fails.
    pub fn save(&self) -> Result<()> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(file("making", folder))?;
        }
        let text = serde_json::to_string_pretty(self).map_err(|e| unexpected("results", e.to_string()))?;
        let new = self.path.with_extension("new");
        fs::write(&new, text + "\n").map_err(file("writing", &new))?;
        fs::rename(&new, &self.path).map_err(file("writing", &self.path))
    }

    /// A record.
    pub fn of(&self, part: &str, case: &str, way: &str) -> Option<&Record> {
        self.records.iter().find(|r| r.part == part && r.case == case && r.way == way)
    }

    /// The records of a case, in the order they came in.
    pub fn case<'a>(&'a self, part: &'a str, case: &'a str) -> impl Iterator<Item = &'a Record> {
        self.records.iter().filter(move |r| r.part == part && r.case == case)
    }

    /// Puts a record in the place of the one that was there.
    pub fn put(&mut self, record: Record) {
        let same = |r: &Record| r.part == record.part && r.case == record.case && r.way == record.way;
        match self.records.iter_mut().find(|r| same(r)) {
            Some(place) => *place = record,
            None => self.records.push(record),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_is_measured_again_stands_once() {
        let record = |bytes| Record {
            part: "delta".into(),
            case: "a-b".into(),
            way: "ours".into(),
            bytes: Some(bytes),
            ..Record::default()
        };
        let mut results = Results::default();
        results.put(record(1));
        results.put(record(2));
        assert_eq!(results.case("delta", "a-b").count(), 1);
        assert_eq!(results.of("delta", "a-b", "ours").unwrap().bytes, Some(2));
    }
}
