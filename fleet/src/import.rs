//! eDeploy's configuration folder as profiles: what can be carried over, and by name and line what cannot.
//!
//! `state`, `*.specs` and `*.cmdb` count as they are. Of `*.configure`, a program, role, disk and files are recognised
//! as far as they are written out; it is never run. Nothing is written here: the answer holds what is to be.

mod configure;
mod expression;
#[cfg(test)]
mod tests;
mod toml;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use edeploy_format::name::{Role, Version};

use configure::Configure;

/// Tools of lines that the installer has no need of.
const DISKS: [&str; 11] = [
    "parted", "mkfs", "mount", "sgdisk", "sfdisk", "mklabel", "dmsetup", "mkswap", "wipefs", "grub",
    "udevadm",
];

/// What comes of a folder.
#[derive(Debug, Default)]
pub struct Import {
    /// Files to write.
    pub files: Vec<New>,
    /// Its profiles, by name.
    pub profiles: Vec<Imported>,
    /// Files that are of no use here.
    pub ignored: Vec<String>,
}

/// A file to write.
#[derive(Debug, PartialEq, Eq)]
pub struct New {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Its permission bits, as the file has that it is made of: there may be passwords in it.
    pub mode: u32,
}

/// One profile.
#[derive(Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its name.
    pub name: String,
    /// What was recognised.
    pub carried: Vec<String>,
    /// What is missing.
    pub missing: Vec<String>,
    /// Lines of its `.configure` that were not carried over.
    pub left: Vec<Left>,
}

/// A line that was not carried over.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    /// Which, from 1 on.
    pub line: usize,
    /// It.
    pub text: String,
    /// Whether the installer does such things itself.
    pub own: bool,
}

/// Reads a folder. With `copy`, eDeploy's own files are among those to write.
///
/// # Errors
/// The file that cannot be read, and why.
pub fn read(folder: &Path, copy: bool) -> Result<Import, (PathBuf, io::Error)> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    let mut import = Import::default();
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if entry.path().is_file() {
            all.extend(entry.file_name().into_string());
        }
    }
    all.sort();
    for file in &all {
        match file.rsplit_once('.') {
            Some((name, "specs" | "configure" | "toml")) => drop(names.insert(name.to_owned())),
            Some((_, "cmdb")) => {}
            Some(_) | None if file == "state" => {}
            Some(_) | None => import.ignored.push(file.clone()),
        }
        let own = file == "state" || file.ends_with(".specs") || file.ends_with(".cmdb");
        if copy && own {
            let path = folder.join(file);
            let (bytes, mode) = contents(&path).map_err(at(&path))?;
            import.files.push(New { name: file.clone(), bytes, mode });
        }
    }
    for name in names {
        let text = format!("{name}.toml");
        if all.contains(&text) {
            import.ignored.push(text);
            continue;
        }
        let path = folder.join(format!("{name}.configure"));
        let (source, mode) = match contents(&path) {
            Ok((bytes, mode)) => (Some(String::from_utf8_lossy(&bytes).into_owned()), mode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, 0o644),
            Err(error) => return Err((path, error)),
        };
        let (imported, toml) = profile(&name, source.as_deref());
        import.files.push(New { name: text, bytes: toml.into_bytes(), mode });
        import.profiles.push(imported);
    }
    Ok(import)
}

/// A file, and its permission bits without those to run it.
fn contents(path: &Path) -> io::Result<(Vec<u8>, u32)> {
    Ok((fs::read(path)?, fs::metadata(path)?.permissions().mode() & 0o666))
}

/// One profile, and its TOML.
fn profile(name: &str, source: Option<&str>) -> (Imported, String) {
    let mut read = source.map(configure::read).unwrap_or_default();
    let mut missing = Vec::new();
    if source.is_none() {
        missing.push(format!("there is no {name}.configure: role, version and disk are not known"));
    } else if read.role.is_none() {
        missing.push(format!(
            "{name}.configure has no set_role with texts: role, version and disk are not known"
        ));
    }
    if let Some((role, version)) = &read.role {
        let wrong = [role.parse::<Role>().err(), version.parse::<Version>().err()];
        let wrong: Vec<String> = wrong.into_iter().flatten().map(|wrong| wrong.to_string()).collect();
        if !wrong.is_empty() {
            missing.extend(wrong);
            read.role = None;
        }
    }
    // A text with names and with braces of its own can be no template.
    let (files, odd): (Vec<_>, Vec<_>) = read
        .files
        .into_iter()
        .partition(|file| toml::is_template(&file.text) && toml::is_template(&file.path));
    read.files = files;
    missing.extend(odd.iter().map(|file| format!("a file has {{{{ of its own: {}", place(&file.path))));
    let toml = toml::profile(name, &read);
    let left = read.left.iter().map(|(line, text)| left(*line, text)).collect();
    (Imported { name: name.to_owned(), carried: carried(&read), missing, left }, toml)
}

fn left(line: usize, text: &str) -> Left {
    let text = text.trim_end().to_owned();
    let own = text.contains("run(") && DISKS.iter().any(|tool| text.contains(tool));
    Left { line, text, own }
}

fn carried(read: &Configure) -> Vec<String> {
    let role = read.role.iter().map(|(role, version)| format!("role {role} {version}"));
    let disk = read.disk.iter().map(|disk| format!("disk {}", place(disk)));
    role.chain(disk).chain(read.files.iter().map(|file| format!("file {}", place(&file.path)))).collect()
}

/// A text for people.
fn place(parts: &[expression::Part]) -> String {
    let part = |part: &expression::Part| match part {
        expression::Part::Text(text) => text.clone(),
        expression::Part::Variable(name) => format!("{{{{{name}}}}}"),
    };
    parts.iter().map(part).collect()
}
