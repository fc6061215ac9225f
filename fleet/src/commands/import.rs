//! `edeploy-fleet import`: writes the profiles, reads them back, and says what is left to do.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use edeploy_format::exit::Exit;
use serde_json::{Value, json};

use crate::cli::Import as Args;
use crate::failure::{Cause, chain};
use crate::import::{self, Import, New};
use crate::profile::Profiles;

/// What was done.
pub(super) struct Done {
    import: Import,
    /// What is wrong with the profiles as they are now: name, or nothing, and reason.
    wrong: Vec<(String, String)>,
}

/// Imports a folder.
///
/// # Errors
/// [`Cause`]; a file that is there already is not replaced.
pub(super) fn run(args: &Args) -> Result<Done, Cause> {
    let import = import::read(&args.folder, args.into.is_some());
    let import = import.map_err(|(path, source)| Cause::Read { path, source })?;
    let into = args.into.as_deref().unwrap_or(&args.folder);
    fs::create_dir_all(into).map_err(|source| Cause::Write { path: into.to_owned(), source })?;
    // None is written where one is there already.
    if let Some(file) = import.files.iter().find(|file| into.join(&file.name).exists()) {
        return Err(Cause::Write {
            path: into.join(&file.name),
            source: io::ErrorKind::AlreadyExists.into(),
        });
    }
    for file in &import.files {
        write_new(&into.join(&file.name), file)?;
    }
    let profiles = Profiles::load(into);
    let listed = profiles.listed.iter().map(|listed| (&listed.name, &listed.profile));
    let all = listed.chain(profiles.unlisted.iter().map(|(name, profile)| (name, profile)));
    let mut wrong: Vec<(String, String)> =
        all.filter_map(|(name, profile)| Some((name.clone(), chain(profile.as_ref().err()?)))).collect();
    wrong.extend(profiles.trouble.iter().map(|trouble| ("state".to_owned(), chain(trouble))));
    Ok(Done { import, wrong })
}

fn write_new(path: &Path, new: &New) -> Result<(), Cause> {
    let wrong = |source| Cause::Write { path: path.to_owned(), source };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(new.mode).open(path).map_err(wrong)?;
    file.write_all(&new.bytes).and_then(|()| file.sync_all()).map_err(wrong)
}

impl Done {
    /// How the program ends.
    pub(super) fn exit(&self) -> Exit {
        let complete = self.import.profiles.iter().all(|profile| profile.missing.is_empty());
        if complete && self.wrong.is_empty() { Exit::Done } else { Exit::Input }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let one = |profile: &import::Imported| {
            let left = profile.left.iter();
            let left =
                left.map(|left| json!({"line": left.line, "text": left.text, "by_installer": left.own}));
            json!({
                "name": profile.name, "carried": profile.carried, "missing": profile.missing,
                "left": left.collect::<Vec<_>>(),
            })
        };
        json!({
            "files": self.import.files.iter().map(|file| &file.name).collect::<Vec<_>>(),
            "profiles": self.import.profiles.iter().map(one).collect::<Vec<_>>(),
            "ignored": self.import.ignored,
            "wrong": self.wrong.iter().map(|(name, why)| json!({"name": name, "why": why})).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for profile in &self.import.profiles {
            writeln!(f, "{}", profile.name)?;
            for carried in &profile.carried {
                writeln!(f, "  {carried}")?;
            }
            for missing in &profile.missing {
                writeln!(f, "  MISSING: {missing}")?;
            }
            for left in &profile.left {
                let own = if left.own { "  (the installer does this itself)" } else { "" };
                writeln!(f, "  not carried, line {}: {}{own}", left.line, left.text)?;
            }
        }
        for file in &self.import.ignored {
            writeln!(f, "not carried: {file}")?;
        }
        for (name, why) in &self.wrong {
            writeln!(f, "WRONG: {name}: {why}")?;
        }
        Ok(())
    }
}
