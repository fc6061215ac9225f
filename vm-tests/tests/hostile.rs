//! A tree with everything that a file system takes and that programs get wrong: built, published, installed on an
//! image, verified, and held against its source path by path. No virtual machine; needs root.
#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use vm_tests::tool::{edeploy_ab, output, repository, rolebuild, run};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = repository().join(format!("target/vm-tests/{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    /// What every tree must have.
    fn role(&self) -> PathBuf {
        let write = |path: &str, text: &str| {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("recipes/web/recipe.toml", "role = 'web'\narchitecture = 'amd64'\n");
        write("tree/boot/vmlinuz-6", "kernel");
        write("tree/boot/initrd.img-6", "initrd");
        write("tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi", "MZ loader");
        write("tree/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
        write("tree/etc/group", "root:x:0:\n");
        self.0.join("tree")
    }

    fn build(&self, version: &str) -> std::process::Output {
        let (recipe, tree) = (self.path("recipes/web"), self.path("tree"));
        let (builds, repo, updater) = (self.path("builds"), self.path("repo"), edeploy_ab());
        let mut args = vec!["build", &recipe, "--from-dir", &tree, "--version", version];
        args.extend(["--builds", &builds, "--repo", &repo, "--updater", updater.to_str().unwrap()]);
        output(rolebuild(), &args)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Makes something in a folder.
type Made = fn(&Path);
/// One thing that a tree may hold: its name here, and how it is made in a folder of its own.
type Case = (&'static str, Made);

const CASES: [Case; 14] = [
    ("absolute-and-dangling-links", |at| {
        symlink("/etc/shadow", at.join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", at.join("above")).unwrap();
        symlink("nowhere", at.join("dangling")).unwrap();
        symlink("itself", at.join("itself")).unwrap();
        symlink(".", at.join("dot")).unwrap();
        symlink("x".repeat(4095), at.join("long")).unwrap();
    }),
    ("links-through-links", |at| {
        symlink("/", at.join("a")).unwrap();
        symlink("a/etc", at.join("b")).unwrap();
        symlink("b/passwd", at.join("c")).unwrap();
    }),
    ("case-clashes", |at| {
        for name in ["readme", "README", "ReadMe", "ǅ", "ß", "SS", "\u{e9}", "e\u{301}"] {
            fs::write(at.join(name), name).unwrap();
        }
    }),
    ("names", |at| {
        for name in ["...", "..x", " ", "\n", "\\x2f", "a\tb", "-rf", "*", "$(reboot)", "\u{202e}gnp"] {
            fs::write(at.join(name), name).unwrap();
        }
        fs::write(at.join("n".repeat(255)), "255 bytes").unwrap();
        fs::write(at.join("ü".repeat(127)), "254 bytes").unwrap();
    }),
    ("order", |at| {
        // `a` and its members come before `a.c`, though a dot is less than a slash.
        for folder in ["a", "a.c", "a-b"] {
            fs::create_dir(at.join(folder)).unwrap();
            fs::write(at.join(folder).join("x"), folder).unwrap();
        }
    }),
    ("modes", |at| {
        for mode in [0o4755, 0o2755, 0o6711, 0o0, 0o1777, 0o7777] {
            let file = at.join(format!("{mode:o}"));
            fs::write(&file, "").unwrap();
            std::os::unix::fs::chown(&file, Some(12), Some(34)).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(at.join("folder")).unwrap();
        fs::set_permissions(at.join("folder"), Permissions::from_mode(0o3770)).unwrap();
    }),
    ("owners", |at| {
        for (name, uid, gid) in [("nobody", 65534, 65534), ("large", 0xffff_fffe, 0xffff_fffe)] {
            fs::write(at.join(name), "").unwrap();
            std::os::unix::fs::chown(at.join(name), Some(uid), Some(gid)).unwrap();
        }
        symlink("x", at.join("link")).unwrap();
        std::os::unix::fs::lchown(at.join("link"), Some(5), Some(6)).unwrap();
    }),
    ("capabilities", |at| {
        fs::write(at.join("ping"), "").unwrap();
        std::os::unix::fs::chown(at.join("ping"), Some(7), Some(7)).unwrap();
        run("setcap", &["cap_net_raw+ep", at.join("ping").to_str().unwrap()]);
    }),
    ("acls", |at| {
        fs::write(at.join("file"), "").unwrap();
        run("setfacl", &["-m", "u:33:r,g:44:rw", at.join("file").to_str().unwrap()]);
        fs::create_dir(at.join("folder")).unwrap();
        run("setfacl", &["-d", "-m", "u:33:rwx", at.join("folder").to_str().unwrap()]);
    }),
    ("xattrs", |at| {
        fs::write(at.join("file"), "").unwrap();
        let file = at.join("file").to_str().unwrap().to_owned();
        run("setfattr", &["-n", "user.empty", "-v", "", &file]);
        run("setfattr", &["-n", "user.bytes", "-v", "0x000aff5c", &file]);
        run("setfattr", &["-n", "trusted.mine", "-v", &"x".repeat(2000), &file]);
        run("setfattr", &["-n", "security.selinux", "-v", "system_u:object_r:etc_t:s0", &file]);
    }),
    ("hard-links", |at| {
        fs::create_dir_all(at.join("z/deep")).unwrap();
        fs::write(at.join("z/deep/first"), "three names").unwrap();
        fs::hard_link(at.join("z/deep/first"), at.join("a")).unwrap();
        fs::hard_link(at.join("z/deep/first"), at.join("z.last")).unwrap();
    }),
    ("holes", |at| {
        let file = File::create(at.join("sparse")).unwrap();
        file.set_len(256 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 170 << 20).unwrap();
        File::create(at.join("empty")).unwrap();
    }),
    ("times", |at| {
        let set = |name: &str, time| {
            File::create(at.join(name)).unwrap().set_modified(time).unwrap();
        };
        set("before-1970", UNIX_EPOCH - Duration::from_secs(86_400 * 365 * 60));
        set("the-earliest", UNIX_EPOCH - Duration::from_secs((1 << 31) - 1));
        set("1970", UNIX_EPOCH);
        set("future", UNIX_EPOCH + Duration::from_secs(7_000_000_000));
        set("nanoseconds", UNIX_EPOCH + Duration::from_nanos(1_234_567_890_123_456_789));
    }),
    ("deep", |at| {
        // As long a path as fits below this machine's own folders.
        let mut path = at.to_owned();
        while path.as_os_str().len() < 3600 {
            path.push("d".repeat(200));
        }
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("f"), "").unwrap();
    }),
];

/// Everything that must come back of a path: shape and mode, owner, size, target, content, xattrs; times up to the
/// build's.
fn described(path: &Path) -> String {
    let found = fs::symlink_metadata(path).unwrap();
    let what = if found.is_symlink() {
        format!("{:?}", fs::read_link(path).unwrap())
    } else if found.is_file() {
        let sum = output("b2sum", &[path.to_str().unwrap()]).stdout;
        format!("{} {}", found.len(), String::from_utf8_lossy(&sum).split(' ').next().unwrap_or_default())
    } else {
        String::new()
    };
    let shown = ["-h", "-d", "-m", "-", "-e", "hex", "--absolute-names"];
    let shown = Command::new("getfattr").args(shown).arg(path).output().unwrap().stdout;
    let xattrs = String::from_utf8_lossy(&shown);
    let xattrs: Vec<&str> = xattrs.lines().filter(|line| line.contains('=')).collect();
    let links = if found.is_file() { found.nlink() } else { 0 };
    format!("{:o} {}:{} {what} {links} {xattrs:?}", found.mode(), found.uid(), found.gid())
}

/// All paths below `at`, sorted, without it.
fn paths(at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![at.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                waiting.push(path.clone());
            }
            found.push(path.strip_prefix(at).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// Mounted, for reading, as long as it lives.
struct Mounted(PathBuf);

impl Mounted {
    fn slot_a(image: &str, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let options = format!("loop,ro,noload,offset={},sizelimit={}", 513_u64 << 20, 4_u64 << 30);
        run("mount", &["-t", "ext4", "-o", &options, image, at.to_str().unwrap()]);
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_hostile_tree_comes_out_of_a_slot_as_it_went_into_the_build() {
    let folder = Folder::new("hostile");
    let tree = folder.role().join("opt/hostile");
    for (name, make) in CASES {
        fs::create_dir_all(tree.join(name)).unwrap();
        make(&tree.join(name));
    }
    let (keys, repo, builds) = (folder.path("keys"), folder.path("repo"), folder.path("builds"));
    run(rolebuild(), &["init", "--repo", &repo, "--keys", &keys]);
    let built = folder.build("1");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    run(rolebuild(), &["publish", "web", "1", "--builds", &builds, "--repo", &repo, "--keys", &keys]);
    let image = folder.path("image");
    File::create(&image).unwrap().set_len(10 << 30).unwrap();
    let root = format!("{repo}/metadata/root.json");
    let mut args = vec!["install", "--disk", &image, "--role", "web", "--version", "1"];
    args.extend(["--repo", &repo, "--root", &root]);
    run(edeploy_ab(), &args);
    run(edeploy_ab(), &["verify", "--disk", &image, "--booted", "a"]);
    let slot = Mounted::slot_a(&image, &folder.0.join("slot"));
    let installed = slot.0.join("opt/hostile");
    assert_eq!(paths(&tree), paths(&installed));
    for path in paths(&tree) {
        assert_eq!(described(&tree.join(&path)), described(&installed.join(&path)), "{path:?}");
    }
    let inode = |name: &str| fs::metadata(installed.join("hard-links").join(name)).unwrap().ino();
    assert_eq!([inode("a"), inode("z.last")], [inode("z/deep/first"); 2]);
    let sparse = fs::metadata(installed.join("holes/sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 8 << 20, "{} of 256 MiB are on the disk", sparse.blocks() * 512);
    let mtime = |name: &str| fs::metadata(installed.join("times").join(name)).unwrap().mtime();
    let built = fs::metadata(installed.join("times/future")).unwrap().mtime();
    assert!(built < 7_000_000_000, "no time is later than the build's");
    let times = ["the-earliest", "before-1970", "1970", "nanoseconds"].map(mtime);
    assert_eq!(times, [-2_147_483_647, -1_892_160_000, 0, 1_234_567_890]);
}

#[test]
fn what_no_tree_may_hold_is_refused_with_its_path() {
    let cases: [(Made, &str); 4] = [
        (|at| drop(fs::write(at.join(std::ffi::OsStr::from_bytes(b"\xff")), "")), "is not UTF-8"),
        (|at| drop(Command::new("mkfifo").arg(at.join("fifo")).status()), "fifo is a FIFO"),
        (
            |at| File::create(at.join("huge")).unwrap().set_len(1 << 40).unwrap(),
            "opt/huge has 1099511627776 bytes",
        ),
        (
            |at| {
                let in_1850 = UNIX_EPOCH - Duration::from_secs(3_786_912_000);
                File::create(at.join("old")).unwrap().set_modified(in_1850).unwrap();
            },
            "opt/old is of before 1901-12-13T20:45:53Z",
        ),
    ];
    for (make, said) in cases {
        let folder = Folder::new("refused");
        let tree = folder.role().join("opt");
        fs::create_dir_all(&tree).unwrap();
        make(&tree);
        let built = folder.build("1");
        let last = String::from_utf8_lossy(&built.stderr).into_owned();
        assert_eq!(built.status.code(), Some(11), "{last}");
        assert!(last.lines().last().unwrap().contains(said), "{last}");
    }
}
