//! A disk image that is written piece by piece, and whose partitions are told apart by a digest at any time.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;

use crate::disk::place;
use crate::tool::run;

/// What is hashed at once. Partitions begin at multiples of it.
const CHUNK: u64 = 64 << 10;

/// A raw image with the four partitions of a machine.
#[derive(Debug)]
pub struct Medium {
    path: PathBuf,
    file: File,
    /// Where each partition begins, and its length, in bytes.
    places: [(u64, u64); 4],
    chunks: Vec<Digest>,
    /// The chunks that were written since they were hashed.
    stale: BTreeSet<usize>,
    zeros: Digest,
}

impl Medium {
    /// A copy of the image `of` at `path`.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn copy_of(of: &Path, path: &Path) -> Self {
        copy(of, path);
        Self::of(path)
    }

    /// The image at `path` itself.
    ///
    /// # Panics
    /// If it cannot be opened.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let file = OpenOptions::new().read(true).write(true).open(path).expect("the image");
        let size = file.metadata().expect("the image").len();
        let places = [1, 2, 3, 4].map(|number| place(path, number));
        assert!(places.iter().all(|(at, size)| at % CHUNK == 0 && size % CHUNK == 0), "{places:?}");
        let count = usize::try_from(size.div_ceil(CHUNK)).expect("an image that fits");
        let zeros = Digest::of(&[0; CHUNK as usize]);
        let (path, stale) = (path.to_owned(), (0..count).collect());
        Self { path, file, places, chunks: vec![zeros; count], stale, zeros }
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where partition `number` begins, and its length, in bytes.
    #[must_use]
    pub fn place(&self, number: usize) -> (u64, u64) {
        self.places[number - 1]
    }

    /// The bytes from `at` on.
    ///
    /// # Panics
    /// If they cannot be read.
    #[must_use]
    pub fn read(&self, at: u64, length: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).expect("a piece fits in memory")];
        self.file.read_exact_at(&mut bytes, at).expect("the image");
        bytes
    }

    /// Writes `bytes` from `at` on.
    ///
    /// # Panics
    /// If they cannot be written.
    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).expect("room for the image");
        let chunks = at / CHUNK..(at + bytes.len() as u64).div_ceil(CHUNK);
        self.stale.extend(chunks.map(|n| usize::try_from(n).expect("an image that fits")));
    }

    /// The digest of all bytes of partition `number`.
    pub fn digest(&mut self, number: usize) -> Digest {
        let (at, size) = self.place(number);
        self.digest_of(at, size)
    }

    /// The digest of all bytes.
    pub fn digest_of_all(&mut self) -> Digest {
        self.digest_of(0, self.chunks.len() as u64 * CHUNK)
    }

    fn digest_of(&mut self, at: u64, size: u64) -> Digest {
        self.hash();
        let [from, to] = [at / CHUNK, (at + size) / CHUNK].map(|n| usize::try_from(n).expect("it fits"));
        let all: Vec<u8> = self.chunks[from..to].iter().flat_map(|digest| digest.0).collect();
        Digest::of(&all)
    }

    fn hash(&mut self) {
        let size = self.file.metadata().expect("the image").len();
        for n in std::mem::take(&mut self.stale) {
            let at = n as u64 * CHUNK;
            let bytes = self.read(at, CHUNK.min(size - at));
            self.chunks[n] = Digest::of(&bytes);
        }
    }

    /// Copies all of it to `to`.
    pub fn copy(&self, to: &Path) {
        copy(&self.path, to);
    }

    /// Copies partition `number` into a file of its own.
    ///
    /// # Panics
    /// If that cannot be written.
    pub fn extract(&mut self, number: usize, to: &Path) {
        self.hash();
        let (at, size) = self.place(number);
        let file = File::create(to).expect("a file for a partition");
        file.set_len(size).expect("room for a partition");
        for from in (0..size).step_by(CHUNK as usize) {
            let n = usize::try_from((at + from) / CHUNK).expect("it fits");
            if self.chunks[n] != self.zeros {
                file.write_all_at(&self.read(at + from, CHUNK), from).expect("room for a partition");
            }
        }
    }
}

/// Copies an image, its holes as holes.
pub(super) fn copy(from: &Path, to: &Path) {
    let [from, to] = [from, to].map(|path| path.to_str().expect("UTF-8"));
    run("cp", &["--sparse=always", from, to]);
}
