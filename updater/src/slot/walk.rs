//! A sorted walk over a slot: the order of manifests, so that the two are compared as streams.
//!
//! It does not go below the folder that the updater keeps for itself, and does not name ext4's own
//! `lost+found` (but what is in it). One folder's names are in memory at a time, and those that are
//! left of the folders above it.

use std::mem::MaybeUninit;

use edeploy_format::manifest::SLOT_FOLDER;
use rustix::fs::{AtFlags, FileType, RawDir, SeekFrom, seek, statat};

use super::entry::{Entry, Found, Shape};
use super::tree::{Fault, Tree, fault, joined};

const LOST_AND_FOUND: &[u8] = b"lost+found";

/// The names in a folder, sorted; some 10 bytes a name more than the names.
pub(super) struct Listing {
    names: Vec<u8>,
    members: Vec<Member>,
}

/// 255 bytes are the longest name, so a byte holds the length.
struct Member {
    start: u32,
    length: u8,
    shape: Shape,
}

impl Listing {
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
        let folder = self.folder(path)?;
        // The descriptor may be one that was read before.
        seek(&folder, SeekFrom::Start(0)).map_err(fault("listing", path))?;
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        let mut entries = RawDir::new(&folder, &mut buffer);
        let mut listing = Listing { names: Vec::new(), members: Vec::new() };
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(fault("listing", path))?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
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
        }
        let Listing { names, members } = &mut listing;
        let name = |m: &Member| &names[m.start as usize..m.start as usize + usize::from(m.length)];
        members.sort_unstable_by(|a, b| name(a).cmp(name(b)));
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
    /// The folder to go into next, unless it is skipped.
    into: Option<Vec<u8>>,
}

impl<'t> Walk<'t> {
    pub(super) fn new(tree: &'t Tree) -> Self {
        Self { tree, levels: Vec::new(), into: Some(Vec::new()) }
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
                let listing = self.tree.list(&path)?;
                self.levels.push(Level { path, listing, next: 0 });
            }
            let Some(level) = self.levels.last_mut() else { return Ok(None) };
            let Some((name, shape)) = level.listing.get(level.next) else {
                self.levels.pop();
                continue;
            };
            let path = joined(&level.path, name);
            level.next += 1;
            if shape == Shape::Folder && path != SLOT_FOLDER.as_bytes() {
                self.into = Some(path.clone());
            }
            if path != LOST_AND_FOUND || shape != Shape::Folder {
                return Ok(Some(Entry { path, shape }));
            }
        }
    }
}
