//! Part `growth`: 10,000, 100,000 and 1,000,000 files of about one kilobyte, and one file of 4 GiB; of us alone also
//! 1,000,000 with a kernel beside them, which the delta opens and a host packs again.
//!
//! Each tree is built, published, installed, changed in every tenth file (the large one: in every sixteenth MiB), and
//! upgraded by a delta. What has to be linear is time; what has to be flat is memory on the host.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::disk::{Device, Mounted, Slot};
use crate::error::Result;
use crate::folder;
use crate::ours::{Role, Site};
use crate::parts::machine::{self, Copy};
use crate::parts::tree::Tree;
use crate::peers;
use crate::peers::casync::Chunked;
use crate::peers::ostree::Repository;
use crate::run::{Call, drop_caches};
use crate::trees;

/// One size.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Its files.
    pub files: u32,
    /// The bytes of each.
    pub bytes: u64,
    slot: &'static str,
    /// Whether the kernels of web1 and web2 come to the files.
    pub kernel: bool,
    /// Rounds at most.
    most: usize,
}

/// The sizes.
pub const CASES: [Case; 5] = [
    Case { name: "10k", files: 10_000, bytes: 1000, slot: "400MiB", kernel: false, most: 5 },
    Case { name: "100k", files: 100_000, bytes: 1000, slot: "1GiB", kernel: false, most: 3 },
    Case { name: "1m", files: 1_000_000, bytes: 1000, slot: "7GiB", kernel: false, most: 1 },
    Case { name: "1m and a kernel", files: 1_000_000, bytes: 1000, slot: "7GiB", kernel: true, most: 1 },
    Case { name: "4gib", files: 1, bytes: 4 << 30, slot: "9GiB", kernel: false, most: 1 },
];

/// The ways of this part, as they are shown.
pub const WAYS: [&str; 10] = [
    "ours-build",
    "ours-changed",
    "ours-delta",
    "ours-upgrade",
    "ours-verify",
    "tar",
    "b3sum",
    "b3sum-slot",
    "ostree-bare",
    "casync",
];

const VERSIONS: [&str; 2] = ["v1", "v2"];

/// Measures all sizes that were asked for.
///
/// # Errors
/// When something fails.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    for case in CASES {
        if bench.wants(case.name) {
            let folder = bench.path("growth");
            folder::fresh(&folder)?;
            let done = one(bench, case, &folder);
            folder::remove(&folder)?;
            done?;
        }
    }
    Ok(())
}

fn one(bench: &mut Bench, case: Case, folder: &Path) -> Result<()> {
    let role = Role { name: "many", slot: case.slot, bare: true };
    let tree = Tree { root: folder.join("tree"), files: case.files, bytes: case.bytes };
    bench.tell(&format!("growth {}: making the tree", case.name));
    tree.make()?;
    kernel(bench, case, "web1", &tree)?;
    let site = Site::at(bench, folder.join("site"));
    site.init()?;
    new_tree(bench, case, role, &site, &tree.root)?;
    if !site.builds().exists() {
        site.build(role, VERSIONS[0], &tree.root)?;
    }
    site.publish(role.name, VERSIONS[0])?;
    folder::remove(&site.builds())?;
    // Not among the images of the other site.
    let image = folder.join("machine.img");
    site.install(role.name, VERSIONS[0], &image, machine::DISK)?;
    tree.change()?;
    kernel(bench, case, "web2", &tree)?;
    let again =
        |site: &Site| -> Result<Outcome> { Ok(Outcome::timed(&site.build(role, VERSIONS[1], &tree.root)?)) };
    bench.interleave(Part::Growth, case.name, vec![Way::seldom("ours-changed", 1, || again(&site))])?;
    if !site.builds().exists() {
        again(&site)?;
    }
    site.publish(role.name, VERSIONS[1])?;
    folder::remove(&site.builds())?;
    // From here on the site has all that is needed.
    folder::remove(&tree.root)?;
    on_host(bench, case, &site, &image)
}

