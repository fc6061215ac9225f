//! Part `install`: a first install onto an empty disk, against unpacking an archive of the same tree onto the same disk.
//!
//! Ours partitions, makes three file systems, unpacks, syncs, reads all of it back and writes the ESP. The peer unpacks
//! and syncs; its file system is made before. The site and the archive are files on the same disk, caches cold. What
//! of ours is writing and verifying the tree is told by the program itself, stage by stage, to a tenth of a second.

use std::cell::Cell;
use std::path::Path;

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{self, Device, Mounted};
use crate::error::Result;
use crate::parts::machine::DISK;
use crate::run::{Call, Sample, drop_caches};
use crate::trees::{Pair, Trees};
use crate::{folder, ours};

/// The file system of the peer: as large as a slot is, in round numbers.
const SLOT: &str = "1G";
/// The stages that write and verify the tree, as the program tells them.
const OF_THE_TREE: [&str; 6] = [
    "checking what the slot holds",
    "making folders and links",
    "fetching",
    "patching",
    "syncing the slot",
    "reading the slot back",
];

/// Measures the newer tree of a pair.
///
/// # Errors
/// When something fails.
pub(super) fn one(bench: &mut Bench, trees: &Trees, pair: Pair) -> Result<()> {
    let site = ours::site(bench, trees)?;
    let [image, slot, archive, mount] =
        ["install.img", "install.ext4", "install.tar.zst", "mnt"].map(|name| bench.path(name));
    bench.tell(&format!("install {}: making the archive", pair.to));
    packed(&trees.archive(pair.to), &archive)?;
    let last = Cell::new(Sample::default());
    let ways = vec![
        Way::new("ours", || {
            drop_caches()?;
            let ended = site.install(pair.role, pair.to, &image, DISK)?;
            let (wall, foreign) = (of_the_tree(&ended.stderr), ended.sample.foreign);
            last.set(Sample { wall, foreign, ..Sample::default() });
            Ok(Outcome::timed(&ended))
        }),
        // Of the same run; how much of its processor time and memory is the tree's, nobody tells.
        Way::new("ours-tree", || Ok(Outcome { sample: Some(last.get()), bytes: None, requests: None })),
        Way::new("tar-zstd", || {
            disk::make(&slot, SLOT)?;
            let mounted = Mounted::new(Device::whole(&slot)?, mount.clone(), "rw")?;
            drop_caches()?;
            let script = "tar --zstd --xattrs --xattrs-include='*' -xpf \"$1\" -C \"$2\" && sync -f \"$2\"";
            let ended = Call::shell(script).arg(&archive).arg(mounted.folder()).measure()?;
            drop(mounted);
            Ok(Outcome::timed(&ended))
        }),
    ];
    bench.interleave(Part::Install, &pair.name(), ways)?;
    [&image, &slot, &archive, &mount].into_iter().try_for_each(|path| folder::remove(path))
}

/// Seconds of the stages of the tree.
fn of_the_tree(said: &str) -> f64 {
    let seconds = |line: &str| {
        let (stage, took) = line.split_once(':')?;
        let took = took.strip_suffix(" s").filter(|_| OF_THE_TREE.contains(&stage))?;
        took.rsplit(' ').next()?.parse::<f64>().ok()
    };
    said.lines().filter_map(seconds).sum()
}

/// The archive as servers hold such things.
fn packed(archive: &Path, to: &Path) -> Result<()> {
    Call::new("zstd").words("-q -f -T0 -9").arg(archive).arg("-o").arg(to).run().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_of_the_tree_are_summed_and_no_others() {
        let said = "fetching the manifest: 0.7 s\nmaking folders and links: 0.1 s\nfetching: 1.4 MB in 1.3 s\n\
                    syncing the slot: 0.4 s\nreading the slot back: 438.0 MB in 0.8 s\nslot b: nothing\n";
        assert!((of_the_tree(said) - 2.6).abs() < 1e-9, "{}", of_the_tree(said));
    }
}
