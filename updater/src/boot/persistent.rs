//! Persistent paths: they live on the state partition and are mounted over the tree.
//!
//! The list lies in the tree. Each source under `/var/lib/edeploy/persistent/` that is missing is
//! seeded from the tree, whole or not at all; one that is there is never touched, so that neither a
//! new version nor a fall-back changes what belongs to the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use edeploy_format::path::{TreePath, unescape};
use edeploy_format::units::PERSISTENT;

use super::{seed, state};
use crate::durable::{self, Successor};

const SOURCES: &str = "var/lib/edeploy/persistent";

/// What was done for a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brought {
    /// Its source was there.
    Kept,
    /// Its source was made from the tree.
    Seeded,
}

/// Why a path is not the machine's own.
#[derive(Debug, thiserror::Error)]
pub(super) enum PersistentError {
    /// The list, or a line of it.
    #[error("the list of persistent paths")]
    List(#[source] io::Error),
    /// The tree has no such file or folder to mount over.
    #[error("the tree has neither a file nor a folder there")]
    NoPlace,
    /// It could not be taken from the tree.
    #[error("copying it from the tree")]
    Seed(#[source] io::Error),
    /// It could not be mounted.
    #[error("mounting it")]
    Mount(#[source] io::Error),
}

/// Seeds and mounts every path of the list; what came of each.
pub(super) fn bring(root: &Path) -> Vec<(String, Result<Brought, PersistentError>)> {
    match list(root) {
        Ok(paths) => paths.into_iter().map(|path| (path.to_string(), one(root, &path))).collect(),
        Err(e) => vec![(PERSISTENT.to_owned(), Err(PersistentError::List(e)))],
    }
}

fn list(root: &Path) -> io::Result<Vec<TreePath>> {
    let text = match fs::read_to_string(root.join(PERSISTENT)) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let parsed: Result<_, _> = text.lines().map(|line| unescape(line).and_then(TreePath::new)).collect();
    parsed.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}

fn one(root: &Path, path: &TreePath) -> Result<Brought, PersistentError> {
    let place = root.join(path.as_str());
    if state::is_mount_point(&place) {
        return Ok(Brought::Kept);
    }
    let kind = fs::symlink_metadata(&place).map_err(|_| PersistentError::NoPlace)?.file_type();
    if !kind.is_dir() && !kind.is_file() {
        return Err(PersistentError::NoPlace);
    }
    let source = root.join(SOURCES).join(path.as_str());
    let brought = seed_missing(&place, &source, &root.join(SOURCES)).map_err(PersistentError::Seed)?;
    rustix::mount::mount_bind(&source, &place).map_err(|e| PersistentError::Mount(e.into()))?;
    Ok(brought)
}

/// Makes `source` a copy of `place` unless it exists. It gets its name last, so that a copy cut short
/// by a power failure is never taken for the whole.
fn seed_missing(place: &Path, source: &Path, sources: &Path) -> io::Result<Brought> {
    if fs::symlink_metadata(source).is_ok() {
        return Ok(Brought::Kept);
    }
    durable::put(&mut Seed { place, source, sources, unfinished: sources.join(".seeding") })?;
    Ok(Brought::Seeded)
}

/// A source that is made from the tree.
struct Seed<'a> {
    place: &'a Path,
    source: &'a Path,
    sources: &'a Path,
    unfinished: PathBuf,
}

impl Seed<'_> {
    fn folder(&self) -> &Path {
        self.source.parent().unwrap_or(self.sources)
    }
}

impl Successor for Seed<'_> {
    fn make(&mut self) -> io::Result<()> {
        durable::make_folder(self.folder())?;
        seed::remove(&self.unfinished)?;
        seed::copy(self.place, &self.unfinished)
    }

    fn sync_content(&mut self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(fs::File::open(self.sources)?)?)
    }

    fn name(&mut self) -> io::Result<()> {
        fs::rename(&self.unfinished, self.source)
    }

    fn sync_name(&mut self) -> io::Result<()> {
        fs::File::open(self.folder())?.sync_all()
    }
}

/// Seeds the persistent path that `path` is or lies below, from the tree in `slot`, on the state partition that is
/// mounted below `machine`: as the first boot would. A persistent path that is a file is not seeded for a file.
///
/// # Errors
/// If the list cannot be read, or something not be copied.
#[cfg(feature = "installer")]
pub(crate) fn seed_persistent(slot: &Path, machine: &Path, path: &TreePath) -> io::Result<()> {
    let whole = list(slot)?.into_iter().find(|whole| path.is_below(whole.as_str()));
    let Some(whole) = whole.filter(|whole| slot.join(whole.as_str()).is_dir()) else { return Ok(()) };
    let sources = machine.join(SOURCES);
    seed_missing(&slot.join(whole.as_str()), &sources.join(whole.as_str()), &sources).map(|_| ())
}

/// Gives the kernel the name in `/etc/hostname`: systemd read the tree's, before the machine's own was
/// mounted over it.
///
/// # Errors
/// When there is a name that the kernel does not take.
pub(super) fn host_name(root: &Path) -> io::Result<()> {
    match name_in(&fs::read_to_string(root.join("etc/hostname")).unwrap_or_default()) {
        Some(name) => Ok(rustix::system::sethostname(name.as_bytes())?),
        None => Ok(()),
    }
}

