//! What belongs to the machine survives an upgrade, and nothing else does.

use std::fs::{self, FileTimes};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use edeploy_ab::failure::Failure;
use edeploy_ab::progress::Quiet;
use edeploy_ab::slot::{Carried, CarryError, Carrying, Kept};
use edeploy_format::exit::Exit;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lsetxattr, mknodat};

use crate::support::{Disk, Published, Slot, Version, assert_clean, drifts, fill};

/// A machine that runs the old version in `a`, and has the new one in `b`.
struct Machine {
    a: Slot,
    b: Slot,
    new: Published,
    _disks: [Disk; 2],
}

fn version() -> Version {
    let mut version = Version::new();
    version.folder("etc");
    version.file("etc/plain", b"the tree's");
    version.file("etc/config", b"the tree's");
    version.symlink("etc/link", "the-trees");
    version.folder("etc/ssh");
    version.file("etc/ssh/key", b"the tree's");
    version.file("etc/ssh/only-tree", b"the tree's");
    version.file("x", b"linked");
    version.hard_link("y", "x");
    version.hard_link("z", "x");
    version
}

fn machine(new: &Version) -> Machine {
    let disks = [Disk::new(), Disk::new()];
    let (a, b) = (disks[0].mount(), disks[1].mount());
    let new = new.publish();
    fill(&a, &version().publish());
    fill(&b, &new);
    Machine { a, b, new, _disks: disks }
}

impl Machine {
    fn run(&self, kept: &Kept) -> Result<Carried, CarryError> {
        let (running, slot) = (self.a.tree(), self.b.tree());
        let manifest = &self.new.manifest;
        Carrying { running: &running, slot: &slot, manifest, kept, progress: &Quiet }.run()
    }

    fn check(&self, kept: &Kept) -> Result<Carried, CarryError> {
        let (running, slot) = (self.a.tree(), self.b.tree());
        let manifest = &self.new.manifest;
        Carrying { running: &running, slot: &slot, manifest, kept, progress: &Quiet }.check()
    }

    /// Carries and checks; gives the differences to the manifest that `verify` would tell of.
    fn carried(&self, kept: &Kept) -> (Carried, Vec<String>) {
        let carried = self.run(kept).unwrap();
        assert_eq!(self.check(kept).unwrap(), carried);
        let told = drifts(&self.b.tree(), &self.new, kept).1;
        (carried, told.iter().map(ToString::to_string).collect())
    }
}

fn kept(exclude: &str) -> Kept {
    Kept::new(exclude, "").unwrap()
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn files_links_and_folders_come_over_with_all_they_have() {
    let m = machine(&version());
    let path = m.a.path("etc/config");
    fs::write(&path, "the machine's").unwrap();
    chown(&path, Some(5), Some(6)).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o4710)).unwrap();
    lsetxattr(&path, "user.note", b"mine", XattrFlags::empty()).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    fs::File::open(&path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    fs::remove_file(m.a.path("etc/link")).unwrap();
    symlink("the-machines", m.a.path("etc/link")).unwrap();
    fs::create_dir(m.a.path("etc/own")).unwrap();
    fs::set_permissions(m.a.path("etc/own"), PermissionsExt::from_mode(0o2700)).unwrap();
    fs::write(m.a.path("etc/own/file"), "own").unwrap();
    fs::write(m.a.path("etc/plain"), "not covered").unwrap();
    let (carried, drifts) = m.carried(&kept("/etc/config\n/etc/link\n/etc/own/\n"));
    assert_eq!(carried, Carried { paths: 4, bytes: 13 + 12 + 3 });
    assert_eq!(drifts, [""; 0]);
    let there = fs::metadata(m.b.path("etc/config")).unwrap();
    assert_eq!((there.mode() & 0o7777, there.uid(), there.gid()), (0o4710, 5, 6));
    assert_eq!((there.mtime(), there.mtime_nsec()), (1_234_567_890, 123_456_789));
    assert_eq!(read(m.b.path("etc/config")), "the machine's");
    assert_eq!(fs::read_link(m.b.path("etc/link")).unwrap().to_str(), Some("the-machines"));
    assert_eq!(fs::metadata(m.b.path("etc/own")).unwrap().mode() & 0o7777, 0o2700);
    assert_eq!(read(m.b.path("etc/own/file")), "own");
    assert_eq!(read(m.b.path("etc/plain")), "the tree's");
    assert_eq!(
        fs::metadata(m.b.path("etc")).unwrap().mtime(),
        1_700_000_000,
        "the tree's folder, the tree's time"
    );
}

