//! What a build makes of a tree.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use edeploy_format::manifest::{Kind, Owner};
use edeploy_format::path::TreePath;
use edeploy_format::units::LAID;

use crate::fixture::{Case, done};

#[test]
fn the_head_says_what_a_host_must_know() {
    let case = Case::new();
    case.recipe("kernel-arguments = ['quiet', 'panic=5']\npersistent = ['/root/', '/etc/hostname']\nslot-size = '2GiB'\n");
    done(&case.build("D12-1.0.0", &["--serial", "7"]));
    let (head, records) = case.manifest("D12-1.0.0");
    assert_eq!((head.role.as_str(), head.version.as_str(), head.serial), ("web", "D12-1.0.0", 7));
    assert_eq!((head.architecture.as_str(), head.built), ("amd64", 1_780_000_000));
    assert_eq!(head.kernel.as_str(), "boot/vmlinuz-6");
    assert_eq!(head.initrd.as_str(), "boot/initrd.img-6");
    assert_eq!(head.loader.as_str(), "usr/lib/systemd/boot/efi/systemd-bootx64.efi");
    assert_eq!((&*head.options, head.slot_size), ("quiet panic=5", 2 << 30));
    let persistent: Vec<_> = head.persistent.iter().map(TreePath::as_str).collect();
    assert_eq!(persistent, ["etc/hostname", "root"]);
    assert_eq!(head.entries, records.len() as u64);
    let sizes = records.iter().filter_map(|r| match r.kind {
        Kind::File { size, .. } => Some(size),
        Kind::Folder | Kind::HardLink { .. } | Kind::Symlink { .. } => None,
    });
    assert_eq!(head.bytes, sizes.sum::<u64>());
    assert_eq!(case.text("D12-1.0.0", "/usr/lib/edeploy/persistent"), "etc/hostname\nroot\n");
    assert_eq!(case.record("D12-1.0.0", "root").kind, Kind::Folder);
    assert_eq!(case.text("D12-1.0.0", "/etc/hostname"), "web\n");
}

#[test]
fn what_the_host_needs_is_laid_into_every_tree() {
    let case = Case::new();
    case.write("recipes/web/health.d/required/site", "#!/bin/sh\n");
    case.write("recipes/web/versions/1/health.d/wanted/more", "#!/bin/sh\n");
    case.built("1");
    case.built("2");
    assert_eq!(case.text("1", "/usr/bin/edeploy-ab"), "#!the host binary");
    assert_eq!(case.record("1", "usr/bin/edeploy-ab").mode, 0o755);
    for laid in LAID {
        case.record("1", laid.path);
    }
    assert_eq!(case.record("1", "usr/lib/edeploy/slot").kind, Kind::Folder);
    assert_eq!(case.record("1", "usr/lib/edeploy/health.d/required/site").mode, 0o755);
    assert_eq!(case.record("1", "usr/lib/edeploy/health.d/wanted/more").mode, 0o755);
    let (_, records) = case.manifest("2");
    assert!(!records.iter().any(|r| r.path.as_str().ends_with("wanted/more")));
}

#[test]
fn files_of_parent_role_and_version_are_laid_one_over_the_other() {
    let case = Case::new();
    case.write("recipes/base/recipe.toml", "role = 'base'\n");
    case.recipe("parent = 'base'\n");
    for (layer, files) in [("base", &["a", "b", "c"][..]), ("web", &["b", "c"]), ("web/versions/2", &["c"])] {
        for file in files {
            case.write(&format!("recipes/{layer}/files/etc/site/{file}"), layer);
        }
    }
    fs::set_permissions(case.path("recipes/base/files/etc/site/a"), fs::Permissions::from_mode(0o700))
        .unwrap();
    symlink("a", case.path("recipes/base/files/etc/site/link")).unwrap();
    case.built("2");
    assert_eq!(case.text("2", "/etc/site/a"), "base");
    assert_eq!(case.text("2", "/etc/site/b"), "web");
    assert_eq!(case.text("2", "/etc/site/c"), "web/versions/2");
    assert_eq!((case.record("2", "etc/site/a").mode, case.record("2", "etc/site/b").mode), (0o755, 0o644));
    assert_eq!(case.record("2", "etc/site/link").kind, Kind::Symlink { target: "a".to_owned() });
}

#[test]
fn var_moves_to_the_factory_and_comes_back_by_tmpfiles() {
    let case = Case::new();
    case.write("tree/var/lib/dpkg/status", "");
    std::os::unix::fs::chown(case.path("tree/var/lib/site"), Some(33), Some(34)).unwrap();
    case.built("1");
    let (_, records) = case.manifest("1");
    assert!(!records.iter().any(|r| r.path.is_below("var")));
    assert_eq!(case.text("1", "/usr/share/factory/var/lib/site/data"), "seed");
    case.record("1", "usr/lib/sysimage/dpkg/status");
    assert_eq!(case.record("1", "usr/share/factory/var/lib/site").owner, Owner { uid: 33, gid: 34 });
    let lines = case.text("1", "/usr/lib/tmpfiles.d/edeploy-var.conf");
    let lines: Vec<&str> = lines.lines().skip(1).collect();
    let expected = [
        "L+ /var/lib/dpkg - - - - ../../usr/lib/sysimage/dpkg",
        "d /var/lib 0755 0 0 - -",
        "d /var/lib/site 0755 33 34 - -",
        "C /var/lib/site/data 0644 0 0 - /usr/share/factory/var/lib/site/data",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn machine_secrets_and_traces_of_the_build_are_taken_out() {
    let case = Case::new();
    for path in [
        "etc/ssh/ssh_host_rsa_key",
        "etc/ssl/private/ssl-cert-snakeoil.key",
        "var/lib/systemd/random-seed",
        "etc/passwd-",
        "var/log/build.log",
        "var/cache/ldconfig/aux-cache",
        "run/lock",
        "tmp/x",
        "etc/apt/sources.list",
    ] {
        case.write(&format!("tree/{path}"), "x");
    }
    case.write("tree/etc/machine-id", "0123456789abcdef0123456789abcdef\n");
    case.write("tree/etc/fstab", "/dev/sda1 / ext4\n");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        {
            fs::create_dir_all(case.path("tree/dev")).unwrap();
            case.path("tree/dev/null")
        },
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from(0o666),
        rustix::fs::makedev(1, 3),
    )
    .expect("device nodes need root");
    case.built("1");
    let (_, records) = case.manifest("1");
    let paths: Vec<_> = records.iter().map(|r| r.path.as_str()).collect();
    for gone in [
        "ssh_host",
        "snakeoil",
        "random-seed",
        "passwd-",
        "build.log",
        "aux-cache",
        "run/",
        "tmp/",
        "dev/",
        "sources.list",
    ] {
        assert!(!paths.iter().any(|path| path.contains(gone)), "{gone}");
    }
    assert_eq!(case.text("1", "/etc/machine-id"), "");
    assert!(!case.text("1", "/etc/fstab").contains("sda"));
    assert!(records.iter().all(|r| r.mtime <= 1_780_000_000));
}
