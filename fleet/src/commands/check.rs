//! `edeploy-fleet check`: what is wrong with the profiles of a folder, and what a machine would become.

use std::fmt;

use edeploy_format::exit::Exit;
use edeploy_format::fleet::{File, Script};
use serde_json::{Value, json};

use super::read;
use crate::cli::Check;
use crate::cmdb::Cmdb;
use crate::failure::{Cause, chain};
use crate::hardware::Hardware;
use crate::judge::{Taken, judge};
use crate::machine;
use crate::plan::Filled;
use crate::profile::{Count, Profile, ProfileError, Profiles};

/// What was found.
pub(super) struct Checked {
    trouble: Option<String>,
    profiles: Vec<Row>,
    machine: Option<Machine>,
}

/// One profile.
struct Row {
    name: String,
    /// `None` where `state` does not name it.
    count: Option<Count>,
    /// Role, version, number of entries.
    good: Option<(String, String, Option<usize>)>,
    problem: Option<String>,
    /// What is good, and most likely not meant.
    warning: Option<String>,
}

/// What the machine would become.
struct Machine {
    name: Result<String, String>,
    verdict: Value,
    told: String,
    filled: Option<Result<Filled, String>>,
}

/// Reads the folder, and the hardware.
///
/// # Errors
/// When the hardware cannot be read.
pub(super) fn run(args: &Check) -> Result<Checked, Cause> {
    let profiles = Profiles::load(&args.folder);
    let machine = match &args.hardware {
        None => None,
        Some(path) => {
            let hardware = Hardware::read(&read(path)?);
            let hardware = hardware.map_err(|source| Cause::Hardware { path: path.clone(), source })?;
            Some(would_become(&profiles, &hardware))
        }
    };
    let listed = profiles.listed.iter().map(|listed| row(&listed.name, Some(listed.count), &listed.profile));
    let unlisted = profiles.unlisted.iter().map(|(name, profile)| row(name, None, profile));
    Ok(Checked {
        trouble: profiles.trouble.as_ref().map(|trouble| chain(trouble)),
        profiles: listed.chain(unlisted).collect(),
        machine,
    })
}

fn row(name: &str, count: Option<Count>, profile: &Result<Profile, ProfileError>) -> Row {
    let name = name.to_owned();
    match profile {
        Err(error) => Row { name, count, good: None, problem: Some(chain(error)), warning: None },
        Ok(profile) => {
            let entries = profile.cmdb.as_ref().map(|cmdb| cmdb.entries().len());
            let empty = || format!("{name}.cmdb has no entries: no machine can get the profile");
            let problem = profile.cmdb.as_ref().map(Cmdb::entries).filter(|entries| entries.is_empty());
            let problem = problem.map(|_| empty());
            let (role, version) = (profile.role.to_string(), profile.version.to_string());
            let warning = profile.spec.doubt().or_else(|| profile.first_disk().map(first_disk));
            Row { name, count, good: Some((role, version, entries)), problem, warning }
        }
    }
}

fn first_disk(name: &str) -> String {
    format!(
        "{{{{{name}}}}} is that of the first disk that the spec fits: of several it may be the wrong one, and is wiped; \
         tell it by sizes alone, or by a serial, by-id or model that the profile or its database says"
    )
}

fn would_become(profiles: &Profiles, hardware: &Hardware) -> Machine {
    let name = machine::name(hardware).map_err(|error| error.to_string());
    let verdict = judge(profiles, hardware, &Taken::default());
    let filled = match (&name, &verdict.given) {
        (Ok(name), Some(given)) => {
            Some(given.profile.fill(name, &given.variables).map_err(|error| chain(&error)))
        }
        (Ok(_) | Err(_), _) => None,
    };
    Machine { name, verdict: verdict.json(), told: verdict.to_string(), filled }
}

