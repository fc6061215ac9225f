//! A site in a folder, a disk in a file, and the program between them.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use edeploy_format::digest::Digest;
use edeploy_format::manifest::Head;
use edeploy_format::name::Object;
use edeploy_format::tuf::Contents;
use rustix::fs::FallocateFlags;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::site::{Site, root_of};
use crate::version::Version;

const MIB: u64 = 1 << 20;
/// What each slot gets.
pub(crate) const SLOT: u64 = 24 * MIB;
/// Room for the ESP, both slots and a state partition of a little more than its least size.
pub(crate) const DISK: u64 = (512 + 24 + 24 + 80) * MIB;

/// In the place of an exit code, of what was ended by a signal.
pub(crate) const KILLED: i32 = -1;

/// A machine in a file, and where it takes its versions from.
pub(crate) struct Lab {
    folder: TempDir,
    pub(crate) site: Site,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let ran = Self::ended(output);
        assert_ne!(ran.code, KILLED, "{ran:?}");
        ran
    }

    /// The same of what may have been ended by a signal.
    fn ended(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code().unwrap_or(KILLED), out, err }
    }

    /// The exit code, and the last line on standard error without the program's name.
    pub(crate) fn failed(&self) -> (i32, &str) {
        let last = self.err.lines().last().unwrap_or_default();
        (self.code, last.strip_prefix("edeploy-ab: ").unwrap_or(last))
    }

    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// The program itself, with nothing done to it.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_edeploy-ab"))
}

/// A tree that can be armed, with one file that tells versions apart.
pub(crate) fn tree(version: &str) -> Version {
    let mut tree = Version::new();
    for folder in ["boot", "etc", "usr/bin"] {
        tree.folder(folder);
    }
    tree.file("boot/loader.efi", b"MZ the loader of all versions");
    for file in ["boot/vmlinuz", "boot/initrd.img", "usr/bin/edeploy-ab"] {
        tree.file(file, format!("the {file} of all versions").as_bytes());
    }
    tree.file("etc/version", version.as_bytes());
    tree
}

/// The transition of a version with one rule for all.
pub(crate) fn rule(version: &str, fields: &Value) -> Value {
    let mut rule = json!({ "from": "any", "role": "any", "to": "any", "exclude": "", "add_only": "" });
    rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    json!({ "format": 1, "role": "web", "version": version, "rules": [rule] })
}

/// The head of a version in the lab.
fn as_version(name: &str, serial: u64) -> impl FnOnce(&mut Head) + use<'_> {
    move |head| {
        head.version = name.parse().unwrap();
        (head.serial, head.slot_size) = (serial, SLOT);
    }
}

/// The digest of the manifest that [`Lab::publish`] publishes.
pub(crate) fn manifest(name: &str, serial: u64, tree: &Version) -> Digest {
    let [manifest, _] = texts(name, serial, tree);
    Digest::of(&manifest)
}

/// The manifest that [`Lab::publish`] publishes, and the index of the pack.
pub(crate) fn texts(name: &str, serial: u64, tree: &Version) -> [Vec<u8>; 2] {
    let mut published = tree.publish_as(as_version(name, serial));
    [text(&mut published.manifest), text(&mut published.index)]
}

fn text(file: &mut File) -> Vec<u8> {
    let mut text = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut text).unwrap();
    text
}

