//! A partition as a device of sectors, for the ESP.
//!
//! Opened exclusively: while the ESP is mounted anywhere, opening fails, and while it is open here,
//! nobody can mount it. A write under a live mount would go unnoticed until both are on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;

use rustix::fs::{Advice, OFlags, fadvise, fdatasync, fsync};

use super::ioctl::flush_buffers;
use super::mount::Access;
use super::place::Volume;
use crate::esp::{BlockDevice, SECTOR, SyncId};

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
    /// Opens `volume` for nobody else.
    ///
    /// # Errors
    /// [`SectorsError`], with `EBUSY` while it is mounted.
    pub fn open(volume: Volume, access: Access) -> Result<Self, SectorsError> {
        let flags = i32::try_from(OFlags::EXCL.bits()).expect("a flag of the kernel's");
        let opened = OpenOptions::new()
            .read(true)
            .write(access == Access::ReadWrite)
            .custom_flags(flags)
            .open(volume.path())
            .and_then(|mut file| Ok((file.seek(SeekFrom::End(0))? / SECTOR as u64, file)));
        match opened {
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

    #[test]
    fn what_is_synced_is_in_the_image_and_nobody_else_can_open_it() {
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
        assert!(Sectors::open(Volume::Node(node), Access::ReadOnly).is_err());
    }
}
