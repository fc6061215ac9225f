//! What an upgrade of an installed machine would do and cost.

use std::fs::File;

use crate::disk::mount::{Access, Mount};
use crate::failure::Failure;
use crate::fetch::Fetch;
use crate::installed::{Installed, mount_point, own_manifest};
use crate::slot::{Change, Index, Kept, NoRoom, Plan, PlannedFrom, Planning, Tree};
use crate::wanted::Wanted;

/// ext4 keeps at most this part of a partition for itself: 256 bytes of 16 KiB for inodes, the journal.
const FILE_SYSTEM: u64 = 16;

/// What an upgrade would do, and whether the slot is large enough for it.
pub struct Planned {
    /// What it would do.
    pub plan: Plan,
    /// Whether the slot has room.
    pub room: Result<(), NoRoom>,
}

/// Plans, and tells `on` of every path that changes; changes nothing.
///
/// # Errors
/// If something cannot be read, or the transition's rules are wrong.
pub fn plan(
    installed: &Installed,
    wanted: &Wanted,
    fetch: &dyn Fetch,
    on: &mut dyn FnMut(Change, &str),
) -> Result<Planned, Failure> {
    let rule = wanted.rule(&installed.head)?;
    let kept = Kept::new(&rule.exclude, &rule.add_only)?;
    kept.lint(&wanted.head)?;
    let (own, own_kept) = (installed.manifest()?, installed.kept()?);
    let index = Index::of_running(&own, &own_kept)?;
    let running = Some(PlannedFrom { tree: &installed.tree, manifest: &own, index: &index });
    let volume =
        installed.place.volume(installed.place.layout.slot(installed.slot().other()), Access::ReadOnly)?;
    // A slot that cannot be mounted or has no manifest counts as empty.
    let mount = Mount::ext4(volume.path(), &mount_point("inactive"), Access::ReadOnly).ok();
    let inactive = mount.as_ref().map(|mount| -> Result<(Tree, Option<File>), Failure> {
        let tree = Tree::new(mount.root()?);
        let manifest = own_manifest(&tree).ok();
        Ok((tree, manifest))
    });
    let inactive = inactive.transpose()?;
    let inactive = inactive.as_ref().and_then(|(tree, manifest)| Some((tree, manifest.as_ref()?)));
    let (manifest, pack_index) = (&wanted.manifest, wanted.pack(fetch).index);
    let plan = Planning { manifest, pack_index, kept: &kept, running, inactive }.run(on)?;
    let partition = installed.place.layout.slot(installed.slot().other()).size;
    let (needed, found) = (plan.need.bytes, partition - partition / FILE_SYSTEM);
    // Inodes are no matter: a file system with too few of them is made anew.
    let room = if needed > found { Err(NoRoom { unit: "bytes", needed, found }) } else { Ok(()) };
    Ok(Planned { plan, room })
}
