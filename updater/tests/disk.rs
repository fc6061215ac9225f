//! Loop devices, mounts, and the external programs, on a real kernel. Needs root, as the product does.
#![allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use edeploy_ab::disk::cold::{forget_device, forget_loop};
use edeploy_ab::disk::fs::{Ext, Ext4, Tool, ToolError, ext};
use edeploy_ab::disk::loopdev::{LoopDevice, LoopError, Window};
use edeploy_ab::disk::mount::{Access, Mount, MountError, private_namespace};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// An image of 40 MiB with a window of 32 MiB that begins at 4 MiB.
fn image() -> (TempDir, PathBuf, Window) {
    assert!(rustix::process::geteuid().is_root(), "loop devices and mounts need root: run the tests as root");
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    File::create(&image).unwrap().set_len(40 * MIB).unwrap();
    (folder, image, Window { offset: 4 * MIB, size: 32 * MIB })
}

fn ext4() -> Ext4 {
    let uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned();
    Ext4 { label: "slot-a".to_owned(), uuid, inodes: Some(2048), journal: true }
}

#[test]
fn a_loop_device_shows_its_window_and_nothing_else() {
    let (_folder, image, window) = image();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    let block = File::options().read(true).write(true).open(device.path()).unwrap();
    block.write_all_at(b"first", 0).unwrap();
    block.sync_all().unwrap();
    assert!(block.write_at(b"beyond", 32 * MIB).is_err());
    let mut bytes = [0; 5];
    File::open(&image).unwrap().read_exact_at(&mut bytes, 4 * MIB).unwrap();
    assert_eq!(&bytes, b"first");
}

#[test]
fn a_loop_device_is_free_again_when_dropped() {
    let (_folder, image, window) = image();
    let device = LoopDevice::attach(&image, window, Access::ReadOnly).unwrap();
    let backing = Path::new("/sys/block").join(device.path().file_name().unwrap()).join("loop/backing_file");
    let image = format!("{}\n", image.display());
    assert_eq!(fs::read_to_string(&backing).unwrap(), image);
    drop(device);
    // A child that another test forks holds the device open until it runs its program.
    let gone = || fs::read_to_string(&backing).map_or(true, |other| other != image);
    let patience = Instant::now() + Duration::from_secs(10);
    while !gone() && Instant::now() < patience {
        std::thread::yield_now();
    }
    assert!(gone());
}

#[test]
fn two_hundred_at_once_get_a_loop_device_each() {
    let (_folder, image, window) = image();
    let attach = || LoopDevice::attach(&image, window, Access::ReadOnly).unwrap();
    let devices: Vec<LoopDevice> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..200).map(|_| scope.spawn(attach)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let names: BTreeSet<&Path> = devices.iter().map(LoopDevice::path).collect();
    assert_eq!(names.len(), 200);
}

#[test]
fn a_window_that_is_not_inside_the_image_is_refused() {
    let (_folder, image, _) = image();
    for (offset, size) in [(0, 0), (0, 41 * MIB), (40 * MIB, 512), (1, 512), (0, 513), (u64::MAX - 511, 512)]
    {
        let result = LoopDevice::attach(&image, Window { offset, size }, Access::ReadWrite);
        assert!(matches!(result, Err(LoopError::Window { .. })), "{offset} {size}");
    }
    let missing =
        LoopDevice::attach(Path::new("/nowhere"), Window { offset: 0, size: 512 }, Access::ReadOnly);
    assert!(matches!(missing, Err(LoopError::Image { .. })));
}

#[test]
fn a_file_system_is_made_mounted_written_and_checked() {
    let (folder, image, window) = image();
    private_namespace().unwrap();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    assert_eq!(ext(device.path()), None);
    Tool::MakeExt4(&ext4()).run(device.path()).unwrap();
    assert_eq!(ext(device.path()), Some(Ext { size: window.size, unclean: false, errors: false }));
    let at = folder.path().join("slot");
    let mount = Mount::ext4(device.path(), &at, Access::ReadWrite).unwrap();
    fs::write(at.join("file"), "text").unwrap();
    mount.sync().unwrap();
    mount.unmount().unwrap();
    assert!(!at.join("file").exists());
    Tool::Check.run(device.path()).unwrap();
    let mount = Mount::ext4(device.path(), &at, Access::ReadOnly).unwrap();
    assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "text");
    assert!(fs::write(at.join("file"), "other").is_err());
    drop(mount);
    assert!(!at.join("file").exists());
}

