//! What would boot: the ESP of a disk, read with crate fatfs, and the boot model over it.

use std::io::{self, Read, Seek, SeekFrom, Write};

use edeploy_format::boot::{BootFile, Choice, ENTRIES, Efi, Ends, Entry, EntryName, Found, choose};
use edeploy_format::digest::{Digest, Hasher};
use fatfs::{Dir, FileSystem, FsOptions};

use super::medium::Medium;
use crate::disk::ESP;

/// Where the firmware looks for a loader.
const LOADER: &str = "EFI/BOOT/BOOTX64.EFI";

/// What the next boot of a disk does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The names of all entries, sorted.
    pub entries: Vec<String>,
    /// The entry that is taken.
    pub choice: Choice,
    /// What its name says.
    pub name: EntryName,
    /// The manifest it names.
    pub manifest: Digest,
    /// The loader itself.
    pub loader: Digest,
}

/// What the next boot of `medium` does.
///
/// # Errors
/// Why it does not start any version.
pub fn decide(medium: &Medium) -> Result<Decision, String> {
    let (at, size) = medium.place(ESP);
    let system = FileSystem::new(Bytes { medium, start: at, size, at: 0 }, FsOptions::new());
    let system = system.map_err(|e| format!("the ESP is no FAT: {e}"))?;
    let root = system.root_dir();
    let loader = digest(&root, LOADER).map_err(|e| format!("the loader: {e}"))?;
    let confs = confs(&root).map_err(|e| format!("the folder of entries: {e}"))?;
    let found: Vec<Found<'_>> = confs.iter().map(|(file, text)| Found { file, text }).collect();
    let choice = choose(&found, &Efi::default(), |path| boot_file(&root, path));
    let mut entries: Vec<String> = confs.iter().map(|(file, _)| file.clone()).collect();
    entries.sort();
    let choice = choice.ok_or_else(|| format!("nothing boots of {entries:?}"))?;
    if choice.ends != Ends::Starts {
        return Err(format!("{} of {entries:?} ends with {:?}", choice.file, choice.ends));
    }
    let (_, text) = confs.iter().find(|(file, _)| *file == choice.file).expect("it was chosen of these");
    let of_ours = |e: &dyn std::fmt::Display| format!("{} is no entry of ours: {e}", choice.file);
    let name: EntryName = choice.file.parse().map_err(|e| of_ours(&e))?;
    let manifest = Entry::parse(name, text).map_err(|e| of_ours(&e))?.options.manifest;
    Ok(Decision { entries, choice, name, manifest, loader })
}

type Folder<'a, 'b> = Dir<'a, Bytes<'b>>;

/// All files of the folder of entries.
fn confs(root: &Folder<'_, '_>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut confs = Vec::new();
    for entry in root.open_dir(ENTRIES)?.iter() {
        let entry = entry?;
        if entry.is_file() {
            let mut text = Vec::new();
            entry.to_file().read_to_end(&mut text)?;
            confs.push((entry.file_name(), text));
        }
    }
    Ok(confs)
}

/// The state of a file that is called after the digest of its content.
fn boot_file(root: &Folder<'_, '_>, path: &str) -> BootFile {
    let name = path.rsplit('/').next().unwrap_or_default();
    match digest(root, path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => BootFile::Missing,
        Ok(digest) if digest.to_string() == name => BootFile::Whole,
        Ok(_) | Err(_) => BootFile::Damaged,
    }
}

fn digest(root: &Folder<'_, '_>, path: &str) -> io::Result<Digest> {
    let (mut file, mut hasher) = (root.open_file(path)?, Hasher::new());
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&piece[..n]),
        }
    }
}

/// A partition as fatfs reads it.
struct Bytes<'a> {
    medium: &'a Medium,
    start: u64,
    size: u64,
    at: u64,
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = (into.len() as u64).min(self.size.saturating_sub(self.at));
        let bytes = self.medium.read(self.start + self.at, length);
        into[..bytes.len()].copy_from_slice(&bytes);
        self.at += length;
        Ok(bytes.len())
    }
}

impl Seek for Bytes<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl Write for Bytes<'_> {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