#[test]
fn nothing_is_carried_without_rules() {
    let m = machine(&version());
    fs::write(m.a.path("etc/config"), "the machine's").unwrap();
    fs::write(m.a.path("etc/own"), "the machine's").unwrap();
    assert_eq!(m.carried(&Kept::nothing()), (Carried::default(), Vec::new()));
    assert_clean(&m.b, &m.new);
}

#[test]
fn what_the_running_slot_has_not_stays_as_the_tree_has_it() {
    let m = machine(&version());
    fs::remove_file(m.a.path("etc/config")).unwrap();
    fs::write(m.a.path("etc/ssh/key"), "the machine's").unwrap();
    fs::remove_file(m.a.path("etc/ssh/only-tree")).unwrap();
    let (carried, drifts) = m.carried(&kept("/etc/config\n/etc/ssh/\n"));
    assert_eq!((carried.paths, drifts.len()), (2, 0));
    assert_eq!(read(m.b.path("etc/config")), "the tree's");
    assert_eq!(read(m.b.path("etc/ssh/key")), "the machine's");
    assert_eq!(read(m.b.path("etc/ssh/only-tree")), "the tree's");
}

#[test]
fn paths_the_new_version_does_not_know_bring_their_folders_along() {
    let m = machine(&version().without("etc/ssh"));
    fs::create_dir_all(m.a.path("srv/data/deep")).unwrap();
    fs::set_permissions(m.a.path("srv"), PermissionsExt::from_mode(0o711)).unwrap();
    fs::write(m.a.path("srv/data/deep/file"), "data").unwrap();
    fs::write(m.a.path("srv/data/other"), "goes").unwrap();
    let (carried, drifts) = m.carried(&kept("/srv/data/deep/file\n/etc/ssh/key\n"));
    assert_eq!(carried, Carried { paths: 2, bytes: 4 + 10 });
    assert_eq!(drifts, [""; 0]);
    assert_eq!(read(m.b.path("srv/data/deep/file")), "data");
    assert_eq!(fs::metadata(m.b.path("srv")).unwrap().mode() & 0o777, 0o711);
    let times = |slot: &Slot| fs::metadata(slot.path("srv/data")).unwrap().mtime_nsec();
    assert_eq!(times(&m.a), times(&m.b));
    assert!(!m.b.path("srv/data/other").exists());
}

#[test]
fn add_only_keeps_the_machines_and_adds_what_is_missing() {
    let m = machine(&version());
    fs::write(m.a.path("etc/config"), "the machine's").unwrap();
    fs::remove_file(m.a.path("etc/plain")).unwrap();
    fs::write(m.a.path("etc/unknown"), "goes").unwrap();
    fs::set_permissions(m.a.path("etc/ssh"), PermissionsExt::from_mode(0o700)).unwrap();
    let rules = Kept::new("", "+ /etc/\n+ /etc/**\n- *\n").unwrap();
    let (carried, drifts) = m.carried(&rules);
    assert_eq!(carried.paths, 4, "config, link, ssh/key, ssh/only-tree");
    assert_eq!(drifts, [""; 0]);
    assert_eq!(read(m.b.path("etc/config")), "the machine's");
    assert_eq!(read(m.b.path("etc/plain")), "the tree's");
    assert!(!m.b.path("etc/unknown").exists());
    assert_eq!(fs::metadata(m.b.path("etc/ssh")).unwrap().mode() & 0o777, 0o755, "folders are the tree's");
}

#[test]
fn a_carried_or_staying_name_leaves_its_hard_link_group() {
    for (gone, left) in [("x", ["y", "z"]), ("y", ["x", "z"]), ("z", ["x", "y"])] {
        for also_in_a in [true, false] {
            let m = machine(&version());
            fs::remove_file(m.a.path(gone)).unwrap();
            if also_in_a {
                fs::hard_link(m.a.path("etc/config"), m.a.path(gone)).unwrap();
            }
            let (carried, drifts) = m.carried(&kept(&format!("/{gone}\n")));
            assert_eq!((carried.paths, drifts), (u64::from(also_in_a), Vec::new()), "{gone}");
            let of = |path: &str| fs::metadata(m.b.path(path)).unwrap();
            assert_eq!((of(gone).nlink(), of(left[0]).nlink()), (1, 2));
            assert_eq!(of(left[0]).ino(), of(left[1]).ino());
            assert_eq!(read(m.b.path(gone)), if also_in_a { "the tree's" } else { "linked" });
        }
    }
}

