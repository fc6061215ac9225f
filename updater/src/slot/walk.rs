//! A sorted walk over a slot: the order of manifests, so that the two are compared as streams.
//!
//! It does not go below the folder that the updater keeps for itself, and does not name ext4's own
//! `lost+found` (but what is in it). Of a folder [`HELD`] bytes of names are in memory at a time, and of those above it
//! what is left: a folder with more is read again for what comes after them, so names may go behind the walk, not before it.

use std::mem::MaybeUninit;

use edeploy_format::manifest::SLOT_FOLDER;
use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, seek, statat};

use super::entry::{Entry, Found, Shape};
use super::tree::{Fault, Tree, fault, joined};

const LOST_AND_FOUND: &[u8] = b"lost+found";

/// So many bytes of a folder's names are held when there are more; twice as many while they are read.
const HELD: usize = 4 << 20;

/// The first names in a folder after a given one, sorted; some 10 bytes a name more than the names.
pub(super) struct Listing {
    names: Vec<u8>,
    members: Vec<Member>,
    /// There are more, all of them after this one, which is the last here.
    last: Option<Vec<u8>>,
}

/// 255 bytes are the longest name, so a byte holds the length.
struct Member {
    start: u32,
    length: u8,
    shape: Shape,
}

impl Listing {
    fn sort(&mut self) {
        let Self { names, members, .. } = self;
        let name = |m: &Member| &names[m.start as usize..m.start as usize + usize::from(m.length)];
        members.sort_unstable_by(|a, b| name(a).cmp(name(b)));
    }

    /// Keeps the first, with at most `held` bytes of names, but one at least.
    fn shorten(&mut self, held: usize) {
        self.sort();
        let mut names = Vec::with_capacity(3 * held);
        let mut kept = 0;
        for member in &mut self.members {
            let start = member.start as usize;
            let name = &self.names[start..start + usize::from(member.length)];
            if kept > 0 && names.len() + name.len() > held {
                break;
            }
            member.start = names.len() as u32;
            names.extend_from_slice(name);
            kept += 1;
        }
        self.members.truncate(kept);
        self.names = names;
        self.last = self.members.last().map(|member| self.name(member).to_vec());
    }

    fn name(&self, member: &Member) -> &[u8] {
        let start = member.start as usize;
        &self.names[start..start + usize::from(member.length)]
    }

    fn get(&self, n: usize) -> Option<(&[u8], Shape)> {
        let member = self.members.get(n)?;
        Some((self.name(member), member.shape))
    }
}

impl<'a> IntoIterator for &'a Listing {
    type Item = (&'a [u8], Shape);
    type IntoIter = Box<dyn Iterator<Item = Self::Item> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.members.iter().map(|member| (self.name(member), member.shape)))
    }
}

impl Tree {
    /// What is in the folder `path`, sorted by the bytes of the names.
    pub(super) fn list(&self, path: &[u8]) -> Result<Listing, Fault> {
        self.list_after(path, None, usize::MAX)
    }

    /// What comes after a name: some `held` bytes of names.
    fn list_after(&self, path: &[u8], after: Option<&[u8]>, held: usize) -> Result<Listing, Fault> {
        let folder = self.folder(path)?;
        // The descriptor may be one that was read before.
        seek(&folder, SeekFrom::Start(0)).map_err(fault("listing", path))?;
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut entries = RawDir::new(&folder, &mut buffer);
        let mut listing = Listing { names: Vec::new(), members: Vec::new(), last: None };
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(fault("listing", path))?;
            let name = entry.file_name().to_bytes();
            let is_before = after.is_some_and(|after| name <= after);
            let is_behind = listing.last.as_deref().is_some_and(|last| name > last);
            if is_before || is_behind || matches!(name, b"." | b"..") {
                continue;
            }
            let shape = match entry.file_type() {
                FileType::Unknown => {
                    let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
                    Found::from(stat.map_err(fault("listing", path))?).shape
                }
                known => Shape::of(known),
            };
            let too_long = || Fault::new("listing", path, std::io::ErrorKind::FileTooLarge);
            let start = u32::try_from(listing.names.len()).map_err(|_| too_long())?;
            let length = u8::try_from(name.len()).map_err(|_| too_long())?;
            listing.names.extend_from_slice(name);
            listing.members.push(Member { start, length, shape });
            if listing.names.len() > held.saturating_mul(2) {
                listing.shorten(held);
            }
        }
        listing.sort();
        Ok(listing)
    }
}

