//! Which paths a transition carries over: what running slot and tree have, by the rules.
//!
//! - A path of the running slot that `exclude` covers is carried, whether the tree has it or not.
//! - A file or link that `add_only` covers is carried if the tree has a file or link there too; where
//!   it has not, the machine's goes like all that is not in the tree.
//! - A path of the tree that either covers, and the running slot has not, stays as the tree has it,
//!   but leaves its hard-link group: it is the machine's from now on.

use std::fs::File;

use edeploy_format::manifest::Record;

use super::entry::{Entry, Shape};
use super::index::manifest;
use super::kept::{Covered, Kept};
use super::merge::{Merge, MergeError, Pair};
use super::tree::Tree;

/// A path that belongs to the machine.
pub(super) enum Selected {
    /// The running slot's is carried over.
    Carried(Entry),
    /// The tree's stays.
    Stays(Record),
}

/// Tells `on` of every such path, in walking order.
pub(super) fn select<E: From<MergeError>>(
    tree: &File,
    running: &Tree,
    kept: &Kept,
    mut on: impl FnMut(Selected) -> Result<(), E>,
) -> Result<(), E> {
    let reader = manifest(tree).map_err(MergeError::from)?;
    let (mut merge, mut kept) = (Merge::new(reader, running.walk()), kept.in_order());
    while let Some(pair) = merge.next_pair()? {
        // What the machine has decides; the manifest speaks where it has nothing.
        let (path, shape) = match &pair {
            Pair::Both(_, entry) | Pair::Extra(entry) => (&entry.path[..], entry.shape),
            Pair::Missing(record) => (record.path.as_bytes(), Shape::wanted(record)),
        };
        let covered = kept.judge(path, shape == Shape::Folder);
        match pair {
            Pair::Extra(entry) if covered.excluded => on(Selected::Carried(entry))?,
            Pair::Both(record, entry) if is_carried(covered, &record) => on(Selected::Carried(entry))?,
            Pair::Missing(record) if covered.by_either() => on(Selected::Stays(record))?,
            Pair::Extra(_) | Pair::Both(..) | Pair::Missing(_) => {}
        }
    }
    Ok(())
}

fn is_carried(covered: Covered, record: &Record) -> bool {
    covered.excluded || (covered.only_added && Shape::wanted(record) != Shape::Folder)
}
