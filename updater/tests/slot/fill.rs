//! What filling a slot promises when nobody means harm.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use edeploy_ab::failure::Failure;
use edeploy_ab::slot::{Filled, Index, Kept};
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::Owner;

use crate::support::{CAPABILITY, Disk, Server, Version, acl, assert_clean, drifts, fill, fill_from, xattr};

/// Bytes that do not compress and differ by `seed`.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// A tree with one of everything.
fn rich() -> Version {
    let mut version = Version::new();
    version.folder("etc");
    version.file("etc/hosts", b"127.0.0.1 localhost\n").mtime = -5;
    version.file("etc/empty", b"");
    version.file("etc/copy-of-hosts", b"127.0.0.1 localhost\n").mode = 0o600;
    let acls = version.file("etc/listed", b"listed");
    acls.xattrs = vec![xattr("system.posix_acl_access", &acl()), xattr("user.note", b"\0x")];
    version.folder("usr/bin").mtime = 1_600_000_000;
    let capable = version.file("usr/bin/capable", &noise(1, 5000));
    capable.owner = Owner { uid: 7, gid: 8 };
    capable.mode = 0o4755;
    capable.xattrs = vec![xattr("security.capability", &CAPABILITY)];
    version.hard_link("usr/bin/linked", "usr/bin/capable");
    version.file("usr/large", &noise(2, 300_000)).mode = 0o444;
    version.file("usr/same-as-large", &noise(2, 300_000));
    version.file("usr/sparse", &[&[1; 4096][..], &[0; 40_960], &[1; 100], &[0; 9000]].concat());
    let link = version.symlink("usr/link", "../etc/hosts");
    link.owner = Owner { uid: 9, gid: 10 };
    link.xattrs = vec![xattr("trusted.note", b"on a link")];
    let open = version.folder("var");
    (open.mode, open.owner) = (0o1777, Owner { uid: 0, gid: 43 });
    open.xattrs = vec![xattr("user.folder", b"")];
    version.hard_link("var/far-link", "usr/bin/capable");
    version.folder(&"d".repeat(255));
    version.file(&format!("{}/{}", "d".repeat(255), "f".repeat(255)), b"long name");
    version
}

#[test]
fn an_empty_slot_gets_everything_in_one_pass_over_the_pack() {
    let (disk, version) = (Disk::new(), rich().publish());
    let slot = disk.mount();
    let server = Server::of(&version);
    let filled = fill_from(&slot, &version, &server, None).unwrap();
    let length = version.pack.len() as u64;
    let expected = Filled { fetched: version.head.bytes, downloaded: length, ..Filled::default() };
    assert_eq!(filled, expected);
    assert_eq!(server.requests.into_inner(), std::slice::from_ref(&(0..length)));
    assert_clean(&slot, &version);
    assert!(slot.path("lost+found").is_dir(), "ext4's own folder stays");
    disk.check(slot);
}