#[test]
fn the_same_options_make_the_same_file_system() {
    let header = || {
        let (_folder, image, window) = image();
        let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
        Tool::MakeExt4(&ext4()).run(device.path()).unwrap();
        let output = Command::new("dumpe2fs").arg("-h").arg(device.path()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let fixed = |l: &&str| {
            !["created", "write time", "checked", "Checksum", "Lifetime"].iter().any(|w| l.contains(w))
        };
        text.lines().filter(fixed).map(str::to_owned).collect::<Vec<_>>()
    };
    let first = header();
    assert_eq!(first, header());
    let words = |l: &String| l.split_whitespace().collect::<Vec<_>>().join(" ");
    let has = |text: &str| assert!(first.iter().any(|l| words(l) == text), "{text}");
    has("Filesystem volume name: slot-a");
    has("Filesystem UUID: 0fc63daf-8483-4772-8e79-3d69d8477de4");
    has("Directory Hash Seed: 0fc63daf-8483-4772-8e79-3d69d8477de4");
    has("Inode count: 2048");
    has("Reserved block count: 0");
}

#[test]
fn a_broken_file_system_is_named_with_the_command_and_its_words() {
    let (_folder, image, window) = image();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    let Err(ToolError::Failed { command, messages, .. }) = Tool::Check.run(device.path()) else {
        panic!("an empty device is no file system")
    };
    assert_eq!(command, format!("e2fsck -f -n {}", device.path().display()));
    assert!(messages.contains("Bad magic number in super-block"), "{messages}");
}

#[test]
fn a_superblock_that_was_torn_is_taken_from_its_copy_and_the_journal_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    private_namespace().unwrap();
    // Large enough for a second block group, where the copy is.
    let (image, window) = (folder.path().join("image"), Window { offset: 0, size: 256 * MIB });
    File::create(&image).unwrap().set_len(window.size).unwrap();
    let at = folder.path().join("state");
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    Tool::MakeExt4(&ext4()).run(device.path()).unwrap();
    let mount = Mount::ext4(device.path(), &at, Access::ReadWrite).unwrap();
    fs::write(at.join("file"), "text").unwrap();
    File::open(at.join("file")).unwrap().sync_all().unwrap();
    // As the power leaves it: the file is in the journal, and nothing was unmounted.
    let cut = folder.path().join("cut");
    fs::copy(&image, &cut).unwrap();
    drop(mount);
    drop(device);
    let file = File::options().read(true).write(true).open(&cut).unwrap();
    // The second sector of the superblock, where the checksum is, stayed as it was before.
    file.write_all_at(&[0; 512], 1536).unwrap();
    let device = LoopDevice::attach(&cut, window, Access::ReadWrite).unwrap();
    assert!(Tool::Check.run(device.path()).is_err());
    Tool::Recover.run(device.path()).unwrap();
    Tool::Check.run(device.path()).unwrap();
    let mount = Mount::ext4(device.path(), &at, Access::ReadOnly).unwrap();
    assert_eq!(fs::read_to_string(at.join("file")).unwrap(), "text");
    drop(mount);
}

#[test]
fn where_no_copy_helps_the_first_failure_is_told() {
    let (_folder, image, window) = image();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    let Err(ToolError::Failed { command, .. }) = Tool::Recover.run(device.path()) else {
        panic!("an empty device is no file system")
    };
    assert_eq!(command, format!("e2fsck -p {}", device.path().display()));
}

#[test]
fn an_open_file_keeps_a_slot_from_being_unmounted() {
    let (folder, image, window) = image();
    private_namespace().unwrap();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    Tool::MakeExt4(&ext4()).run(device.path()).unwrap();
    let mount = Mount::ext4(device.path(), &folder.path().join("slot"), Access::ReadWrite).unwrap();
    assert!(forget_device(device.path()).is_err(), "a mounted device is not cold");
    let root = mount.root().unwrap();
    let Err(MountError::Step { source, .. }) = mount.unmount() else {
        panic!("unmounted under an open folder")
    };
    assert_eq!(source.kind(), std::io::ErrorKind::ResourceBusy);
    drop(root);
    forget_device(device.path()).unwrap();
}

#[test]
fn a_cold_device_is_read_from_its_file_and_the_file_from_its_disk() {
    let (_folder, image, window) = image();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    let read = || {
        let mut bytes = [0; 4];
        File::open(device.path()).unwrap().read_exact_at(&mut bytes, 8192).unwrap();
        bytes
    };
    let file = File::options().write(true).open(&image).unwrap();
    file.write_all_at(b"old!", window.offset + 8192).unwrap();
    // Held open, because the last close of a block device drops its pages too.
    let open = File::open(device.path()).unwrap();
    assert_eq!(&read(), b"old!");
    file.write_all_at(b"new!", window.offset + 8192).unwrap();
    assert_eq!(&read(), b"old!", "the device's own pages");
    forget_loop(&device).unwrap();
    let resident =
        Command::new("fincore").args(["--bytes", "--noheadings", "--output", "RES"]).arg(&image).output();
    let resident = resident.expect("fincore: apt-get install util-linux-extra").stdout;
    assert_eq!(String::from_utf8(resident).unwrap().trim(), "0");
    assert_eq!(&read(), b"new!");
    drop(open);
}

#[test]
fn a_folder_shown_alone_hides_what_is_mounted_below_it_and_is_read_only() {
    let (folder, image, window) = image();
    private_namespace().unwrap();
    let device = LoopDevice::attach(&image, window, Access::ReadWrite).unwrap();
    Tool::MakeExt4(&ext4()).run(device.path()).unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("var")).unwrap();
    fs::write(root.join("var/own"), "").unwrap();
    let below = Mount::ext4(device.path(), &root.join("var"), Access::ReadWrite).unwrap();
    assert!(!root.join("var/own").exists());
    let alone = Mount::alone(&root, &folder.path().join("alone")).unwrap();
    assert!(alone.at().join("var/own").exists());
    assert!(fs::write(alone.at().join("var/own"), "x").is_err());
    alone.unmount().unwrap();
    below.unmount().unwrap();
}