#[test]
fn carrying_twice_is_carrying_once() {
    let m = machine(&version());
    fs::write(m.a.path("etc/config"), "the machine's").unwrap();
    fs::create_dir(m.a.path("etc/own")).unwrap();
    fs::write(m.a.path("etc/own/file"), "own").unwrap();
    let rules = kept("/etc/config\n/etc/own/\n/x\n");
    assert_eq!(m.carried(&rules), m.carried(&rules));
}

#[test]
fn a_file_where_the_other_has_a_folder_takes_its_place_or_is_refused() {
    let mut new = version().without("etc/config");
    new.folder("etc/config");
    new.file("etc/config/inside", b"the tree's");
    let m = machine(&new);
    // The covered path itself: the machine's file stands where the tree has a folder.
    let (carried, _) = m.carried(&kept("/etc/config\n"));
    assert_eq!(carried.paths, 1);
    assert_eq!(read(m.b.path("etc/config")), "the tree's");
    // A folder around the covered path: nobody can say what is meant.
    let m = machine(&version());
    fs::remove_file(m.a.path("etc/config")).unwrap();
    fs::create_dir(m.a.path("etc/config")).unwrap();
    fs::write(m.a.path("etc/config/inside"), "the machine's").unwrap();
    let error = m.run(&kept("/etc/config/inside\n")).unwrap_err();
    assert!(matches!(&error, CarryError::Conflict { path } if path == "/etc/config"), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Refused);
}

#[test]
fn a_special_file_is_refused_by_name() {
    let m = machine(&version());
    mknodat(CWD, m.a.path("etc/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let error = m.run(&kept("/etc/fifo\n")).unwrap_err();
    assert!(matches!(&error, CarryError::Special { path } if path == "/etc/fifo"), "{error}");
    assert_eq!(Failure::from(error).exit, Exit::Refused);
}

#[test]
fn the_products_own_folder_is_never_carried() {
    let m = machine(&version());
    m.a.tree().write_own("manifest", &mut &b"the old one's"[..]).unwrap();
    fs::write(m.a.path("usr/lib/edeploy/planted"), "x").unwrap();
    let (carried, _) = m.carried(&kept("manifest\nplanted\nedeploy\n"));
    assert_eq!(carried, Carried::default());
    assert!(!m.b.path("usr/lib/edeploy/slot/manifest").exists());
}

#[test]
fn a_link_in_the_running_slot_leads_nowhere() {
    let m = machine(&version());
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("key"), "secret").unwrap();
    fs::remove_dir_all(m.a.path("etc/ssh")).unwrap();
    symlink(outside.path(), m.a.path("etc/ssh")).unwrap();
    let (carried, _) = m.carried(&kept("/etc/ssh/key\n"));
    assert_eq!(carried.paths, 0);
    assert_eq!(read(m.b.path("etc/ssh/key")), "the tree's");
}

#[test]
fn a_check_finds_what_was_not_carried_right() {
    let m = machine(&version());
    fs::write(m.a.path("etc/config"), "the machine's").unwrap();
    let rules = kept("/etc/config\n/etc/ssh\n/x\n");
    m.carried(&rules);
    let differs = || match m.check(&rules) {
        Err(CarryError::Differs(drift)) => format!("{}: {}", drift.path, drift.what.word()),
        other => panic!("{other:?}"),
    };
    let time = fs::metadata(m.b.path("etc/config")).unwrap().modified().unwrap();
    fs::write(m.b.path("etc/config"), "THE MACHINE'S").unwrap();
    fs::File::open(m.b.path("etc/config")).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    assert_eq!(differs(), "/etc/config: content");
    m.carried(&rules);
    fs::set_permissions(m.b.path("etc/ssh"), PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(differs(), "/etc/ssh: mode");
    m.carried(&rules);
    fs::remove_file(m.b.path("x")).unwrap();
    fs::hard_link(m.b.path("etc/plain"), m.b.path("x")).unwrap();
    assert_eq!(differs(), "/x: links");
}
