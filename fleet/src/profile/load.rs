//! Reading a folder of profiles.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use edeploy_format::path::TreePath;
use toml::Spanned;

use super::text::{self, Text, first_line, line};
use super::{
    DiskTemplate, FileTemplate, Listed, Profile, ProfileError, Profiles, ScriptTemplate, StateError, Wanted,
    state,
};
use crate::cmdb::Cmdb;
use crate::literal::{LONGEST, Literal};
use crate::plan::check_path;
use crate::spec::{Spec, SpecLine, Variable};
use crate::template::Template;

/// Variables that every machine has.
pub const BUILT_IN: [&str; 3] = ["edeploy-machine", "edeploy-profile", "edeploy-role"];
/// The list of profiles and counts.
const STATE: &str = "state";
/// A script may take so many seconds at most.
const SECONDS: u64 = 24 * 3600;

impl Profiles {
    /// Reads a folder. What is wrong is in the answer, where it belongs.
    #[must_use]
    pub fn load(folder: &Path) -> Self {
        let names = match names(folder) {
            Ok(names) => names,
            Err(error) => return Self { trouble: Some(StateError::Read(error)), ..Self::default() },
        };
        let mut profiles = Self::default();
        let lines = bytes(folder, STATE).map_err(StateError::Read).and_then(|bytes| state::read(&bytes));
        match lines {
            Ok(lines) => profiles.listed = lines.into_iter().map(|line| listed(folder, line)).collect(),
            Err(error) => profiles.trouble = Some(error),
        }
        let is_listed = |name: &String| profiles.listed.iter().any(|listed| listed.name == *name);
        let rest: Vec<String> = names.into_iter().filter(|name| !is_listed(name)).collect();
        profiles.unlisted =
            rest.into_iter().map(|name| (name.clone(), Profile::load(folder, &name))).collect();
        profiles
    }
}

fn listed(folder: &Path, (name, count): state::Line) -> Listed {
    match count {
        Ok(count) => Listed { profile: Profile::load(folder, &name), name, count },
        Err(error) => Listed { name, count: super::Count::Times(0), profile: Err(error.into()) },
    }
}

/// The names of all profiles of a folder.
fn names(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let stem =
            name.to_str().and_then(|name| name.strip_suffix(".toml").or_else(|| name.strip_suffix(".specs")));
        names.extend(stem.filter(|stem| state::is_name(stem)).map(str::to_owned));
    }
    Ok(names)
}

/// The bytes of a file that is no longer than it may be.
fn bytes(folder: &Path, file: &str) -> io::Result<Vec<u8>> {
    let path = folder.join(file);
    let length = fs::metadata(&path)?.len();
    if length > LONGEST as u64 {
        return Err(io::Error::other(format!("longer than {LONGEST} bytes")));
    }
    fs::read(path)
}

