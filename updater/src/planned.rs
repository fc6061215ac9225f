//! What an upgrade of an installed machine, or a first install, would do and cost.

use std::fs::File;

use edeploy_format::exit::Exit;
use edeploy_format::slot::Slot;

use crate::disk::mount::{Access, Mount};
use crate::disk::place::Volume;
use crate::failure::Failure;
use crate::fetch::Fetch;
use crate::installed::{Installed, mount_point, own_manifest};
use crate::progress::{Progress, Quiet, size};
use crate::slot::{Change, Index, Kept, NoRoom, Plan, PlannedFrom, Planning, Tree, content_at};
use crate::trust::Scratch;
use crate::wanted::Wanted;

/// What an upgrade would do, and whether the slot is large enough for it.
pub struct Planned {
    /// What it would do.
    pub plan: Plan,
    /// How the bytes come, in words.
    pub way: String,
    /// Whether the slot has room.
    pub room: Result<(), NoRoom>,
}

impl Planned {
    fn new(plan: Plan, wanted: &Wanted, slot: Slot, partition: u64) -> Self {
        let name = if wanted.has_own_delta() { "its own delta" } else { "the delta" };
        let delta = plan.by_delta.bytes;
        let way = match (delta, plan.download.bytes - delta) {
            (0, 0) => "nothing is fetched".to_owned(),
            (0, _) => "whole contents".to_owned(),
            (_, 0) => format!("by {name}"),
            (delta, _) => format!("{} of it by {name}", size(delta)),
        };
        Self { plan, way, room: plan.need.fits(slot, partition) }
    }
}

/// Fetches the index of the delta that an upgrade may take: the one from what runs; else the one of the version from
/// itself. That makes the initrd, so it is of no use where the running slot has the same. Where the manifest of the
/// running slot cannot be read, nothing is made of it.
///
/// # Errors
/// If that manifest is none.
pub fn fetch_delta(
    installed: &Installed,
    wanted: &mut Wanted,
    fetch: &dyn Fetch,
    scratch: Scratch<'_>,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Installed { head, options, .. } = installed;
    let own = installed.manifest().ok();
    if head.version != wanted.head.version && own.is_some() {
        wanted.fetch_delta(fetch, &head.version, options.manifest, scratch, progress)?;
    }
    if wanted.delta(fetch).is_none() {
        let [_, (initrd, _)] = wanted.boot.objects;
        let has = own.map(|own| content_at(&own, &head.initrd)).transpose()?.flatten();
        if has != Some(initrd) {
            wanted.fetch_own_delta(fetch, scratch, progress)?;
        }
    }
    Ok(())
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
    // Filling says so.
    let source = installed.source(&Quiet);
    let index = source.as_ref().map(|(own, kept)| Index::of_running(own, kept)).transpose()?;
    let running = source.as_ref().zip(index.as_ref());
    let running =
        running.map(|((manifest, _), index)| PlannedFrom { tree: &installed.tree, manifest, index });
    let spare = installed.slot().other();
    // A slot that cannot be mounted counts as empty.
    let volume = installed.place.looked_at(installed.place.layout.slot(spare)).ok();
    let mounted =
        |volume: &Volume| Mount::ext4(volume.path(), &mount_point("inactive"), Access::ReadOnly).ok();
    let mount = volume.as_ref().and_then(mounted);
    let inactive = mount.as_ref().map(|mount| -> Result<(Tree, Option<File>), Failure> {
        let tree = Tree::new(mount.root()?);
        let manifest = own_manifest(&tree).ok();
        Ok((tree, manifest))
    });
    let inactive = inactive.transpose()?;
    let inactive = inactive.as_ref().map(|(tree, manifest)| (tree, manifest.as_ref()));
    let (manifest, pack_index) = (&wanted.manifest, wanted.pack(fetch).index);
    let delta_index = wanted.delta(fetch).map(|delta| delta.index);
    let partition = installed.place.layout.slot(spare).size;
    let planning = Planning { manifest, pack_index, delta_index, partition, kept: &kept, running, inactive };
    let plan = planning.run(on)?;
    Ok(Planned::new(plan, wanted, spare, partition))
}

/// Plans a first install, into slot a.
///
/// # Errors
/// If the manifest or the pack's index cannot be read.
pub fn plan_install(wanted: &Wanted, fetch: &dyn Fetch) -> Result<Planned, Failure> {
    let (manifest, pack_index, kept) = (&wanted.manifest, wanted.pack(fetch).index, &Kept::nothing());
    let (running, inactive) = (None, None);
    let delta_index = wanted.delta(fetch).map(|delta| delta.index);
    let partition = wanted.head.slot_size;
    let planning = Planning { manifest, pack_index, delta_index, partition, kept, running, inactive };
    let plan = planning.run(&mut |_, _| ())?;
    Ok(Planned::new(plan, wanted, Slot::A, partition))
}

/// Says what it will cost, and refuses what will not fit or is more than may come.
///
/// # Errors
/// [`Exit::Space`] or [`Exit::Refused`].
pub fn announce(
    planned: &Planned,
    wanted: &Wanted,
    fetch: &dyn Fetch,
    progress: &dyn Progress,
) -> Result<(), Failure> {
    let Planned { plan, way, room } = planned;
    let [download, write, copy] = [plan.download.bytes, plan.written(), plan.copied].map(size);
    let version = &wanted.head.version;
    progress.note(&format!(
        "{version}: {download} to download, {way}; {write} to write ({copy} from the running slot)"
    ));
    room.map_err(|e| Failure::new(Exit::Space, e))?;
    Ok(fetch.allows(plan.download.bytes)?)
}
