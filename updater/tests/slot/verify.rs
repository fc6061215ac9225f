//! Every kind of difference is told, and only those that are there.

use std::fs::{self, FileTimes};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::{Duration, UNIX_EPOCH};

use edeploy_ab::slot::{Kept, Tree};

use crate::support::{Disk, Published, Slot, Version, drifts, fill, xattr};

fn version() -> Version {
    let mut version = Version::new();
    version.folder("etc");
    for path in ["etc/a", "etc/b", "etc/c", "etc/d"] {
        version.file(path, path.as_bytes());
    }
    version.symlink("etc/link", "a");
    version.file("x", b"linked").xattrs = vec![xattr("user.kept", b"1")];
    version.hard_link("y", "x");
    version.hard_link("z", "x");
    version
}

struct Filled {
    slot: Slot,
    version: Published,
    _disk: Disk,
}

fn filled() -> Filled {
    let (disk, version) = (Disk::new(), version().publish());
    let slot = disk.mount();
    fill(&slot, &version);
    Filled { slot, version, _disk: disk }
}

impl Filled {
    /// The differences as texts.
    fn told(&self, kept: &Kept) -> Vec<String> {
        drifts(&self.slot.tree(), &self.version, kept).1.iter().map(ToString::to_string).collect()
    }

    /// What `change` makes of the file at `path`, without moving any time.
    fn quietly(&self, path: &str, change: impl FnOnce(&std::path::Path)) {
        let path = self.slot.path(path);
        change(&path);
        set_time(&path, 1_700_000_000, 0);
        set_time(path.parent().unwrap(), 1_700_000_000, 0);
    }
}

fn set_time(path: &std::path::Path, seconds: u64, nanoseconds: u32) {
    let time = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    if let Ok(metadata) = fs::symlink_metadata(path)
        && !metadata.is_symlink()
    {
        fs::File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    }
}

#[test]
fn a_slot_as_filled_is_clean_and_its_own_folder_is_left_alone() {
    let filled = filled();
    let tree = filled.slot.tree();
    tree.write_own("manifest", &mut &b"anything"[..]).unwrap();
    tree.write_own("tuf/root.json", &mut &b"{}"[..]).unwrap();
    assert_eq!(tree.own_text("tuf/root.json", 10).unwrap().as_deref(), Some("{}"));
    assert_eq!(tree.own_text("nothing", 10).unwrap(), None);
    assert!(tree.own_text("manifest", 7).is_err());
    let (verified, found) = drifts(&tree, &filled.version, &Kept::nothing());
    assert_eq!(found, []);
    assert_eq!((verified.paths, verified.bytes, verified.kept), (13, 4 * 5 + 6, 0));
}

#[test]
fn each_kind_of_difference_is_told_by_its_name() {
    let f = filled();
    f.quietly("etc/a", |path| fs::write(path, "ETC/A").unwrap());
    f.quietly("etc/b", |path| fs::set_permissions(path, PermissionsExt::from_mode(0o4644)).unwrap());
    f.quietly("etc/c", |path| chown(path, Some(3), None).unwrap());
    f.quietly("etc/d", |path| fs::write(path, "longer than before").unwrap());
    f.quietly("etc/link", |path| {
        fs::remove_file(path).unwrap();
        symlink("b", path).unwrap();
        let times = rustix::fs::Timestamps {
            last_access: rustix::fs::Timespec { tv_sec: 0, tv_nsec: 0 },
            last_modification: rustix::fs::Timespec { tv_sec: 1_700_000_000, tv_nsec: 1 },
        };
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, flags).unwrap();
    });
    f.quietly("etc/extra", |path| fs::create_dir(path).unwrap());
    f.quietly("etc/extra/deep", |path| fs::write(path, "").unwrap());
    f.quietly("x", |path| {
        rustix::fs::lsetxattr(path, "user.kept", b"2", rustix::fs::XattrFlags::empty()).unwrap();
    });
    f.quietly("usr/lib/edeploy/slot", |path| fs::remove_dir(path).unwrap());
    let expected = [
        "/etc/a: the content differs",
        "/etc/b: mode 4644, not 0644",
        "/etc/c: owner 3:0, not 0:0",
        "/etc/d: the content differs",
        "/etc/extra/deep: not in the manifest",
        "/etc/extra: not in the manifest",
        "/etc/link: changed at 1700000000.000000001, not 1700000000.000000000",
        "/etc/link: points to \"b\", not \"a\"",
        "/usr/lib/edeploy/slot: missing",
        "/x: attributes [user.kept], not [user.kept]",
    ];
    assert_eq!(f.told(&Kept::nothing()), expected);
}

