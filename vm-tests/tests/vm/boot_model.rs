//! The boot model of `format::boot` against the real loader in the real firmware.
//!
//! Each set of entries lies on the ESP of one small machine. Before each boot the model says which
//! entry will be taken and what its file will be called then; the kernel shows its command line as its
//! first words, the power is cut, and the names on the ESP are compared.

use std::fs;
use std::path::{Path, PathBuf};

use edeploy_format::boot::{
    BootFile, Choice, ENTRIES, Efi, Ends, Entry, EntryName, Found, MachineId, OBJECTS, Options, PartUuid,
    choose,
};
use edeploy_format::digest::Digest;
use vm_tests::machine::Machine;
use vm_tests::nvram;
use vm_tests::tool::run;

use crate::fixture::{fixture, tell};

/// Where the ESP begins on the disks of the installer.
const ESP: u64 = 1 << 20;
/// The loader's complaint when there is nothing to boot.
const NOTHING: &str = "No loader found";
/// The firmware's words when the loader has given up.
const STUCK: &str = "BdsDxe: failed to start";

/// A folder of entries and what comes of it.
struct Set {
    what: &'static str,
    entries: Vec<(String, Vec<u8>)>,
    efi: Efi,
    boots: usize,
}

impl Set {
    fn new(what: &'static str, names: &[&str]) -> Self {
        let entries = names.iter().map(|name| (file(name), text(name).into_bytes())).collect();
        Self { what, entries, efi: Efi::default(), boots: 1 }
    }

    fn boots(self, boots: usize) -> Self {
        Self { boots, ..self }
    }

    /// Adds a file of this name with any text.
    fn with(mut self, file: &str, text: impl Into<Vec<u8>>) -> Self {
        self.entries.push((file.to_owned(), text.into()));
        self
    }

    fn efi(self, oneshot: Option<&str>, default: Option<&str>) -> Self {
        let [oneshot, default] = [oneshot, default].map(|text| text.map(str::to_owned));
        Self { efi: Efi { oneshot, default }, ..self }
    }
}

/// `8-b+2-1` is generation 8 of slot b with a counter.
fn file(short: &str) -> String {
    let (generation, rest) = short.split_once('-').unwrap();
    format!("edeploy-{}-g{generation}{}.conf", &rest[..1], &rest[1..])
}

/// The text of an entry, with its first name as its mark.
fn text(short: &str) -> String {
    let name: EntryName = file(short).parse().unwrap();
    let options = Options {
        root: PartUuid([1; 16]),
        slot: name.slot,
        state: PartUuid([2; 16]),
        manifest: Digest::of(short.as_bytes()),
        machine: MachineId([4; 16]),
        role: "console=ttyS0 earlyprintk=ttyS0,115200".to_owned(),
    };
    let [kernel, initrd] = [KERNEL, INITRD].map(|name| Digest::of(name.as_bytes()));
    Entry { title: short.to_owned(), generation: name.generation, kernel, initrd, options }.to_string()
}

/// The objects on the ESP are called after these words, not after what they hold: nobody here checks.
const KERNEL: &str = "kernel";
const INITRD: &str = "initrd";
const TRUNCATED: &str = "truncated kernel";

/// What lies on the ESP, as the model asks for it.
fn boot_file(path: &str) -> BootFile {
    let is = |word: &str| path == format!("{OBJECTS}/{}", Digest::of(word.as_bytes()));
    if is(KERNEL) || is(INITRD) {
        BootFile::Whole
    } else if is(TRUNCATED) {
        BootFile::Damaged
    } else {
        BootFile::Missing
    }
}

fn renamed(short: &str, object: &str, other: &str) -> String {
    let [object, other] = [object, other].map(|word| Digest::of(word.as_bytes()).to_string());
    text(short).replace(&object, &other)
}

fn sets() -> Vec<Set> {
    let torn = &text("8-b+3")[..text("8-b+3").len() - 80];
    vec![
        Set::new("three tries, then the old entry", &["7-a", "8-b+3"]).boots(4),
        Set::new("a blessed and a counted twin", &["8-b", "8-b+2-1"]),
        Set::new("a blessed and an exhausted twin", &["8-b+0-3", "8-b", "7-a"]),
        Set::new("two counted twins", &["8-b+1-2", "8-b+3"]),
        Set::new("all exhausted", &["7-a+0-3", "8-b+0-3"]).boots(2),
        Set::new("all exhausted, the older one more often", &["7-a+0-5", "6-b+0-3"]),
        Set::new("9 and 10", &["9-a", "10-b"]),
        Set::new("9 and 10 on trial", &["9-a", "10-b+3"]),
        Set::new("9 on trial and 10", &["9-a+3", "10-b"]),
        Set::new("99 and 100, its last try", &["99-a", "100-b+1-2"]).boots(2),
        Set::new("an exhausted newer one", &["7-a", "8-b+0-3"]),
        Set::new("a torn entry", &["7-a"]).with(&file("8-b+3"), torn),
        Set::new("an empty entry and one of zeros", &["7-a"])
            .with(&file("8-b+3"), "")
            .with(&file("9-b+3"), vec![0; text("9-b+3").len()]),
        Set::new("a kernel that is missing", &["7-a"]).with(&file("8-b+3"), renamed("8-b+3", KERNEL, "none")),
        Set::new("a kernel that is truncated", &["7-a"])
            .with(&file("8-b+3"), renamed("8-b+3", KERNEL, TRUNCATED)),
        Set::new("an initrd that is missing", &["7-a"])
            .with(&file("8-b+3"), renamed("8-b+3", INITRD, "none")),
        Set::new("no sort-key", &["7-a"]).with(&file("8-b"), text("8-b").replace("sort-key edeploy\n", "")),
        Set::new("files that are no entries", &["7-a"])
            .with(".edeploy-b-g9.conf", text("9-b"))
            .with("auto-b.conf", text("10-b"))
            .with("edeploy-b-g11.conf.bak", text("11-b")),
        Set::new("a default", &["7-a+0-3", "8-b"]).efi(None, Some("EDEPLOY-A-*")),
        Set::new("a oneshot before a default", &["7-a+0-3", "8-b"])
            .efi(Some("edeploy-b-g?.conf"), Some("edeploy-a-*"))
            .boots(2),
        Set::new("a default that matches nothing", &["7-a", "8-b+3"]).efi(None, Some("edeploy-c-*")),
        Set::new("no entry", &[]),
    ]
}

