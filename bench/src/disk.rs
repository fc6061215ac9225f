//! Disk images: what is on which bytes of them, and their slots as devices and mounted folders.

use std::path::{Path, PathBuf};

use crate::error::{Result, unexpected};
use crate::folder;
use crate::ours;
use crate::run::Call;

/// A slot of an image.
#[derive(Clone, Copy, Debug)]
pub enum Slot {
    /// The one that an install fills.
    A,
    /// The other.
    B,
}

impl Slot {
    /// Its partition, counted from 0.
    fn partition(self) -> usize {
        match self {
            Self::A => 1,
            Self::B => 2,
        }
    }
}

/// A loop device that goes with this value.
#[derive(Debug)]
pub struct Device(PathBuf);

impl Device {
    /// A slot of an image.
    ///
    /// # Errors
    /// When the image has no such partition, or no device is free.
    pub fn slot(image: &Path, slot: Slot) -> Result<Self> {
        let table = ours::parse(&Call::new("sfdisk").arg("--json").arg(image).run()?)?;
        let partition = &table["partitiontable"]["partitions"][slot.partition()];
        let bytes = |key: &str| -> Result<String> { Ok((ours::number(partition, key)? * 512).to_string()) };
        Self::attach(image, &["--offset", &bytes("start")?, "--sizelimit", &bytes("size")?])
    }

    /// A whole image.
    ///
    /// # Errors
    /// When no device is free.
    pub fn whole(image: &Path) -> Result<Self> {
        Self::attach(image, &[])
    }

    fn attach(image: &Path, more: &[&str]) -> Result<Self> {
        let told = Call::new("losetup").words("--show -f").args(more).arg(image).run()?;
        match told.trim() {
            "" => Err(unexpected("losetup", "no device")),
            device => Ok(Self(device.into())),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Err(error) = Call::new("losetup").arg("-d").arg(&self.0).run() {
            eprintln!("bench: {error}");
        }
    }
}

/// A mounted file system that goes with this value.
#[derive(Debug)]
pub struct Mounted {
    folder: PathBuf,
    /// Goes after the mount.
    _device: Device,
}

impl Mounted {
    /// Mounts a device on a folder, which is made; `options` are those of mount.
    ///
    /// # Errors
    /// When mount fails.
    pub fn new(device: Device, folder: PathBuf, options: &str) -> Result<Self> {
        folder::fresh(&folder)?;
        Call::new("mount").args(["-o", options]).arg(device.path()).arg(&folder).run()?;
        Ok(Self { folder, _device: device })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = Call::new("umount").arg(&self.folder).run() {
            eprintln!("bench: {error}");
        }
    }
}

/// Lets go of what a killed run left: all that is mounted below the work folder, and devices of files there.
///
/// # Errors
/// When something else holds them.
pub fn let_go(work: &Path) -> Result<()> {
    for mount in folder::mounts(work)? {
        Call::new("umount").arg(mount).run()?;
    }
    let devices = Call::new("losetup").words("--list --noheadings --raw --output NAME,BACK-FILE").run()?;
    for (device, file) in devices.lines().filter_map(|line| line.split_once(' ')) {
        if Path::new(file).starts_with(work) {
            Call::new("losetup").arg("-d").arg(device).run()?;
        }
    }
    Ok(())
}

/// Copies an image, holes included, and waits until it is on the disk.
///
/// # Errors
/// When that fails.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    folder::remove(to)?;
    Call::new("cp").words("--sparse=always --reflink=never").args([from, to]).run()?;
    Call::new("sync").arg(to).run().map(|_| ())
}

/// Makes an image with one empty ext4 file system.
///
/// # Errors
/// When mke2fs fails.
pub fn make(image: &Path, size: &str) -> Result<()> {
    folder::remove(image)?;
    Call::new("truncate").args(["-s", size]).arg(image).run()?;
    Call::new("mke2fs")
        .words("-q -t ext4 -E lazy_itable_init=0,lazy_journal_init=0 -N 200000")
        .arg(image)
        .run()
        .map(|_| ())
}
