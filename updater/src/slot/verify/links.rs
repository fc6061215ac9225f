//! Hard links: do the names that the manifest links share a file, and no other name?
//!
//! The inode's own count of names says when a group is complete; only groups that are not yet
//! complete are remembered. A kept name has left its group: where it was the first, the first one
//! that is left takes its place.

use std::collections::HashMap;

use edeploy_format::manifest::Record;
use edeploy_format::path::TreePath;

use crate::slot::entry::Found;
use crate::slot::tree::{Fault, Tree};

#[derive(Default)]
pub(super) struct Links {
    /// By inode: groups with names still to come.
    open: HashMap<u64, Group>,
    /// By the first name of the manifest, which is kept: the inode of the names that are left.
    orphans: HashMap<TreePath, u64>,
}

/// What a further name of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A name of the same file as the first one: compared with that.
    Same,
    /// The first one that is left of its group: not compared yet.
    Leader,
    /// A name of another file.
    Other,
}

struct Group {
    first: TreePath,
    missing: u64,
}

impl Links {
    /// Notes the first name of a file; false if its file already belongs to another first name.
    pub(super) fn file(&mut self, record: &Record, found: &Found) -> bool {
        if found.links == 1 {
            return true;
        }
        if self.open.contains_key(&found.inode) {
            self.came(found.inode);
            return false;
        }
        self.open.insert(found.inode, Group { first: record.path.clone(), missing: found.links - 1 });
        true
    }

    /// Notes a further name of the file that `first` names.
    pub(super) fn further(
        &mut self,
        slot: &Tree,
        record: &Record,
        first: &TreePath,
        first_is_kept: bool,
        found: &Found,
    ) -> Result<Name, Fault> {
        let expected = if first_is_kept {
            if !self.orphans.contains_key(first) {
                self.orphans.insert(first.clone(), found.inode);
                return Ok(if self.file(record, found) { Name::Leader } else { Name::Other });
            }
            self.orphans.get(first).copied()
        } else {
            slot.stat(first.as_bytes())?.map(|found| found.inode)
        };
        if expected != Some(found.inode) {
            return Ok(Name::Other);
        }
        self.came(found.inode);
        Ok(Name::Same)
    }

    fn came(&mut self, inode: u64) {
        if let Some(group) = self.open.get_mut(&inode) {
            group.missing -= 1;
            if group.missing == 0 {
                self.open.remove(&inode);
            }
        }
    }

    /// The first names of files that have names which the manifest does not link to them.
    pub(super) fn incomplete(self) -> impl Iterator<Item = TreePath> {
        self.open.into_values().map(|group| group.first)
    }
}
