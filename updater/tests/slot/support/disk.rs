use std::fs::File;
use std::path::{Path, PathBuf};

use edeploy_ab::disk::fs::{Ext4, Tool};
use edeploy_ab::disk::loopdev::{LoopDevice, Window};
use edeploy_ab::disk::mount::{Access, Mount, private_namespace};
use edeploy_ab::slot::Tree;
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// An ext4 file system in a file.
pub(crate) struct Disk {
    folder: TempDir,
    device: LoopDevice,
}

/// A mounted one.
pub(crate) struct Slot {
    mount: Mount,
}

impl Disk {
    /// One with room for every test but that of a full one.
    pub(crate) fn new() -> Self {
        Self::of(32 * MIB, 4096)
    }

    pub(crate) fn of(size: u64, inodes: u64) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "loop devices and mounts need root: run the tests as root"
        );
        private_namespace().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image).unwrap().set_len(size).unwrap();
        let device = LoopDevice::attach(&image, Window { offset: 0, size }, Access::ReadWrite).unwrap();
        let uuid = "0fc63daf-8483-4772-8e79-3d69d8477de4".to_owned();
        let ext4 = Ext4 { label: "slot-b".to_owned(), uuid, inodes: Some(inodes), journal: false };
        Tool::MakeExt4(&ext4).run(device.path()).unwrap();
        Self { folder, device }
    }

    pub(crate) fn mount(&self) -> Slot {
        let at = self.folder.path().join("slot");
        Slot { mount: Mount::ext4(self.device.path(), &at, Access::ReadWrite).unwrap() }
    }

    /// Unmounts `slot`, and lets e2fsck look at it.
    pub(crate) fn check(&self, slot: Slot) {
        slot.mount.unmount().unwrap();
        Tool::Check.run(self.device.path()).unwrap();
    }
}

impl Slot {
    pub(crate) fn tree(&self) -> Tree {
        Tree::new(self.mount.root().unwrap())
    }

    pub(crate) fn sync(&self) {
        self.mount.sync().unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn root(&self) -> &Path {
        self.mount.at()
    }
}
