//! Putting something in the place of something else, whole, across a power cut.
//!
//! The new one is made beside the old one, under another name. Two barriers: its content is on the disk before its name
//! is, or the name could lead to half of it; and the name is on the disk before anybody is told, or what was told could
//! be forgotten. A test leaves out each.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What takes the place of something.
pub(crate) trait Successor {
    /// Makes it beside, under another name.
    fn make(&mut self) -> io::Result<()>;
    /// Has its content on the disk.
    fn sync_content(&mut self) -> io::Result<()>;
    /// Gives it its name.
    fn name(&mut self) -> io::Result<()>;
    /// Has its name on the disk.
    fn sync_name(&mut self) -> io::Result<()>;
}

/// Puts it in its place: whole or not at all, and on the disk when this returns.
///
/// # Errors
/// Those of its steps.
pub(crate) fn put(successor: &mut impl Successor) -> io::Result<()> {
    successor.make()?;
    successor.sync_content()?;
    successor.name()?;
    successor.sync_name()
}

/// Replaces the file at `path`, whose folder is made where it is missing, by one with these bytes and this mode.
///
/// # Errors
/// Any of the file system.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    put(&mut Text { path, new, bytes, mode, file: None })
}

/// Has the name at `path` on the disk. The content of what [`replace`] put there is: it was, before it had the name.
///
/// # Errors
/// Any of the file system.
pub fn settle(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// Makes the folder `path` and those above it that are not there; each has its name on the disk then.
///
/// # Errors
/// Any of the file system.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    make_folder(folder(path))?;
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => settle(path),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A small file.
struct Text<'a> {
    path: &'a Path,
    new: PathBuf,
    bytes: &'a [u8],
    mode: u32,
    file: Option<File>,
}

impl Successor for Text<'_> {
    fn make(&mut self) -> io::Result<()> {
        make_folder(folder(self.path))?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(self.mode).open(&self.new)?;
        file.write_all(self.bytes)?;
        self.file = Some(file);
        Ok(())
    }

    fn sync_content(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_all)
    }

    fn name(&mut self) -> io::Result<()> {
        fs::rename(&self.new, self.path)
    }

    fn sync_name(&mut self) -> io::Result<()> {
        settle(self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a name may lead to after a power cut.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Found {
        Old,
        New,
        /// Nothing, a part, or zeros.
        Broken,
    }

    /// A step that may be left out.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Sync {
        Content,
        Name,
    }

    /// A file system that keeps back what it was not told to sync, and the power goes after so many steps.
    struct Medium {
        left: usize,
        left_out: Option<Sync>,
        content: bool,
        named: bool,
        name: bool,
    }

    impl Medium {
        fn new(left: usize, left_out: Option<Sync>) -> Self {
            Self { left, left_out, content: false, named: false, name: false }
        }

        fn step(&mut self) -> io::Result<()> {
            self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is gone"))?;
            Ok(())
        }

        /// All that may be there once the power is back.
        fn found(&self) -> Vec<Found> {
            let new = if self.content { vec![Found::New] } else { vec![Found::New, Found::Broken] };
            match (self.named, self.name) {
                (false, _) => vec![Found::Old],
                (true, true) => new,
                (true, false) => [vec![Found::Old], new].concat(),
            }
        }
    }

    impl Successor for Medium {
        fn make(&mut self) -> io::Result<()> {
            self.step()
        }

        fn sync_content(&mut self) -> io::Result<()> {
            self.step()?;
            self.content = self.left_out != Some(Sync::Content);
            Ok(())
        }

        fn name(&mut self) -> io::Result<()> {
            self.step()?;
            self.named = true;
            Ok(())
        }

        fn sync_name(&mut self) -> io::Result<()> {
            self.step()?;
            self.name = self.left_out != Some(Sync::Name);
            Ok(())
        }
    }

    /// What may be found that was not promised, wherever the power goes.
    fn broken_promises(left_out: Option<Sync>) -> Vec<(usize, Found)> {
        let mut broken = Vec::new();
        for left in 0..=4 {
            let mut medium = Medium::new(left, left_out);
            let told = put(&mut medium).is_ok();
            assert_eq!(told, left == 4);
            let promised = |found: &Found| match found {
                Found::New => true,
                Found::Old => !told,
                Found::Broken => false,
            };
            broken.extend(
                medium.found().into_iter().filter(|found| !promised(found)).map(|found| (left, found)),
            );
        }
        broken
    }

    #[test]
    fn wherever_the_power_goes_the_old_or_the_new_one_is_found_and_once_told_the_new_one() {
        assert_eq!(broken_promises(None), []);
    }

    #[test]
    fn leaving_out_either_barrier_breaks_a_promise() {
        assert_eq!(broken_promises(Some(Sync::Content)), [(3, Found::Broken), (4, Found::Broken)]);
        assert_eq!(broken_promises(Some(Sync::Name)), [(4, Found::Old)]);
    }

    #[test]
    fn a_file_is_replaced_whatever_an_earlier_cut_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/text");
        replace(&path, b"one", 0o600).unwrap();
        fs::write(path.with_extension("new"), "what a cut left, and longer").unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