impl Profile {
    /// Reads the profile of this name.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn load(folder: &Path, name: &str) -> Result<Self, ProfileError> {
        let reading = Reading { folder, name, file: format!("{name}.toml") };
        let source = reading.optional_text(&reading.file)?;
        let specs = format!("{name}.specs");
        let lines = reading.optional(&specs)?;
        let Some(source) = source else {
            return Err(match lines {
                Some(_) => ProfileError::NoText(name.to_owned()),
                None => ProfileError::Nothing(name.to_owned()),
            });
        };
        let text = text::parse(&reading.file, &source)?;
        let wrong = |file: &str| {
            let file = file.to_owned();
            move |source| ProfileError::Spec { file, source }
        };
        let spec = match (&text.spec, lines) {
            (Some(_), Some(_)) => return Err(ProfileError::TwoSpecs(name.to_owned())),
            (None, None) => return Err(ProfileError::NoSpec(name.to_owned())),
            (None, Some(bytes)) => Spec::read(&bytes).map_err(wrong(&specs))?,
            (Some(lines), None) => {
                let list = Literal::from(serde_json::Value::Array(lines.clone()));
                Spec::of(&list).map_err(wrong(&format!("{name}.toml: spec")))?
            }
        };
        let profile = reading.profile(&source, text, spec)?;
        profile.check_names()?;
        Ok(profile)
    }

    /// Checks that every name in a template is one that a machine can have.
    fn check_names(&self) -> Result<(), ProfileError> {
        let mut known: BTreeSet<&str> = self.detected().collect();
        known.extend(self.cmdb.iter().flat_map(Cmdb::names).map(String::as_str));
        known.extend(BUILT_IN);
        for template in self.templates() {
            template.check(known.iter().copied(), |name| known.contains(name))?;
        }
        Ok(())
    }

    /// The names that its spec lines give to what is detected.
    fn detected(&self) -> impl Iterator<Item = &str> {
        self.spec.lines.iter().flat_map(SpecLine::variables).map(|variable| &*variable.name)
    }

    /// A detected name, where the disk is known by such names alone. They are of the first disk that lets all spec lines
    /// find theirs, so that never more than one fits, and of several it may be the wrong one.
    #[must_use]
    pub fn first_disk(&self) -> Option<&str> {
        let DiskTemplate { name, by_id, serial, model, .. } = &self.disk;
        let fields = [name, by_id, serial, model].into_iter().flatten();
        let detected: Option<Vec<&str>> =
            fields.map(|field| field.names().find(|name| self.is_of_first_disk(name))).collect();
        detected?.first().copied()
    }

    /// Whether a name stands for what was detected of a disk, and picks no entry: an entry says which disk is meant.
    fn is_of_first_disk(&self, name: &str) -> bool {
        let lines = &self.spec.lines;
        let picks = |variable: &Variable| variable.picks_entry && variable.name == name;
        let mut of_disks = lines.iter().filter(|line| line.0[0].test.holds("disk"));
        of_disks.any(|line| line.variables().any(|variable| variable.name == name))
            && !lines.iter().flat_map(SpecLine::variables).any(picks)
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let DiskTemplate { name, by_id, serial, model, .. } = &self.disk;
        let disk = [name, by_id, serial, model].into_iter().flatten();
        let files = self.files.iter().flat_map(|file| [&file.path, &file.text]);
        disk.chain(files).chain(self.scripts.iter().flat_map(|script| script.env.values()))
    }
}

/// One profile that is being read.
struct Reading<'a> {
    folder: &'a Path,
    name: &'a str,
    /// Its TOML.
    file: String,
}