fn name_in(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_name_is_the_first_line_that_is_no_comment() {
        assert_eq!(name_in("# by edeploy\n\n web-7 \nother\n"), Some("web-7"));
        assert_eq!(name_in(""), None);
    }

    #[test]
    fn a_missing_source_is_seeded_once_and_then_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let (place, sources) = (root.path().join("etc"), root.path().join(SOURCES));
        let source = sources.join("etc/ssh");
        fs::create_dir_all(place.join("ssh")).unwrap();
        fs::write(place.join("ssh/config"), "of the tree").unwrap();
        // What a boot that was cut short left.
        fs::create_dir_all(sources.join(".seeding/half")).unwrap();
        let seed = || seed_missing(&place.join("ssh"), &source, &sources).unwrap();
        assert_eq!(seed(), Brought::Seeded);
        assert!(!sources.join(".seeding").exists());
        fs::remove_file(source.join("config")).unwrap();
        fs::write(source.join("key"), "of the machine").unwrap();
        assert_eq!(seed(), Brought::Kept);
        let names: Vec<_> = fs::read_dir(&source).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["key"]);
    }

    /// A seed that loses power after so many steps.
    struct Cut<'a> {
        seed: Seed<'a>,
        left: usize,
    }

    impl<'a> Cut<'a> {
        fn step(&mut self, step: impl FnOnce(&mut Seed<'a>) -> io::Result<()>) -> io::Result<()> {
            self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is gone"))?;
            step(&mut self.seed)
        }
    }

    impl Successor for Cut<'_> {
        fn make(&mut self) -> io::Result<()> {
            self.step(Successor::make)
        }

        fn sync_content(&mut self) -> io::Result<()> {
            self.step(Successor::sync_content)
        }

        fn name(&mut self) -> io::Result<()> {
            self.step(Successor::name)
        }

        fn sync_name(&mut self) -> io::Result<()> {
            self.step(Successor::sync_name)
        }
    }

    /// The steps, with what the disk may have made of what was not synced: half a copy, and a name that is not there.
    #[test]
    fn wherever_the_power_goes_the_next_boot_has_the_whole_of_a_persistent_folder() {
        for (left, loses) in [(0, ""), (1, "content"), (1, ""), (2, ""), (3, "name"), (3, ""), (4, "")] {
            let root = tempfile::tempdir().unwrap();
            let (place, sources) = (root.path().join("ssh"), root.path().join(SOURCES));
            let source = sources.join("ssh");
            fs::create_dir(&place).unwrap();
            for name in ["config", "moduli"] {
                fs::write(place.join(name), name).unwrap();
            }
            let unfinished = sources.join(".seeding");
            let seed = Seed { place: &place, source: &source, sources: &sources, unfinished };
            let mut cut = Cut { seed, left };
            assert_eq!(durable::put(&mut cut).is_ok(), left == 4);
            match loses {
                "content" => fs::write(cut.seed.unfinished.join("config"), "").unwrap(),
                "name" => fs::rename(&source, &cut.seed.unfinished).unwrap(),
                _ => {}
            }
            let is_there = source.exists();
            assert_eq!(is_there, left == 4 || (left, loses) == (3, ""), "{left} {loses}");
            let brought = seed_missing(&place, &source, &sources).unwrap();
            assert_eq!(brought, if is_there { Brought::Kept } else { Brought::Seeded }, "{left} {loses}");
            for name in ["config", "moduli"] {
                assert_eq!(fs::read_to_string(source.join(name)).unwrap(), name, "{left} {loses}");
            }
        }
    }

    #[test]
    fn a_list_with_a_path_that_leaves_the_root_is_refused_whole() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/edeploy")).unwrap();
        assert!(bring(root.path()).is_empty());
        fs::write(root.path().join(PERSISTENT), "etc/ssh\n../etc/shadow\n").unwrap();
        let brought = bring(root.path());
        assert!(matches!(brought[..], [(_, Err(PersistentError::List(_)))]), "{brought:?}");
    }

    #[test]
    fn paths_are_read_as_they_are_escaped_in_the_list() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/edeploy")).unwrap();
        let path = "srv/a b\\c\u{e9}";
        fs::write(root.path().join(PERSISTENT), format!("{}\n", edeploy_format::path::escape(path))).unwrap();
        assert_eq!(list(root.path()).unwrap(), [TreePath::new(path).unwrap()]);
        fs::write(root.path().join(PERSISTENT), "srv/a b\n").unwrap();
        assert!(list(root.path()).is_err(), "a path that is not escaped");
    }

    #[test]
    fn a_path_the_tree_does_not_have_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/lib/edeploy")).unwrap();
        fs::write(root.path().join(PERSISTENT), "etc/nothing\n").unwrap();
        let brought = bring(root.path());
        assert!(
            matches!(&brought[..], [(path, Err(PersistentError::NoPlace))] if path == "etc/nothing"),
            "{brought:?}"
        );
    }
}
