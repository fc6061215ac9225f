//! A plan says what filling will then do, and touches nothing.

use std::fs;

use edeploy_ab::progress::Quiet;
use edeploy_ab::slot::{Carrying, Index, Kept, Plan, PlannedFrom, Planning};
use edeploy_format::slot::Slot::B;

use crate::support::{Disk, Published, Server, Slot, Version, fill, fill_from};

fn version() -> Version {
    let mut version = Version::new();
    version.folder("etc");
    version.file("etc/config", b"configuration");
    version.file("etc/same", b"same in all");
    version.file("old", &[1; 100_000]);
    version.file("x", b"linked");
    version.hard_link("y", "x");
    version
}

fn newer() -> Version {
    let mut version = version().without("old").without("etc/config");
    version.file("etc/config", b"new configuration");
    version.file("moved", &[1; 100_000]);
    version.file("new", &[2; 200_000]);
    version.folder("srv").mode = 0o700;
    version
}

/// The plan, and one line for each path.
fn plan(
    new: &Published,
    kept: &Kept,
    running: Option<(&Slot, &Published)>,
    inactive: Option<(&Slot, &Published)>,
) -> (Plan, Vec<String>) {
    let trees = (running.map(|(slot, _)| slot.tree()), inactive.map(|(slot, _)| slot.tree()));
    let index = running.map(|(_, version)| Index::of_running(&version.manifest, &Kept::nothing()).unwrap());
    let running = running.map(|(_, version)| PlannedFrom {
        tree: trees.0.as_ref().unwrap(),
        manifest: &version.manifest,
        index: index.as_ref().unwrap(),
    });
    let inactive = inactive.map(|(_, version)| (trees.1.as_ref().unwrap(), Some(&version.manifest)));
    let planning = Planning {
        manifest: &new.manifest,
        pack_index: &new.index,
        delta_index: None,
        partition: u64::MAX,
        kept,
        running,
        inactive,
    };
    let mut lines = Vec::new();
    let plan = planning.run(&mut |change, path| lines.push(format!("{} {path}", change.word()))).unwrap();
    (plan, lines)
}

#[test]
fn a_first_install_adds_and_fetches_everything() {
    let new = newer().publish();
    let (plan, lines) = plan(&new, &Kept::nothing(), None, None);
    assert_eq!((plan.added, plan.changed, plan.removed, plan.kept), (12, 0, 0, 0));
    assert_eq!(lines.len(), 12);
    assert_eq!((plan.already, plan.copied, plan.fetched), (0, 0, new.head.bytes));
    assert_eq!((plan.download.requests, plan.download.bytes), (1, new.pack.len() as u64));
}

#[test]
fn each_path_and_each_byte_is_accounted_for() {
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    let (old, new) = (version().publish(), newer().publish());
    fill(&a, &old);
    // The inactive slot holds a version of its own, and has lost a file of it.
    let mut other = version().without("etc");
    other.file("new", &[2; 200_000]);
    other.file("moved", b"other");
    let other = other.publish();
    fill(&b, &other);
    fs::remove_file(b.path("x")).unwrap();
    let (plan, lines) = plan(&new, &Kept::nothing(), Some((&a, &old)), Some((&b, &other)));
    assert_eq!(lines, ["changed /etc/config", "added /moved", "added /new", "removed /old", "added /srv"]);
    assert_eq!((plan.added, plan.changed, plan.removed, plan.kept), (3, 1, 1, 0));
    assert_eq!((plan.already, plan.copied, plan.fetched), (200_000, 11 + 100_000 + 6, 17));
    assert_eq!(plan.written(), plan.copied + plan.fetched);
    let server = Server::of(&new);
    let filled = fill_from(&b, &new, &server, Some((&a, &old))).unwrap();
    assert_eq!((filled.kept, filled.copied, filled.fetched), (plan.already, plan.copied, plan.fetched));
    assert_eq!(filled.downloaded, plan.download.bytes);
    assert_eq!(server.requests.borrow().len() as u64, plan.download.requests);
}

