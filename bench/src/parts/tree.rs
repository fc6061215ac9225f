//! A tree of many files, or of one large one, that has no more than every role must have beside them.

use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::PathBuf;

use crate::error::{Result, file};
use crate::folder;

/// Files in one folder.
const FOLDER: u32 = 1000;
/// Of the large file, the distance between two changes.
const STRIDE: u64 = 16 << 20;
/// Bytes of one change.
const CHANGE: usize = 1024;

/// Where it is, and how many files of how many bytes.
#[derive(Debug)]
pub(super) struct Tree {
    /// Its folder.
    pub(super) root: PathBuf,
    /// Its files.
    pub(super) files: u32,
    /// The bytes of each.
    pub(super) bytes: u64,
}

impl Tree {
    /// Makes it.
    ///
    /// # Errors
    /// When there is no room.
    pub(super) fn make(&self) -> Result<()> {
        folder::fresh(&self.root)?;
        for (path, text) in [("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")] {
            self.put(path.into(), |file| file.write_all(text.as_bytes()))?;
        }
        (0..self.files).try_for_each(|n| self.write(n, 0))
    }

    /// Changes every tenth file, or a little in every part of the large one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn change(&self) -> Result<()> {
        if self.files > 1 {
            return (0..self.files).step_by(10).try_for_each(|n| self.write(n, 1));
        }
        let path = self.path(0);
        let change = || -> std::io::Result<()> {
            let mut file = File::options().write(true).open(&path)?;
            for at in (0..self.bytes).step_by(STRIDE as usize) {
                file.seek(SeekFrom::Start(at))?;
                file.write_all(&[0x5a; CHANGE])?;
            }
            Ok(())
        };
        change().map_err(file("changing", &path))
    }

    fn path(&self, n: u32) -> PathBuf {
        self.root.join(format!("srv/{}/{n}", n / FOLDER))
    }

    /// One file: half of it words that repeat, half of it noise, as files are that compress by half.
    fn write(&self, n: u32, version: u64) -> Result<()> {
        let mut noise = Noise(u64::from(n) * 2 + version + 1);
        self.put(self.path(n), |file| {
            let mut left = self.bytes;
            while left > 0 {
                let line = format!("file {n} has {:016x} and more of it\n", noise.next());
                let length = left.min(line.len() as u64);
                file.write_all(&line.as_bytes()[..length as usize])?;
                left -= length;
            }
            Ok(())
        })
    }

    fn put(
        &self,
        path: PathBuf,
        write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
    ) -> Result<()> {
        let path = self.root.join(path);
        let parent = path.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(file("making", parent))?;
        let new = File::create(&path).map_err(file("making", &path))?;
        let mut to = BufWriter::with_capacity(1 << 16, new);
        write(&mut to).and_then(|()| to.flush()).map_err(file("writing", &path))
    }
}

/// Numbers that look like chance and are always the same (xorshift64*).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}