impl Checked {
    fn is_good(&self) -> bool {
        let filled = self.machine.as_ref().and_then(|machine| machine.filled.as_ref());
        self.trouble.is_none()
            && self.profiles.iter().all(|row| row.problem.is_none())
            && filled.is_none_or(Result::is_ok)
    }

    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        if !self.is_good() {
            return Exit::Input;
        }
        match &self.machine {
            Some(Machine { filled: None, .. }) => Exit::Differs,
            Some(Machine { filled: Some(_), .. }) | None => Exit::Done,
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let one = |row: &Row| {
            let count = row.count.map(|count| match count {
                Count::Any => json!("*"),
                Count::Times(times) => json!(times),
            });
            let (role, version, entries) = row
                .good
                .clone()
                .map_or((None, None, None), |(role, version, entries)| (Some(role), Some(version), entries));
            json!({
                "name": row.name, "listed": row.count.is_some(), "count": count,
                "role": role, "version": version, "entries": entries, "problem": row.problem,
                "warning": row.warning,
            })
        };
        json!({
            "good": self.is_good(),
            "trouble": self.trouble,
            "profiles": self.profiles.iter().map(one).collect::<Vec<_>>(),
            "machine": self.machine.as_ref().map(Machine::json),
        })
    }
}

impl Machine {
    fn json(&self) -> Value {
        let filled = self.filled.as_ref().and_then(|filled| filled.as_ref().ok());
        let error =
            self.filled.as_ref().and_then(|filled| filled.as_ref().err()).or(self.name.as_ref().err());
        json!({
            "name": self.name.as_ref().ok(),
            "verdict": self.verdict,
            "disk": filled.map(|filled| &filled.disk),
            "files": filled.map(|filled| &filled.files),
            "scripts": filled.map(|filled| &filled.scripts),
            "error": error,
        })
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(trouble) = &self.trouble {
            writeln!(f, "no profile is given: {trouble}")?;
        }
        for row in &self.profiles {
            writeln!(f, "{row}")?;
            if let Some(warning) = &row.warning {
                writeln!(f, "  WARNING: {warning}")?;
            }
        }
        match &self.machine {
            Some(machine) => write!(f, "\n{machine}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        if let Some(problem) = &self.problem {
            return write!(f, "WRONG: {problem}");
        }
        if let Some((role, version, entries)) = &self.good {
            write!(f, "{role} {version}")?;
            if let Some(entries) = entries {
                write!(f, ", {entries} entries")?;
            }
        }
        match self.count {
            None => f.write_str(", for no machine: state does not name it"),
            Some(Count::Any) => f.write_str(", for any number of machines"),
            Some(Count::Times(times)) => write!(f, ", for {times} machines"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Ok(name) => writeln!(f, "machine {name}")?,
            Err(error) => writeln!(f, "the machine gets nothing: {error}")?,
        }
        f.write_str(&self.told)?;
        match &self.filled {
            None => Ok(()),
            Some(Err(error)) => writeln!(f, "WRONG: {error}"),
            Some(Ok(filled)) => {
                writeln!(f)?;
                if let Some(variables) = self.verdict["variables"].as_object() {
                    for (name, value) in variables {
                        writeln!(f, "{name} = {}", value.as_str().unwrap_or_default())?;
                    }
                }
                becomes(f, filled)
            }
        }
    }
}

/// Disk, files and scripts.
fn becomes(f: &mut fmt::Formatter<'_>, filled: &Filled) -> fmt::Result {
    let disk = serde_json::to_string(&filled.disk).expect("texts and numbers by name");
    writeln!(f, "disk {disk}")?;
    for File { path, mode, uid, gid, text } in &filled.files {
        writeln!(f, "file {path} {mode} {uid}:{gid}")?;
        for line in text.lines() {
            writeln!(f, "    {line}")?;
        }
    }
    for Script { name, seconds, env, .. } in &filled.scripts {
        writeln!(f, "script {name}, at most {seconds} s")?;
        for (name, value) in env {
            writeln!(f, "    {name}={value}")?;
        }
    }
    Ok(())
}
