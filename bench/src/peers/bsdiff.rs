//! bsdiff, the program, on each file that changed; what is new, or smaller so, in one compressed archive.
//!
//! The old self of a file is that of the same path, else the one whose path is the same but for its numbers, nearest
//! in size.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use edeploy_format::digest::Digest;

use crate::error::{Result, file};
use crate::folder;
use crate::run::{Call, Ended};

/// A tree's files.
struct Files {
    root: PathBuf,
    /// Path below the root, and length.
    all: Vec<(String, u64)>,
}

impl Files {
    fn of(root: &Path) -> Result<Self> {
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        let all = folder::files(root)?.iter().map(|(path, length)| (below(path), *length)).collect();
        Ok(Self { root: root.to_owned(), all })
    }

    fn digest(&self, path: &str) -> Result<Digest> {
        let path = self.root.join(path);
        fs::read(&path).map(|bytes| Digest::of(&bytes)).map_err(file("reading", &path))
    }
}

/// A path without its numbers.
fn masked(path: &str) -> String {
    let mut masked = String::new();
    for c in path.chars() {
        match c {
            '0'..='9' if masked.ends_with('#') => {}
            '0'..='9' => masked.push('#'),
            other => masked.push(other),
        }
    }
    masked
}

/// What is to be made of what.
#[derive(Default)]
struct Work {
    /// Older path, newer path.
    patched: Vec<(String, String)>,
    whole: Vec<String>,
}

fn work(old: &Files, new: &Files) -> Result<Work> {
    let there: HashMap<&str, u64> = old.all.iter().map(|(path, length)| (path.as_str(), *length)).collect();
    let mut known = HashSet::new();
    let mut alike: HashMap<String, Vec<&(String, u64)>> = HashMap::new();
    for one in &old.all {
        known.insert(old.digest(&one.0)?);
        alike.entry(masked(&one.0)).or_default().push(one);
    }
    let mut work = Work::default();
    for (path, length) in &new.all {
        if *length == 0 || !known.insert(new.digest(path)?) {
            continue;
        }
        let same = there.get_key_value(path.as_str()).map(|(path, _)| (*path).to_owned());
        let near = || {
            let candidates = alike.get(&masked(path))?;
            candidates.iter().min_by_key(|one| one.1.abs_diff(*length)).map(|one| one.0.clone())
        };
        match same.or_else(near) {
            Some(base) => work.patched.push((base, path.clone())),
            None => work.whole.push(path.clone()),
        }
    }
    Ok(work)
}

/// Makes all patches in a folder; the run, and their bytes.
///
/// # Errors
/// When a file cannot be read, or bsdiff fails.
pub fn make(old: &Path, new: &Path, out: &Path) -> Result<(Ended, u64)> {
    folder::fresh(out)?;
    let (old, new) = (Files::of(old)?, Files::of(new)?);
    let work = work(&old, &new)?;
    let [patches, whole] = ["patches", "whole"].map(|name| out.join(name));
    let mut list = Vec::new();
    for (n, (base, path)) in work.patched.iter().enumerate() {
        let patch = out.join(format!("{n}.bsdiff"));
        for part in [&old.root.join(base), &new.root.join(path), &patch] {
            list.extend_from_slice(part.as_os_str().as_encoded_bytes());
            list.push(0);
        }
    }
    fs::write(&patches, list).map_err(file("writing", &patches))?;
    let mut names = fs::File::create(&whole).map_err(file("making", &whole))?;
    for path in &work.whole {
        write!(names, "{path}\0").map_err(file("writing", &whole))?;
    }
    let script = "xargs -0 -n 3 bsdiff < \"$1\"; \
                  tar -C \"$3\" --null --verbatim-files-from -T \"$2\" -cf - | zstd -q -19 -T2 -o \"$4\"";
    let rest = out.join("rest.zst");
    let ended = Call::shell(script).args([&patches, &whole, &new.root, &rest]).measure()?;
    let made = folder::files(out)?;
    let counts = |path: &Path| path != patches && path != whole;
    let bytes = made.iter().filter(|(path, _)| counts(path)).map(|(_, length)| length).sum();
    Ok((ended, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_path_are_masked_run_by_run() {
        assert_eq!(masked("lib/modules/6.1.0-50/a.ko"), "lib/modules/#.#.#-#/a.ko");
        assert_eq!(masked("libfoo.so.10.2"), masked("libfoo.so.9.33"));
    }
}