#[test]
fn what_the_rules_keep_is_neither_changed_nor_removed() {
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    let (old, new) = (version().publish(), newer().publish());
    fill(&a, &old);
    fs::create_dir(a.path("srv")).unwrap();
    fs::write(a.path("srv/data"), "data").unwrap();
    let kept = Kept::new("/old\n/srv/\n/new\n", "+ /etc/\n/etc/config\n- *\n").unwrap();
    let (plan, lines) = plan(&new, &kept, Some((&a, &old)), None);
    let expected =
        ["kept /etc/config", "kept /old", "kept /srv", "kept /srv/data", "added /moved", "added /new"];
    assert_eq!(lines, expected);
    assert_eq!((plan.kept, plan.carried), (4, 13 + 100_000 + 4));
    fill_from(&b, &new, &Server::of(&new), Some((&a, &old))).unwrap();
    let (running, slot) = (a.tree(), b.tree());
    let carrying =
        Carrying { running: &running, slot: &slot, manifest: &new.manifest, kept: &kept, progress: &Quiet };
    let carried = carrying.run().unwrap();
    assert_eq!((carried.paths, carried.bytes), (plan.kept, plan.carried));
}

#[test]
fn a_slot_too_small_is_known_before_it_is_touched() {
    let mut large = Version::new();
    for n in 0..400 {
        large.file(&format!("file-{n}"), &[7; 20_000]);
    }
    let version = large.publish();
    let (plan, _) = plan(&version, &Kept::nothing(), None, None);
    let no_room = plan.need.fits(B, 8 << 20).unwrap_err();
    assert_eq!((no_room.slot, no_room.found), (B, (8 << 20) * 15 / 16));
    assert_eq!(no_room.needed, plan.need.bytes + (404 + 32) * 256);
    plan.need.fits(B, 16 << 20).unwrap();
    let disk = Disk::of(16 << 20, 1024);
    fill(&disk.mount(), &version);
}

/// The estimate is from above, and not by much more than its margin.
#[test]
fn what_a_plan_needs_is_what_a_filled_slot_uses() {
    let mut version = Version::new();
    for n in 0..300 {
        version.folder(&format!("folder-{n}"));
        version.file(&format!("folder-{n}/file"), &vec![7; n * 100]);
        version.symlink(&format!("folder-{n}/link"), &"t".repeat(n + 1));
    }
    let version = version.publish();
    let disk = Disk::new();
    let slot = disk.mount();
    let used = || {
        let room = slot.tree().room().unwrap();
        ((room.f_blocks - room.f_bfree) * room.f_frsize, room.f_files - room.f_ffree)
    };
    let before = used();
    fill(&slot, &version);
    slot.sync();
    let (bytes, inodes) = (used().0 - before.0, used().1 - before.1);
    let (plan, _) = plan(&version, &Kept::nothing(), None, None);
    assert_eq!(plan.need.inodes, inodes + 32);
    let margin = (4 << 20) + version.manifest.metadata().unwrap().len();
    assert!(plan.need.bytes - margin >= bytes, "{} {bytes}", plan.need.bytes - margin);
    assert!(plan.need.bytes - margin < bytes * 5 / 4, "{} {bytes}", plan.need.bytes - margin);
}

#[test]
fn what_an_interrupted_run_wrote_is_not_planned_again() {
    let disk = Disk::new();
    let slot = disk.mount();
    let new = newer().publish();
    let server = Server::of(&new);
    server.lives.set(new.pack.len() as u64 / 2);
    fill_from(&slot, &new, &server, None).unwrap_err();
    let tree = slot.tree();
    let planning = Planning {
        manifest: &new.manifest,
        pack_index: &new.index,
        delta_index: None,
        partition: u64::MAX,
        kept: &Kept::nothing(),
        running: None,
        inactive: Some((&tree, None)),
    };
    let plan = planning.run(&mut |_, _| ()).unwrap();
    server.lives.set(u64::MAX);
    let filled = fill_from(&slot, &new, &server, None).unwrap();
    assert!(plan.already > 0);
    assert_eq!((filled.kept, filled.fetched), (plan.already, plan.fetched));
    // What is half there is gone on with: that is not in the plan.
    let [came, planned, all] = [filled.downloaded, plan.download.bytes, new.pack.len() as u64];
    assert!(came <= planned && planned < all, "{came} {planned} {all}");
}