/// Puts the kernel of one of the real trees beside the files, where the case has one.
fn kernel(bench: &Bench, case: Case, of: &str, tree: &Tree) -> Result<()> {
    if !case.kernel {
        return Ok(());
    }
    let script = "tar -xOf \"$1\" --wildcards './boot/vmlinuz-*' >\"$2\" && test -s \"$2\"";
    let archive = trees::ready(bench)?.archive(of);
    Call::shell(script).arg(archive).arg(tree.root.join("srv/kernel")).run().map(|_| ())
}

/// A new tree, by us and by peers.
fn new_tree(bench: &mut Bench, case: Case, role: Role, site: &Site, tree: &Path) -> Result<()> {
    let [bare, chunks] = ["growth/bare", "growth/casync"].map(|name| bench.path(name));
    let done = |ended: Result<crate::run::Ended>, made: &[&PathBuf]| -> Result<Outcome> {
        let outcome = Outcome::timed(&ended?);
        made.iter().try_for_each(|path| folder::remove(path))?;
        Ok(outcome)
    };
    let mut ways = vec![
        Way::seldom("ours-build", case.most, || {
            site.init()?;
            folder::remove(&site.builds())?;
            done(site.build(role, VERSIONS[0], tree), &[])
        }),
        Way::seldom("tar", case.most, || {
            done(Call::shell("tar -C \"$1\" -cf - . | cat >/dev/null").arg(tree).measure(), &[])
        }),
        Way::seldom("b3sum", case.most, || done(peers::b3sum(tree).measure(), &[])),
        Way::seldom("ostree-bare", case.most, || {
            let repository = Repository::at(bare.clone());
            repository.init("bare")?;
            done(repository.commit("tree", tree).measure(), &[&bare])
        }),
        Way::seldom("casync", case.most, || done(Chunked::at(chunks.clone()).make(tree), &[&chunks])),
    ];
    if case.kernel {
        ways.truncate(1);
    }
    bench.interleave(Part::Growth, case.name, ways)
}

/// The delta, the upgrade by it, and reading the slot.
fn on_host(bench: &mut Bench, case: Case, site: &Site, image: &Path) -> Result<()> {
    let (work, mount) = (bench.path("growth"), bench.path("mnt"));
    let made = Cell::new(false);
    let make = || {
        made.set(true);
        site.delta("many", VERSIONS[0], VERSIONS[1], &[])
    };
    let delta = Way::seldom("ours-delta", 1, || Ok(Outcome::timed(&make()?)));
    bench.interleave(Part::Growth, case.name, vec![delta])?;
    if !made.get() {
        make()?;
    }
    let mut last = None;
    let upgrade = Way::seldom("ours-upgrade", case.most, || {
        // One image of 1,000,000 files is room enough.
        drop(last.take());
        let copy = Copy::of(&work, image)?;
        drop_caches()?;
        let ended = site.upgrade(copy.path(), VERSIONS[1])?;
        last = Some(copy);
        Ok(Outcome::timed(&ended))
    });
    bench.interleave(Part::Growth, case.name, vec![upgrade])?;
    let Some(copy) = last else { return Ok(()) };
    let ways = vec![
        Way::seldom("ours-verify", case.most, || {
            drop_caches()?;
            Ok(Outcome::timed(&site.host("verify", copy.path(), "b").measure()?))
        }),
        Way::seldom("b3sum-slot", case.most, || {
            let mounted = Mounted::new(Device::slot(copy.path(), Slot::B)?, mount.clone(), "ro")?;
            drop_caches()?;
            let ended = peers::b3sum(mounted.folder()).measure()?;
            drop(mounted);
            Ok(Outcome::timed(&ended))
        }),
    ];
    bench.interleave(Part::Growth, case.name, ways)?;
    folder::remove(&mount)
}