#[test]
fn a_path_of_another_type_is_one_difference() {
    let f = filled();
    f.quietly("etc", |path| {
        fs::remove_dir_all(path).unwrap();
        symlink("/etc", path).unwrap();
    });
    f.quietly("x", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
    });
    let told = f.told(&Kept::nothing());
    let missing = ["a", "b", "c", "d", "link"].map(|name| format!("/etc/{name}: missing"));
    let others = ["/etc: a symbolic link, not a folder", "/x: a folder, not a file"].map(str::to_owned);
    // With its first name gone, the group has no file to be compared with.
    let links = ["/y: its hard links differ", "/z: its hard links differ"].map(str::to_owned);
    let mut expected = [&missing[..], &others, &links].concat();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn hard_links_that_differ_are_told() {
    let relink = |from: &str, to: &str| {
        let f = filled();
        f.quietly(to, |path| {
            fs::remove_file(path).unwrap();
            fs::hard_link(f.slot.path(from), path).unwrap();
        });
        f.told(&Kept::nothing())
    };
    // A file of its own with the same content and metadata, but the attribute.
    let f = filled();
    f.quietly("z", |path| {
        fs::remove_file(path).unwrap();
        fs::write(path, "linked").unwrap();
    });
    let apart = ["/z: attributes [], not [user.kept]", "/z: its hard links differ"];
    assert_eq!(f.told(&Kept::nothing()), apart);
    let shared =
        ["/etc/a: its hard links differ", "/etc/b: its hard links differ", "/etc/b: the content differs"];
    let told = relink("etc/a", "etc/b");
    assert!(told == shared[1..] || told == shared, "{told:?}");
    let f = filled();
    f.quietly("extra", |path| fs::hard_link(f.slot.path("x"), path).unwrap());
    assert_eq!(f.told(&Kept::nothing()), ["/extra: not in the manifest", "/x: its hard links differ"]);
}

#[test]
fn what_the_slots_own_rules_cover_is_left_alone() {
    let f = filled();
    let kept = Kept::new("/etc/a\n/srv/data/\n/etc/gone\n*.local\n", "+ /etc/\n/etc/b\n- *\n").unwrap();
    for path in ["etc/a", "etc/b", "etc/new.local"] {
        f.quietly(path, |path| fs::write(path, "the machine's").unwrap());
    }
    // A folder that is there only for the sake of a kept path is no difference, one beside it is.
    f.quietly("srv", |path| fs::create_dir_all(path.join("data/deep")).unwrap());
    f.quietly("srv/other", |path| fs::create_dir(path).unwrap());
    f.quietly("srv/data/deep/file", |path| fs::write(path, "").unwrap());
    assert_eq!(f.told(&kept), ["/srv/other: not in the manifest"]);
    let (verified, _) = drifts(&f.slot.tree(), &f.version, &kept);
    assert_eq!((verified.paths, verified.kept), (11, 2 + 4));
}

#[test]
fn a_kept_name_has_left_its_group() {
    let alone = |f: &Filled, path: &str| {
        f.quietly(path, |path| {
            fs::remove_file(path).unwrap();
            fs::write(path, "the machine's").unwrap();
        });
    };
    for (gone, also) in [("x", "y"), ("y", "z"), ("z", "x")] {
        let f = filled();
        alone(&f, gone);
        assert_eq!(f.told(&Kept::new(&format!("/{gone}"), "").unwrap()), [""; 0], "without {gone}");
        alone(&f, also);
        let told = f.told(&Kept::new(&format!("/{gone}"), "").unwrap());
        assert!(
            told.iter().any(|t| t.ends_with("its hard links differ")),
            "without {gone} and {also}: {told:?}"
        );
    }
}

#[test]
fn kept_lists_stay_with_the_slot() {
    let f = filled();
    let tree: Tree = f.slot.tree();
    assert!(
        !Kept::load(&tree).unwrap().covers(&edeploy_format::path::TreePath::new("etc/a").unwrap(), false)
    );
    for (name, text) in Kept::new("/etc/a\n", "/etc/b\n").unwrap().texts() {
        tree.write_own(name, &mut text.as_bytes()).unwrap();
        assert!(tree.has_own(name, text.as_bytes()).unwrap());
    }
    assert!(!tree.has_own("exclude", b"/etc/a").unwrap(), "longer");
    assert!(!tree.has_own("exclude", b"/etc/a\n\n").unwrap(), "shorter");
    assert!(!tree.has_own("exclude", b"/etc/b\n").unwrap(), "another");
    assert!(!tree.has_own("host.json", b"").unwrap(), "not there");
    let loaded = Kept::load(&tree).unwrap();
    for (path, covered) in [("etc/a", true), ("etc/b", true), ("etc/c", false), ("usr/lib/edeploy/x", false)]
    {
        assert_eq!(
            loaded.covers(&edeploy_format::path::TreePath::new(path).unwrap(), false),
            covered,
            "{path}"
        );
    }
    let error = Kept::new("/a\n!\n", "").unwrap_err();
    assert_eq!(error.to_string(), "exclude");
    let lint = Kept::new("", "+ /boot/**\n").unwrap().lint(&f.version.head).unwrap_err();
    assert_eq!(lint.to_string(), "add_only");
}
