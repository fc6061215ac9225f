//! The short form of `just fuzz`: every kept input, and a few thousand that are made of them by a seeded generator. What
//! libFuzzer found once is found again here, without libFuzzer. `FUZZ_MADE=100000` in the environment makes more of them.

#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz_targets::seeds::seeds;
use fuzz_targets::{TARGETS, target};

/// How many inputs are made for each target, without another number.
const MADE: usize = 1500;
/// None of them is longer.
const LONGEST: usize = 1 << 14;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The kept inputs of a target, by name.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(root().join("corpus").join(name)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// xorshift64*: the same inputs in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    fn one<'a>(&mut self, of: &'a [Vec<u8>]) -> &'a [u8] {
        &of[self.below(of.len())]
    }

    /// An input like those of `kept`, changed at one to four places.
    fn input(&mut self, kept: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = self.one(kept).to_vec();
        for _ in 0..=self.below(4) {
            self.change(&mut bytes, kept);
        }
        bytes.truncate(LONGEST);
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, kept: &[Vec<u8>]) {
        let at = self.below(bytes.len());
        let end = (at + self.below(32)).min(bytes.len());
        match self.below(6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
            1 if !bytes.is_empty() => bytes[at] = b"\0\n /0z9\xff"[self.below(8)],
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => {
                let other = self.one(kept);
                let from = self.below(other.len());
                let to = (from + self.below(64)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
}

/// Runs a target; an input on which it fails is kept and named.
fn run(name: &str, body: fn(&[u8]), bytes: &[u8]) {
    if catch_unwind(|| body(bytes)).is_err() {
        let folder = root().join("artifacts").join(name);
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("replay");
        fs::write(&file, bytes).unwrap();
        panic!("{name} fails on {}", file.display());
    }
}

/// Every kept input of a target, and what is made of them.
fn stands(name: &str) {
    let body = target(name);
    let mut kept = seeds(name);
    kept.extend(corpus(name));
    kept.iter().for_each(|bytes| run(name, body, bytes));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let made = std::env::var("FUZZ_MADE").map_or(MADE, |number| number.parse().unwrap());
    (0..made).for_each(|_| run(name, body, &random.input(&kept)));
}

macro_rules! targets {
    ($($name:ident)*) => {
        const TESTED: &[&str] = &[$(stringify!($name)),*];

        /// One test for each target.
        mod stands_what_is_kept_and_what_is_made_of_it {
            $(
                #[test]
                fn $name() {
                    super::stands(stringify!($name));
                }
            )*
        }
    };
}

targets! {
    arguments boot_choice boot_entry boot_options cmdb delegations delta_index dmi esp exclude gpt hint host_json initrd journal
    limits literal lldp manifest names pack_index patch plan recipe repack repack_open repack_unpack spec transition tuf
}

#[test]
fn each_target_has_a_test_a_program_and_a_corpus_and_nothing_else_has() {
    let names: Vec<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert!(names.is_sorted());
    assert_eq!(TESTED, names);
    let listed = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let name = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
        let mut names: Vec<String> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    };
    assert_eq!(listed("corpus"), names);
    assert_eq!(listed("fuzz_targets"), names);
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let bins: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("name = \"")).collect();
    let bins: Vec<&str> = bins.into_iter().skip(1).map(|name| name.trim_end_matches('"')).collect();
    assert_eq!(bins, names);
}
