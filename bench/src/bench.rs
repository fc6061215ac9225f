//! One run of this program: where things are, what was measured so far, and taking ways in turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use edeploy_format::digest::Digest;

use crate::cli::{Cli, Part};
use crate::error::{Result, file};
use crate::results::{Record, Results};
use crate::run::{Ended, Sample};

/// What one round of a way came to.
#[derive(Debug)]
pub struct Outcome {
    /// Its costs; none where only its bytes count.
    pub sample: Option<Sample>,
    /// The bytes that came of it.
    pub bytes: Option<u64>,
    /// The requests that a server answered for it.
    pub requests: Option<u64>,
}

impl Outcome {
    /// A run whose result has so many bytes.
    pub fn sized(ended: &Ended, bytes: u64) -> Self {
        Self { sample: Some(ended.sample), bytes: Some(bytes), requests: None }
    }

    /// A run of which only the costs count.
    pub fn timed(ended: &Ended) -> Self {
        Self { sample: Some(ended.sample), bytes: None, requests: None }
    }

    /// Bytes that were counted, and took no time worth telling.
    pub fn counted(bytes: u64) -> Self {
        Self { sample: None, bytes: Some(bytes), requests: None }
    }
}

/// One way of doing a case.
pub struct Way<'a> {
    name: &'static str,
    /// How often it is taken at most.
    most: usize,
    run: Box<dyn FnMut() -> Result<Outcome> + 'a>,
}

impl<'a> Way<'a> {
    /// A way that is taken in every round.
    pub fn new(name: &'static str, run: impl FnMut() -> Result<Outcome> + 'a) -> Self {
        Self { name, most: usize::MAX, run: Box::new(run) }
    }

    /// A way that takes minutes, or whose bytes alone count: it is taken no more often than this.
    pub fn seldom(name: &'static str, most: usize, run: impl FnMut() -> Result<Outcome> + 'a) -> Self {
        Self { name, most, run: Box::new(run) }
    }

    /// Whether it is the product itself.
    fn is_ours(&self) -> bool {
        self.name.starts_with("ours")
    }
}

/// Everything that a part needs.
pub struct Bench {
    /// What was typed, with absolute paths.
    pub cli: Cli,
    /// What was measured.
    pub results: Results,
    /// When this run began, in seconds since 1970.
    run: u64,
    build: String,
}

impl Bench {
    /// Reads what was measured, and tells both binaries from other builds of them.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn open(mut cli: Cli) -> Result<Self> {
        fs::create_dir_all(&cli.work).map_err(file("making", &cli.work))?;
        for path in [&mut cli.work, &mut cli.rolebuild, &mut cli.updater, &mut cli.fleet, &mut cli.docs] {
            *path = std::path::absolute(&*path).map_err(file("finding", path))?;
        }
        if let Some(trees) = &mut cli.trees {
            *trees = std::path::absolute(&*trees).map_err(file("finding", trees))?;
        }
        let results = Results::load(&cli.docs.join("bench/results.json"))?;
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Self { cli, results, run, build: String::new() })
    }

    /// What tells this build of ours from others; the programs must be there.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn build(&mut self) -> Result<&str> {
        if self.build.is_empty() {
            let mut both = Vec::new();
            for path in [&self.cli.rolebuild, &self.cli.updater] {
                both.extend(fs::read(path).map_err(file("reading", path))?);
            }
            self.build = Digest::of(&both).short();
        }
        Ok(&self.build)
    }

    /// The build of ours that a part measures.
    fn measured(&mut self, part: Part) -> Result<String> {
        if part.is_of_fleet() {
            let path = &self.cli.fleet;
            return Ok(Digest::of(&fs::read(path).map_err(file("reading", path))?).short());
        }
        self.build().map(str::to_owned)
    }

    /// A path below the work folder.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.cli.work.join(name)
    }

    /// Whether a case was asked for.
    pub fn wants(&self, case: &str) -> bool {
        self.cli.case.is_empty() || self.cli.case.iter().any(|wanted| wanted == case)
    }

    /// Tells a person what is done now.
    pub fn tell(&self, text: &str) {
        eprintln!("bench: {text}");
    }

    /// Takes the ways of a case in turn, round by round, and keeps what each round cost.
    ///
    /// # Errors
    /// The first that a way ended with; what was measured before is kept.
    pub fn interleave(&mut self, part: Part, case: &str, ways: Vec<Way<'_>>) -> Result<()> {
        let build = self.measured(part)?;
        let part = name(part);
        let mut ways = self.wanted(&part, case, &build, ways);
        let rounds = self.cli.rounds;
        for round in 0..rounds {
            for way in ways.iter_mut().filter(|way| way.most > round) {
                let of = rounds.min(way.most);
                self.tell(&format!("{part} {case}: {} ({} of {of})", way.name, round + 1));
                let outcome = (way.run)()?;
                let build = if way.is_ours() { build.clone() } else { String::new() };
                let record = self.record(&part, case, way.name, round);
                self.keep(Record { build, ..record }, &outcome)?;
            }
        }
        Ok(())
    }

    /// The ways that were asked for and are not measured yet.
    fn wanted<'a>(&self, part: &str, case: &str, build: &str, ways: Vec<Way<'a>>) -> Vec<Way<'a>> {
        let asked = |way: &Way<'_>| self.cli.way.is_empty() || self.cli.way.iter().any(|w| w == way.name);
        let done = |way: &Way<'_>| {
            let record = self.results.of(part, case, way.name);
            record.is_some_and(|record| {
                let rounds = self.cli.rounds.min(way.most);
                // Where bytes alone count, there is no sample.
                let enough = record.samples.len() >= rounds || record.samples.is_empty();
                enough && (!way.is_ours() || record.build == build)
            })
        };
        ways.into_iter().filter(|way| asked(way) && !(self.cli.resume && done(way))).collect()
    }

    /// What was measured in the rounds before; nothing in the first.
    fn record(&self, part: &str, case: &str, way: &str, round: usize) -> Record {
        match self.results.of(part, case, way) {
            Some(record) if round > 0 => record.clone(),
            Some(_) | None => Record {
                part: part.to_owned(),
                case: case.to_owned(),
                way: way.to_owned(),
                run: self.run,
                ..Record::default()
            },
        }
    }

    fn keep(&mut self, mut record: Record, outcome: &Outcome) -> Result<()> {
        record.bytes = outcome.bytes.or(record.bytes);
        record.requests = outcome.requests.or(record.requests);
        record.samples.extend(outcome.sample);
        self.results.put(record);
        self.results.save()
    }
}

/// The name of a part in results.
fn name(part: Part) -> String {
    format!("{part:?}").to_lowercase()
}