impl Lab {
    /// Nothing published, no disk.
    pub(crate) fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "loop devices and mounts need root: run as root");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut site = Site::new("web");
        site.now = now - 60;
        let lab = Self { folder: tempfile::tempdir().unwrap(), site };
        fs::write(lab.path("root.json"), root_of(lab.site.now)).unwrap();
        lab
    }

    /// Version 1 is installed, version 2 is published.
    pub(crate) fn installed() -> Self {
        static FIRST: OnceLock<Lab> = OnceLock::new();
        let first = FIRST.get_or_init(|| Self::first(&tree("1")));
        let mut lab = first.copy();
        lab.site.version = 2;
        lab.publish("2", 2, &tree("2"), &rule("2", &json!({})), |_| ());
        lab
    }

    /// This tree is installed as version 1.
    pub(crate) fn first(tree: &Version) -> Self {
        let mut lab = Self::new();
        lab.publish("1", 1, tree, &rule("1", &json!({})), |_| ());
        lab.disk();
        lab.install(&[]).done();
        lab
    }

    /// The same machine again, and an empty site.
    pub(crate) fn copy(&self) -> Self {
        let mut lab = Self::new();
        lab.site.now = self.site.now;
        let (from, to) = (self.path("disk"), lab.path("disk"));
        let copied = Command::new("cp").arg("--sparse=always").args([from, to]).status().unwrap();
        assert!(copied.success());
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn site_folder(&self) -> PathBuf {
        self.path("site")
    }

    /// An empty disk.
    pub(crate) fn disk(&self) {
        File::create(self.path("disk")).unwrap().set_len(DISK).unwrap();
    }

    /// Publishes a version, over an older one of that name.
    pub(crate) fn publish(
        &mut self,
        name: &str,
        serial: u64,
        tree: &Version,
        transition: &Value,
        set: impl FnOnce(&mut Head),
    ) {
        let mut published = tree.publish_as(|head| {
            as_version(name, serial)(head);
            set(head);
        });
        self.site.manifest(name, serial, &text(&mut published.manifest));
        let index = text(&mut published.index);
        let contents = Contents { blake3: Digest::of(&index), size: index.len() as u64 };
        self.site.packed(Object::PackIndex, name, &index, &contents);
        self.site.add(Object::Pack, name, published.pack, None::<&()>);
        self.site.add(Object::Transition, name, transition.to_string().into_bytes(), None::<&()>);
        self.sign();
    }

    /// Publishes the site as it is now.
    pub(crate) fn sign(&mut self) {
        self.site.version += 1;
        self.site.publish(&self.site_folder());
    }

    /// `install` of version 1, with further options.
    pub(crate) fn install(&self, more: &[&str]) -> Ran {
        Ran::of(self.install_command(more).output().unwrap())
    }

    pub(crate) fn install_command(&self, more: &[&str]) -> Command {
        let mut command = program();
        command.args(["install", "--role", "web", "--version", "1", "--disk"]).arg(self.path("disk"));
        command.arg("--repo").arg(self.site_folder()).arg("--root").arg(self.path("root.json"));
        command.args(more);
        command
    }

    /// A command on the disk as if it had booted slot a.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_as("a", words)
    }

    /// A command on the disk as if it had booted this slot.
    pub(crate) fn command_as(&self, slot: &str, words: &[&str]) -> Command {
        let mut command = program();
        command.args(words).arg("--disk").arg(self.path("disk")).args(["--booted", slot]);
        command.arg("--repo").arg(self.site_folder());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        self.run_as("a", words)
    }

    /// Runs a command under strace with these options: how it ended, and the trace.
    pub(crate) fn traced(&self, command: &Command, options: &[&str]) -> (Ran, String) {
        let mut traced = Command::new("strace");
        traced.args(options).arg("-o").arg(self.path("trace"));
        let output = traced.arg(command.get_program()).args(command.get_args()).output();
        let ran = Ran::ended(output.expect("strace: apt-get install strace"));
        (ran, fs::read_to_string(self.path("trace")).unwrap())
    }

    /// The events of the journal, oldest first, as `name` and fields.
    pub(crate) fn journal(&self) -> Vec<(String, Value)> {
        let status = self.run(&["status", "--json"]).done().json();
        let lines = status["journal"].as_array().unwrap();
        let event = |line: &Value| {
            let (name, fields) = line["event"].as_object().unwrap().iter().next().unwrap();
            (name.clone(), fields.clone())
        };
        lines.iter().map(event).collect()
    }

    pub(crate) fn run_as(&self, slot: &str, words: &[&str]) -> Ran {
        Ran::of(self.command_as(slot, words).output().unwrap())
    }

    /// Where the state partition begins: after table, ESP and slots, each on a whole MiB.
    pub(crate) fn state_at(&self) -> u64 {
        (1 + 512) * MIB + 2 * SLOT
    }

    /// Has debugfs do something on the state partition; gives its complaints.
    pub(crate) fn state(&self, request: &str) -> String {
        self.debugfs(self.state_at(), request).1
    }

    /// Free blocks of 4096 bytes of the state partition.
    pub(crate) fn state_free(&self) -> u64 {
        let (stats, _) = self.debugfs(self.state_at(), "stats -h");
        let line = stats.lines().find_map(|line| line.strip_prefix("Free blocks:"));
        line.unwrap_or_else(|| panic!("{stats}")).trim().parse().unwrap()
    }

    /// The text of a file on the state partition.
    pub(crate) fn state_text(&self, path: &str) -> String {
        let (text, complaints) = self.debugfs(self.state_at(), &format!("cat {path}"));
        assert_eq!(complaints, "");
        text
    }

    /// Has debugfs do something in slot a.
    pub(crate) fn slot_a(&self, request: &str) {
        let (_, complaints) = self.debugfs((1 + 512) * MIB, request);
        assert_eq!(complaints, "");
    }

    /// Fills a part of the disk with zeroes.
    pub(crate) fn lose(&self, at: u64, length: u64) {
        let disk = File::options().write(true).open(self.path("disk")).unwrap();
        rustix::fs::fallocate(&disk, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, length)
            .unwrap();
    }

    /// The ESP is zero.
    pub(crate) fn lose_esp(&self) {
        self.lose(MIB, 512 * MIB);
    }

    /// A command on the disk of which nothing is said to be booted.
    pub(crate) fn on_disk(&self, words: &[&str]) -> Ran {
        Ran::of(self.command_on_disk(words).output().unwrap())
    }

    pub(crate) fn command_on_disk(&self, words: &[&str]) -> Command {
        let mut command = program();
        command.args(words).arg("--disk").arg(self.path("disk"));
        command
    }

    fn debugfs(&self, at: u64, request: &str) -> (String, String) {
        let disk = format!("{}?offset={at}", self.path("disk").display());
        let output = Command::new("debugfs").args(["-w", "-R", request]).arg(disk).output();
        let output = output.expect("debugfs: apt-get install e2fsprogs");
        let complaints = String::from_utf8(output.stderr).unwrap();
        let complaints = complaints.lines().filter(|line| !line.starts_with("debugfs ")).collect();
        (String::from_utf8(output.stdout).unwrap(), complaints)
    }

    /// Has a program of mtools do something on the ESP.
    pub(crate) fn esp(&self, program: &str, words: &[&str]) {
        let disk = format!("{}@@1M", self.path("disk").display());
        let output = Command::new(program).arg("-i").arg(disk).args(words).output();
        let output = output.expect("mtools: apt-get install mtools");
        assert!(output.status.success(), "{output:?}");
    }

    /// All bytes of the disk, in one number.
    pub(crate) fn fingerprint(&self) -> Digest {
        self.fingerprint_until(u64::MAX)
    }

    /// The same of the bytes before `end`.
    pub(crate) fn fingerprint_until(&self, end: u64) -> Digest {
        digest(File::open(self.path("disk")).unwrap().take(end))
    }
}

fn digest(mut file: impl Read) -> Digest {
    let mut hasher = edeploy_format::digest::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => return hasher.finish(),
            n => hasher.update(&buffer[..n]),
        }
    }
}
