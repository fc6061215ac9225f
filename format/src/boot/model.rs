//! What systemd-boot 252 does with a folder of entries, as one pure function.
//!
//! Source: `config_load_entries`, `config_entry_compare`, `config_entry_bump_counters` and
//! `image_start` of systemd's `src/boot/efi/boot.c`, and what was seen in virtual machines; a VM test
//! boots sets of entries to keep it true. Not modelled: the menu, `@saved`, UKIs in `EFI/Linux`, and
//! sets (`[a-z]`) in patterns.

use std::cmp::Ordering;

use super::order::compare_versions;

/// A file of the folder of entries.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Its name.
    pub file: &'a str,
    /// Its content, whatever that is.
    pub text: &'a [u8],
}

/// What the loader finds where an entry points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootFile {
    /// No such file.
    Missing,
    /// Shorter than it was, or not what it was.
    Damaged,
    /// As it was written.
    Whole,
}

/// The EFI variables that come before every order and every counter: patterns of file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Efi {
    /// `LoaderEntryOneShot`: for the next boot only.
    pub oneshot: Option<String>,
    /// `LoaderEntryDefault`.
    pub default: Option<String>,
}

/// How a boot of an entry ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The kernel runs, with a whole initrd.
    Starts,
    /// The kernel panics: with `panic=` on its command line, one more try.
    Panics,
    /// The loader gives up and the firmware takes over, for good.
    Stuck,
}

/// What the next boot does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The file whose entry is taken.
    pub file: String,
    /// Its name afterwards: another one if a try was spent.
    pub becomes: String,
    /// A try was spent, so `LoaderBootCountPath` is set.
    pub counted: bool,
    /// How it ends.
    pub ends: Ends,
}

/// What the next boot takes; `None` if the loader finds no entry and stays in its menu.
///
/// `file` says what lies at a path of the ESP (no slash at its beginning).
pub fn choose(entries: &[Found<'_>], efi: &Efi, file: impl Fn(&str) -> BootFile) -> Option<Choice> {
    let mut known: Vec<Read<'_>> = entries.iter().filter_map(Read::new).collect();
    known.retain(|entry| file(&entry.kernel) != BootFile::Missing);
    known.sort_by(Read::compare);
    let matching = |pattern: &Option<String>| {
        let pattern = pattern.as_ref()?.to_lowercase();
        known.iter().find(|entry| matches(pattern.as_bytes(), entry.id.as_bytes()))
    };
    let chosen = matching(&efi.oneshot).or_else(|| matching(&efi.default)).or_else(|| known.first())?;
    let any_initrd = |state| chosen.initrds.iter().any(|path| file(path) == state);
    let ends = if file(&chosen.kernel) == BootFile::Damaged || any_initrd(BootFile::Missing) {
        Ends::Stuck
    } else if any_initrd(BootFile::Damaged) {
        Ends::Panics
    } else {
        Ends::Starts
    };
    let (file, becomes) = (chosen.file.to_owned(), chosen.next_name());
    Some(Choice { file, becomes, counted: chosen.tries.is_some(), ends })
}

/// An entry as the loader keeps it.
struct Read<'a> {
    file: &'a str,
    id: String,
    /// The name up to and with its `+`, tries left, tries done.
    tries: Option<(&'a str, u32, u32)>,
    sort_key: Option<String>,
    machine_id: String,
    version: String,
    kernel: String,
    initrds: Vec<String>,
}

impl<'a> Read<'a> {
    fn new(found: &Found<'a>) -> Option<Self> {
        let id = found.file.to_lowercase();
        if found.file.starts_with('.') || found.file.starts_with("auto-") || !id.ends_with(".conf") {
            return None;
        }
        let mut entry = Self {
            file: found.file,
            id,
            tries: parse_tries(found.file),
            sort_key: None,
            machine_id: String::new(),
            version: String::new(),
            kernel: String::new(),
            initrds: Vec::new(),
        };
        for (key, value) in lines(&String::from_utf8_lossy(found.text)) {
            match key {
                "sort-key" => entry.sort_key = Some(value.to_owned()),
                "version" => value.clone_into(&mut entry.version),
                "machine-id" => value.clone_into(&mut entry.machine_id),
                "linux" | "efi" => entry.kernel = path(value),
                "initrd" => entry.initrds.push(path(value)),
                // The other keys (a foreign text, no enum of ours) change nothing about the choice.
                _ => {}
            }
        }
        (!entry.kernel.is_empty()).then_some(entry)
    }

    fn exhausted(&self) -> bool {
        self.tries.is_some_and(|(_, left, _)| left == 0)
    }

    fn compare(&self, other: &Self) -> Ordering {
        let by_key = match (&self.sort_key, &other.sort_key) {
            (Some(own), Some(others)) => own
                .cmp(others)
                .then_with(|| self.machine_id.cmp(&other.machine_id))
                .then_with(|| compare_versions(&other.version, &self.version)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        // The counter is part of the id, so two entries of one folder never compare as equal here.
        self.exhausted()
            .cmp(&other.exhausted())
            .then(by_key)
            .then_with(|| compare_versions(&other.id, &self.id))
    }

    fn next_name(&self) -> String {
        match self.tries {
            None => self.file.to_owned(),
            Some((prefix, left, done)) => {
                let suffix = &self.file[self.file.len() - ".conf".len()..];
                format!("{prefix}{}-{}{suffix}", left.saturating_sub(1), done.saturating_add(1))
            }
        }
    }
}

/// The counter at the end of a name, before a `.conf` in lower case.
fn parse_tries(file: &str) -> Option<(&str, u32, u32)> {
    let counter = file.strip_suffix(".conf")?.rsplit_once('+')?.1;
    let prefix = &file[..file.len() - ".conf".len() - counter.len()];
    let (left, done) = counter.split_once('-').unwrap_or((counter, "0"));
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    Some((prefix, number(left)?, number(done)?))
}

/// The loader's reading of a text: up to the first NUL, `key value` lines, comments, quotes.
fn lines(text: &str) -> Vec<(&str, &str)> {
    let text = text.split('\0').next().unwrap_or_default();
    let entries = text.split(['\n', '\r']).map(|line| line.trim_matches([' ', '\t']));
    entries
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once([' ', '\t']))
        .map(|(key, value)| {
            let value = value.trim_start_matches([' ', '\t']);
            let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
            (key, inner.unwrap_or(value))
        })
        .collect()
}

fn path(value: &str) -> String {
    value.replace('\\', "/").trim_start_matches('/').to_owned()
}

/// Does `name` match `pattern` with its `*` and `?`?
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..])),
        (Some((b'?', rest)), Some((_, others))) => matches(rest, others),
        (Some((own, rest)), Some((other, others))) => own == other && matches(rest, others),
        (None, Some(_)) | (Some(_), None) => false,
    }
}