/// How the loader ended, as the console shows it.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// A kernel whose command line bears this mark.
    Kernel(String),
    /// The firmware took over.
    Stuck,
    /// The loader found nothing to boot.
    Nothing,
}

const MARK: &str = "edeploy.manifest=";

impl Seen {
    fn on(console: &str) -> Option<Self> {
        let mark = |after: &str| after.get(..64).map(|mark| Self::Kernel(mark.to_owned()));
        if let Some(at) = console.find(MARK) {
            return mark(&console[at + MARK.len()..]);
        }
        let found = |text, seen| console.contains(text).then_some(seen);
        found(NOTHING, Self::Nothing).or_else(|| found(STUCK, Self::Stuck))
    }

    fn expected(set: &Set, choice: Option<&Choice>) -> Self {
        match choice {
            None => Self::Nothing,
            Some(choice) if choice.ends == Ends::Stuck => Self::Stuck,
            Some(choice) => {
                let (_, text) = set.entries.iter().find(|(file, _)| *file == choice.file).unwrap();
                let text = String::from_utf8_lossy(text);
                let mark = text.split_once(MARK).unwrap().1;
                Self::Kernel(mark[..64].to_owned())
            }
        }
    }
}

/// The disk of the small machine: an installed one, whose entries are replaced from outside.
struct Bench {
    folder: PathBuf,
    disk: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let folder = fixture().folder.join("loader");
        fs::create_dir_all(&folder).unwrap();
        let bench = Self { disk: folder.join("disk.img"), folder };
        run("cp", &["--sparse=always", path(&fixture().twins[0]), path(&bench.disk)]);
        let installed = bench.mtools("mtype", &["::/loader/entries/edeploy-a-g1.conf"]);
        let kernel = installed.lines().find_map(|line| line.strip_prefix("linux ")).unwrap();
        let whole = bench.folder.join("whole");
        bench.mtools("mcopy", &[&format!("::{kernel}"), path(&whole)]);
        let kernel = fs::read(whole).unwrap();
        for (word, bytes) in [(KERNEL, &kernel[..]), (TRUNCATED, &kernel[..1 << 20]), (INITRD, b"any initrd")]
        {
            let file = bench.folder.join("object");
            fs::write(&file, bytes).unwrap();
            bench.mtools("mcopy", &[path(&file), &format!("::{OBJECTS}/{}", Digest::of(word.as_bytes()))]);
        }
        bench
    }

    fn mtools(&self, tool: &str, args: &[&str]) -> String {
        let esp = format!("{}@@{ESP}", path(&self.disk));
        run(tool, &[&["-i", &esp], args].concat())
    }

    fn lay(&self, set: &Set) {
        let folder = self.folder.join("entries");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        for (file, text) in &set.entries {
            fs::write(folder.join(file), text).unwrap();
        }
        self.mtools("mdeltree", &[&format!("::{ENTRIES}")]);
        self.mtools("mcopy", &["-s", path(&folder), "::loader/"]);
    }

    fn names(&self) -> Vec<String> {
        let listed = self.mtools("mdir", &["-b", "-a", &format!("::{ENTRIES}")]);
        sorted(listed.lines().filter_map(|line| line.rsplit('/').next()).map(str::to_owned))
    }
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut names: Vec<String> = names.filter(|name| !name.is_empty()).collect();
    names.sort();
    names
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn boots_as_the_model_says(bench: &Bench, number: usize, mut set: Set) {
    bench.lay(&set);
    let mut machine = Machine::on(&bench.disk, &bench.folder, &format!("set-{number}"));
    let variables = [("LoaderEntryOneShot", &set.efi.oneshot), ("LoaderEntryDefault", &set.efi.default)];
    let variables: Vec<_> =
        variables.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
    nvram::add(&machine.variables(), &variables);
    for boot in 1..=set.boots {
        let found: Vec<_> = set.entries.iter().map(|(file, text)| Found { file, text }).collect();
        let choice = choose(&found, &set.efi, boot_file);
        let expected = Seen::expected(&set, choice.as_ref());
        let from = machine.console().len();
        machine.start();
        let seen = machine.wait_until("end of the loader", |machine| Seen::on(&machine.console()[from..]));
        machine.cut_power();
        let becomes = choice.as_ref().map_or("nothing", |choice| &*choice.becomes);
        tell("loader", &format!("{number}, {}: {becomes}", set.what));
        assert_eq!(seen, expected, "{}, boot {boot}", set.what);
        if let Some(choice) = choice {
            let taken = set.entries.iter_mut().find(|(file, _)| *file == choice.file).unwrap();
            taken.0 = choice.becomes;
        }
        set.efi.oneshot = None;
        let names = sorted(set.entries.iter().map(|(file, _)| file.clone()));
        assert_eq!(bench.names(), names, "{}, boot {boot}", set.what);
    }
}

#[test]
fn the_real_loader_takes_what_the_model_says() {
    let bench = Bench::new();
    for (number, set) in sets().into_iter().enumerate() {
        boots_as_the_model_says(&bench, number + 1, set);
    }
}