/// Looks at the slot by other means than ours.
#[test]
fn what_is_restored_is_what_others_see() {
    let (disk, version) = (Disk::new(), rich().publish());
    let slot = disk.mount();
    fill(&slot, &version);
    let of = |path: &str| fs::symlink_metadata(slot.path(path)).unwrap();
    let capable = of("usr/bin/capable");
    assert_eq!((capable.mode(), capable.uid(), capable.gid(), capable.nlink()), (0o104_755, 7, 8, 3));
    assert_eq!((capable.mtime(), capable.mtime_nsec()), (1_700_000_000, 0));
    assert_eq!(of("usr/bin/linked").ino(), capable.ino());
    assert_eq!(of("var/far-link").ino(), capable.ino());
    let attribute = |path: &str, name: &str| {
        let mut value = vec![0; 100];
        let length = rustix::fs::lgetxattr(slot.path(path), name, &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    assert_eq!(attribute("usr/bin/linked", "security.capability"), CAPABILITY);
    assert_eq!(attribute("etc/listed", "system.posix_acl_access"), acl());
    assert_eq!(attribute("usr/link", "trusted.note"), b"on a link");
    assert_eq!(of("etc/hosts").mtime(), -5);
    assert_eq!((of("usr/bin").mtime(), of("var").mode(), of("var").gid()), (1_600_000_000, 0o41_777, 43));
    assert_eq!((of("usr/link").uid(), of("usr/link").mtime()), (9, 1_700_000_000));
    assert_eq!(fs::read_link(slot.path("usr/link")).unwrap().to_str(), Some("../etc/hosts"));
    assert_eq!(fs::read(slot.path("usr/same-as-large")).unwrap(), noise(2, 300_000));
    // Two blocks of data: of 4096 ones, and the one that holds the hundred.
    assert_eq!((of("usr/sparse").len(), of("usr/sparse").blocks() / 8), (54_156, 2 + 1));
    let root = of("");
    assert_eq!((root.mode() & 0o7777, root.uid(), root.gid()), (0o755, 0, 0));
}

#[test]
fn filling_again_writes_nothing() {
    let (disk, version) = (Disk::new(), rich().publish());
    let slot = disk.mount();
    fill(&slot, &version);
    let inode = |path: &str| fs::metadata(slot.path(path)).unwrap().ino();
    let before = inode("usr/large");
    let server = Server::of(&version);
    let filled = fill_from(&slot, &version, &server, None).unwrap();
    assert_eq!(filled, Filled { kept: version.head.bytes, ..Filled::default() });
    assert_eq!(*server.requests.borrow(), []);
    assert_eq!(inode("usr/large"), before);
    assert_clean(&slot, &version);
}

#[test]
fn an_upgrade_keeps_copies_and_fetches_each_byte_from_the_cheapest_place() {
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    let mut old = rich();
    old.file("usr/only-old", b"goes away");
    let old = old.publish();
    fill(&a, &old);
    // The inactive slot holds an older version without the large file.
    fill(&b, &rich().without("usr/large").without("usr/same-as-large").publish());
    let mut new = rich().without("etc/hosts");
    new.file("etc/hosts", b"changed").mode = 0o600;
    new.file("usr/new", &noise(3, 100_000));
    let new = new.publish();
    let server = Server::of(&new);
    let filled = fill_from(&b, &new, &server, Some((&a, &old))).unwrap();
    let fetched = 100_000 + 7;
    let copied = 2 * 300_000;
    let kept = new.head.bytes - fetched - copied;
    assert_eq!((filled.kept, filled.copied, filled.fetched), (kept, copied, fetched));
    assert_eq!((filled.removed, filled.drifted), (0, 0));
    let requests = server.requests.borrow();
    assert_eq!(filled.downloaded, requests.iter().map(|r| r.end - r.start).sum::<u64>());
    assert!(filled.downloaded < 700_000);
    assert_clean(&b, &new);
    assert_clean(&a, &old);
    disk_b.check(b);
}

#[test]
fn frames_far_apart_are_requests_of_their_own_and_near_ones_are_joined() {
    let mut version = Version::new();
    for (i, letter) in ["a", "b", "c", "d", "e"].iter().enumerate() {
        version.file(letter, &noise(i as u64, 100_000));
    }
    let version = version.publish();
    let disk = Disk::new();
    let slot = disk.mount();
    let requests = |gone: &[&str]| {
        gone.iter().for_each(|path| fs::remove_file(slot.path(path)).unwrap());
        let server = Server::of(&version);
        let filled = fill_from(&slot, &version, &server, None).unwrap();
        assert_clean(&slot, &version);
        let requests = server.requests.into_inner();
        (requests.len(), filled.fetched / 50_000, filled.downloaded / 50_000)
    };
    assert_eq!(requests(&[]), (1, 10, 10));
    assert_eq!(requests(&["a", "c"]), (1, 4, 6), "100 kB between them");
    assert_eq!(requests(&["a", "d"]), (2, 4, 4), "200 kB between them");
}

#[test]
fn folders_files_and_links_take_each_others_place() {
    let mut first = Version::new();
    first.folder("x");
    first.folder("x/deep");
    first.file("x/deep/file", b"1");
    first.file("y", b"2");
    first.symlink("z", "y");
    first.symlink("s", "old");
    let mut second = Version::new();
    second.file("x", b"3");
    second.folder("y");
    second.file("y/file", b"4");
    second.folder("z");
    second.symlink("s", "new");
    let (first, second) = (first.publish(), second.publish());
    let disk = Disk::new();
    let slot = disk.mount();
    for version in [&first, &second, &first] {
        fill(&slot, version);
        assert_clean(&slot, version);
    }
    disk.check(slot);
}

#[test]
fn hard_links_are_remade_as_the_manifest_groups_them() {
    let mut apart = Version::new();
    ["a", "b", "c"].iter().for_each(|path| version_file(&mut apart, path));
    let mut together = Version::new();
    version_file(&mut together, "a");
    together.hard_link("b", "a");
    together.hard_link("c", "a");
    let mut regrouped = Version::new();
    version_file(&mut regrouped, "b");
    regrouped.hard_link("c", "b");
    let versions = [apart.publish(), together.publish(), regrouped.publish()];
    let disk = Disk::new();
    let slot = disk.mount();
    for n in [0, 1, 2, 1, 0, 2, 0] {
        fill(&slot, &versions[n]);
        assert_clean(&slot, &versions[n]);
    }
}

fn version_file(version: &mut Version, path: &str) {
    version.file(path, b"shared content");
}

#[test]
fn metadata_is_mended_without_writing_content() {
    let (disk, version) = (Disk::new(), rich().publish());
    let slot = disk.mount();
    fill(&slot, &version);
    let path = |path: &str| slot.path(path);
    rustix::fs::chown(path("usr/bin/capable"), Some(rustix::fs::Uid::from_raw(1)), None).unwrap();
    fs::set_permissions(path("etc/hosts"), std::os::unix::fs::PermissionsExt::from_mode(0o7777)).unwrap();
    rustix::fs::lsetxattr(path("etc"), "user.extra", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    fs::File::open(path("usr")).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    let inode = fs::metadata(path("usr/bin/capable")).unwrap().ino();
    assert_eq!(drifts(&slot.tree(), &version, &Kept::nothing()).1.len(), 6);
    let filled = fill(&slot, &version);
    assert_eq!((filled.kept, filled.fetched), (version.head.bytes, 0));
    assert_eq!(fs::metadata(path("usr/bin/capable")).unwrap().ino(), inode);
    assert_clean(&slot, &version);
}

#[test]
fn a_running_slot_that_drifted_is_no_source_and_is_counted() {
    let (disk_a, disk_b) = (Disk::new(), Disk::new());
    let (a, b) = (disk_a.mount(), disk_b.mount());
    let version = rich().publish();
    fill(&a, &version);
    fs::write(a.path("etc/hosts"), "127.0.0.1 attackers\n").unwrap();
    fs::remove_file(a.path("usr/sparse")).unwrap();
    symlink("../etc/hosts", a.path("usr/sparse")).unwrap();
    fs::write(a.path("usr/large"), "short").unwrap();
    let filled = fill_from(&b, &version, &Server::of(&version), Some((&a, &version))).unwrap();
    assert_clean(&b, &version);
    // The first of two files with one content is tried first, for both paths that need it.
    assert_eq!(filled.drifted, 1 + 2, "sparse, and large twice");
    // The untouched copies of hosts and large still serve.
    assert_eq!(filled.fetched, 54_156);
}

#[test]
fn the_machines_own_files_are_no_source() {
    let mut version = Version::new();
    version.folder("etc");
    version.file("etc/config", b"configuration");
    version.file("etc/other", b"other");
    let version = version.publish();
    let has = |kept: &str, content: &[u8]| {
        let index = Index::of_running(&version.manifest, &Kept::new(kept, "").unwrap()).unwrap();
        index.has(&Digest::of(content))
    };
    assert!(has("", b"configuration") && has("/etc/config\n", b"other"));
    assert!(!has("/etc/config\n", b"configuration") && !has("/etc/\n", b"other"));
}

/// The server breaks off at every tenth of the pack; what is there then is never taken for more than it is.
#[test]
fn an_interrupted_fill_is_completed_by_the_next() {
    let version = rich().publish();
    for tenth in 0..10 {
        let disk = Disk::new();
        let slot = disk.mount();
        let cut = version.pack.len() * tenth / 10;
        let broken = Server::with(version.pack[..cut].to_vec());
        fill_from(&slot, &version, &broken, None).unwrap_err();
        let filled = fill(&slot, &version);
        assert_eq!(filled.kept + filled.fetched, version.head.bytes);
        assert_clean(&slot, &version);
    }
}

#[test]
fn a_slot_that_is_full_says_so() {
    let mut large = Version::new();
    large.file("large", &noise(1, 12 << 20));
    let mut many = Version::new();
    (0..2000).for_each(|n| version_file(&mut many, &format!("file-{n}")));
    for version in [large.publish(), many.publish()] {
        let disk = Disk::of(12 << 20, 512);
        let slot = disk.mount();
        let error = fill_from(&slot, &version, &Server::of(&version), None).unwrap_err();
        assert_eq!(Failure::from(error).exit, Exit::Space);
    }
}
