//! A partition as a device of sectors, for the ESP.
//!
//! For writing it is opened exclusively: while the ESP is mounted anywhere, opening fails, and while it is open
//! here, nobody can mount it. A write under a live mount would go unnoticed until both are on the disk.
//! Looking at it keeps nobody from it: a `status` must not be in the way of a `bless`.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, OFlags, fadvise, fdatasync, fsync};

use super::ioctl::flush_buffers;
use super::mount::Access;
use super::place::Volume;
use crate::esp::{BlockDevice, SECTOR, SyncId};

/// Who else has it alone may be about to let it go.
const LETTING_GO: Duration = Duration::from_secs(3);

/// An open partition.
#[derive(Debug)]
pub struct Sectors {
    file: File,
    sectors: u64,
    volume: Volume,
}

/// Why a partition cannot be had alone.
#[derive(Debug, thiserror::Error)]
#[error("opening {} alone (is it mounted?)", .device.display())]
pub struct SectorsError {
    device: PathBuf,
    #[source]
    source: io::Error,
}

impl Sectors {
    /// Opens `volume`; for writing, for nobody else, which may take a moment.
    ///
    /// # Errors
    /// [`SectorsError`], with `EBUSY` when it stays mounted or somebody else's.
    pub fn open(volume: Volume, access: Access) -> Result<Self, SectorsError> {
        let write = access == Access::ReadWrite;
        let alone = i32::try_from(OFlags::EXCL.bits()).expect("a flag of the kernel's");
        let mut how = OpenOptions::new();
        how.read(true).write(write).custom_flags(if write { alone } else { 0 });
        let patience = Instant::now() + LETTING_GO;
        let opened = loop {
            match how.open(volume.path()) {
                Err(e) if e.kind() == io::ErrorKind::ResourceBusy && Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                opened => break opened,
            }
        };
        match opened.and_then(|mut file| Ok((file.seek(SeekFrom::End(0))? / SECTOR as u64, file))) {
            Ok((sectors, file)) => Ok(Self { file, sectors, volume }),
            Err(source) => Err(SectorsError { device: volume.path().to_owned(), source }),
        }
    }
}

impl BlockDevice for Sectors {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, first * SECTOR as u64)
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        self.file.write_all_at(from, first * SECTOR as u64)
    }

    fn sync(&mut self, _: SyncId) -> io::Result<()> {
        fsync(&self.file)?;
        flush_buffers(&self.file)?;
        if let Volume::Loop(device) = &self.volume {
            let (backing, window) = (device.backing(), device.window());
            // Dirty pages cannot be dropped.
            fdatasync(backing)?;
            fadvise(backing, window.offset, std::num::NonZero::new(window.size), Advice::DontNeed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::loopdev::{LoopDevice, Window};
    use crate::esp::Esp;
    use edeploy_format::digest::Digest;

    #[test]
    fn what_is_synced_is_in_the_image_and_nobody_else_can_write_it() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(1 << 20).unwrap();
        let window = Window { offset: 4096, size: 8192 };
        let device = LoopDevice::attach(image.path(), window, Access::ReadWrite);
        let device = device.expect("this test needs root, for a loop device");
        let node = device.path().to_owned();
        let mut sectors = Sectors::open(Volume::Loop(device), Access::ReadWrite).unwrap();
        assert_eq!(sectors.sectors(), 16);
        sectors.write(2, &[7; SECTOR]).unwrap();
        sectors.sync(SyncId::EspSettled).unwrap();
        let mut byte = [0];
        image.as_file().read_exact_at(&mut byte, 4096 + 2 * 512).unwrap();
        assert_eq!(byte, [7]);
        let error = Sectors::open(Volume::Node(node.clone()), Access::ReadWrite).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::ResourceBusy);
        // Who only looks neither waits nor is in the way.
        let reader = Sectors::open(Volume::Node(node.clone()), Access::ReadOnly).unwrap();
        drop(sectors);
        assert!(Sectors::open(Volume::Node(node), Access::ReadWrite).is_ok());
        drop(reader);
    }

    #[test]
    fn what_a_command_on_the_esp_wrote_is_in_the_image_when_it_returns() {
        let image = tempfile::NamedTempFile::new().unwrap();
        image.as_file().set_len(64 << 20).unwrap();
        let window = Window { offset: 1 << 20, size: 40 << 20 };
        let device = LoopDevice::attach(image.path(), window, Access::ReadWrite);
        let device = device.expect("this test needs root, for a loop device");
        let node = device.path().to_owned();
        // Bytes that wait in the loop device's own pages are lost on who attaches another one: another process, or a
        // child for a moment, may keep this one from going away.
        let in_image = |after: &str| {
            let mut of_device = vec![0; 40 << 20];
            let mut of_image = of_device.clone();
            File::open(&node).unwrap().read_exact_at(&mut of_device, 0).unwrap();
            image.as_file().read_exact_at(&mut of_image, 1 << 20).unwrap();
            assert!(of_device == of_image, "after {after}");
        };
        let sectors = Sectors::open(Volume::Loop(device), Access::ReadWrite).unwrap();
        let mut esp = Esp::format(sectors, 7).unwrap();
        in_image("the new file system");
        esp.install_loader(b"MZ").unwrap();
        in_image("the loader");
        let digest = Digest::of(b"kernel");
        esp.put(digest, 6, &mut &b"kernel"[..]).unwrap();
        in_image("a kernel");
        esp.prune(&[]).unwrap();
        in_image("a deletion");
    }
}