/// A folder that is being walked.
struct Level {
    path: Vec<u8>,
    listing: Listing,
    next: usize,
}

/// See the module.
pub struct Walk<'t> {
    tree: &'t Tree,
    levels: Vec<Level>,
    /// Bytes of names that are held of a folder.
    held: usize,
    /// The folder to go into next, unless it is skipped.
    into: Option<Vec<u8>>,
    /// It goes into the updater's own folder, too.
    own: bool,
}

impl<'t> Walk<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, levels: Vec::new(), held: HELD, into: Some(Vec::new()), own: false }
    }

    /// Over all that is in a folder, also in the one that the updater keeps for itself.
    pub(super) fn within(tree: &'t Tree, folder: &[u8]) -> Self {
        Self { into: Some(folder.to_vec()), own: true, ..Self::new(tree) }
    }

    /// Leaves out what is in the folder that came last.
    pub fn skip(&mut self) {
        self.into = None;
    }

    /// The next path; `None` at the end.
    ///
    /// # Errors
    /// [`Fault`]; the walk cannot go on after one.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, Fault> {
        loop {
            if let Some(path) = self.into.take() {
                let listing = self.tree.list_after(&path, None, self.held)?;
                self.levels.push(Level { path, listing, next: 0 });
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some((name, shape)) = level.listing.get(level.next) else {
                match level.listing.last.take() {
                    None => drop(self.levels.pop()),
                    Some(last) => {
                        level.listing = self.tree.list_after(&level.path, Some(&last), self.held)?;
                        level.next = 0;
                    }
                }
                continue;
            };
            let path = joined(&level.path, name);
            level.next += 1;
            if shape == Shape::Folder && (self.own || path != SLOT_FOLDER.as_bytes()) {
                self.into = Some(path.clone());
            }
            if path != LOST_AND_FOUND || shape != Shape::Folder {
                return Ok(Some(Entry { path, shape }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(walk: &mut Walk<'_>, mut each: impl FnMut(&[u8])) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(entry) = walk.next_entry().unwrap() {
            each(&entry.path);
            names.push(String::from_utf8(entry.path).unwrap());
        }
        names
    }

    #[test]
    fn a_folder_of_many_names_is_walked_in_parts_in_the_same_order_also_while_they_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for n in 0..300 {
            // Lengths differ, and some are folders with something in them.
            let path = folder.path().join("x".repeat(n % 7) + &n.to_string());
            if n % 50 == 0 {
                std::fs::create_dir_all(path.join("in")).unwrap();
            } else {
                std::fs::write(path, "").unwrap();
            }
        }
        let tree = Tree::new(std::fs::File::open(folder.path()).unwrap().into());
        let whole = names(&mut tree.walk(), |_| ());
        assert!(whole.len() == 306 && whole.is_sorted(), "{whole:?}");
        for held in [1, 64, 500, 4000] {
            let parts = names(&mut Walk { held, ..tree.walk() }, |_| ());
            assert_eq!(parts, whole, "{held}");
        }
        let mut walk = Walk { held: 64, ..tree.walk() };
        let removed = names(&mut walk, |path| {
            let path = folder.path().join(std::str::from_utf8(path).unwrap());
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        });
        assert_eq!(removed, whole);
        assert_eq!(names(&mut tree.walk(), |_| ()).len(), 12, "folders are left");
    }

    #[test]
    fn a_folder_is_removed_with_all_that_is_in_it_the_updaters_own_too() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(SLOT_FOLDER);
        std::fs::create_dir_all(own.join("tuf/empty")).unwrap();
        std::fs::create_dir_all(folder.path().join("usr/lib/b/c")).unwrap();
        for file in [own.join("manifest"), own.join("tuf/root.json"), folder.path().join("usr/lib/b/f")] {
            std::fs::write(file, "").unwrap();
        }
        std::fs::write(folder.path().join("usr.file"), "").unwrap();
        let tree = Tree::new(std::fs::File::open(folder.path()).unwrap().into());
        tree.remove(b"usr", Shape::Folder).unwrap();
        assert_eq!(names(&mut tree.walk(), |_| ()), ["usr.file"]);
    }
}