impl Reading<'_> {
    fn optional(&self, file: &str) -> Result<Option<Vec<u8>>, ProfileError> {
        match bytes(self.folder, file) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(ProfileError::Read { file: file.to_owned(), source }),
        }
    }

    fn optional_text(&self, file: &str) -> Result<Option<String>, ProfileError> {
        let utf8 = |bytes| {
            String::from_utf8(bytes).map_err(|_| ProfileError::Read {
                file: file.to_owned(),
                source: io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"),
            })
        };
        self.optional(file)?.map(utf8).transpose()
    }

    fn profile(&self, source: &str, text: Text, spec: Spec) -> Result<Profile, ProfileError> {
        let file = format!("{}.cmdb", self.name);
        let database = |bytes: Vec<u8>| Cmdb::read(&bytes, &text.cmdb_key);
        let cmdb = self.optional(&file)?.map(database).transpose();
        let cmdb = cmdb.map_err(|source| ProfileError::Cmdb { file, source })?;
        let files = text.file.into_iter().map(|file| self.file_of(source, file));
        let files = files.collect::<Result<_, _>>()?;
        let scripts = text.script.into_iter().map(|script| self.script(source, script));
        let version = match (text.version, text.channel) {
            (Some(version), None) => version,
            (None, Some(channel)) => Wanted::Channel(channel),
            (Some(_), Some(_)) | (None, None) => {
                let message = "one of version and channel is needed".to_owned();
                return Err(self.wrong(source, text.role.span().start, message));
            }
        };
        Ok(Profile {
            name: self.name.to_owned(),
            spec,
            role: text.role.into_inner(),
            version,
            repos: text.repos,
            disk: self.disk(source, &text.disk)?,
            slot_size: text.slot_size.map(|size| size.0),
            files,
            scripts: scripts.collect::<Result<_, _>>()?,
            on_success: text.on_success,
            on_failure: text.on_failure,
            cmdb,
        })
    }

    fn wrong(&self, source: &str, at: usize, message: String) -> ProfileError {
        ProfileError::Text { file: self.file.clone(), line: line(source, at), message }
    }

    fn template(&self, source: &str, text: &Spanned<String>) -> Result<Template, ProfileError> {
        Ok(Template::read(text.get_ref(), &self.file, first_line(source, text))?)
    }

    fn disk(&self, source: &str, disk: &text::Disk) -> Result<DiskTemplate, ProfileError> {
        let one = |text: &Option<Spanned<String>>| {
            text.as_ref().map(|text| self.template(source, text)).transpose()
        };
        Ok(DiskTemplate {
            name: one(&disk.name)?,
            by_id: one(&disk.by_id)?,
            serial: one(&disk.serial)?,
            model: one(&disk.model)?,
            min_size: disk.min_size.map(|size| size.0),
            max_size: disk.max_size.map(|size| size.0),
            rotational: disk.rotational,
        })
    }

    fn file_of(&self, source: &str, file: text::File) -> Result<FileTemplate, ProfileError> {
        let path = self.template(source, &file.path)?;
        if path.is_plain() {
            let (name, line) = (file.path.get_ref().clone(), line(source, file.path.span().start));
            let wrong =
                |source| ProfileError::Path { file: self.file.clone(), line, path: name.clone(), source };
            check_path(&name).map_err(wrong)?;
        }
        let (text, place, first) =
            self.content(source, &file.path, file.text.as_ref(), file.from.as_ref())?;
        let text =
            if file.plain { Template::plain(&text, &place) } else { Template::read(&text, &place, first)? };
        Ok(FileTemplate { path, mode: file.mode.0, uid: file.uid, gid: file.gid, text })
    }

    fn script(&self, source: &str, script: text::Script) -> Result<ScriptTemplate, ProfileError> {
        let at = &script.name;
        let (text, ..) = self.content(source, at, script.text.as_ref(), script.from.as_ref())?;
        if !text.starts_with("#!") {
            let message = "a script begins with #! and the program that runs it".to_owned();
            return Err(self.wrong(source, at.span().start, message));
        }
        if !(1..=SECONDS).contains(&script.seconds) {
            return Err(self.wrong(source, at.span().start, format!("seconds: between 1 and {SECONDS}")));
        }
        let one =
            |(name, text): (text::Variable, Spanned<String>)| Ok((name.0, self.template(source, &text)?));
        let env: Result<BTreeMap<_, _>, ProfileError> = script.env.into_iter().map(one).collect();
        Ok(ScriptTemplate { name: script.name.into_inner(), text, seconds: script.seconds, env: env? })
    }

    /// A text that is written in the profile or lies beside it; the file and line that it begins on.
    fn content(
        &self,
        source: &str,
        at: &Spanned<String>,
        text: Option<&Spanned<String>>,
        from: Option<&Spanned<String>>,
    ) -> Result<(String, String, usize), ProfileError> {
        match (text, from) {
            (Some(text), None) => Ok((text.get_ref().clone(), self.file.clone(), first_line(source, text))),
            (None, Some(from)) => {
                let file = from.get_ref();
                TreePath::new(file.as_str())
                    .map_err(|bad| self.wrong(source, from.span().start, bad.to_string()))?;
                let text = self.optional_text(file)?;
                let missing = || self.wrong(source, from.span().start, format!("there is no file {file}"));
                Ok((text.ok_or_else(missing)?, file.clone(), 1))
            }
            (Some(_), Some(_)) | (None, None) => {
                Err(self.wrong(source, at.span().start, "one of text and from is needed".to_owned()))
            }
        }
    }
}
