//! Firmware and boot loader of the simulated machine: reads the real bytes of the ESP, asks the boot
//! model, and renames the counted entry as the loader does.

use std::io::{self, Read, Seek, SeekFrom, Write};

use edeploy_ab::esp::{BlockDevice, Esp, SECTOR};
use edeploy_format::boot::{BootFile, ENTRIES, Ends, Found, OBJECTS, choose};
use edeploy_format::digest::Digest;

use crate::disk::Shared;
use crate::fault::Fault;
use crate::machine::Machine;

/// What the firmware boots.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Boot {
    /// The file of the entry, before a try is spent.
    pub(crate) file: String,
    /// It is counted.
    pub(crate) counted: bool,
}

/// Reads the ESP byte by byte, as the firmware's FAT driver may: each change is one sector, written.
struct Bytes {
    disk: Shared,
    at: u64,
}

impl Bytes {
    fn sector(&mut self) -> io::Result<(u64, usize, [u8; SECTOR])> {
        let number = self.at / SECTOR as u64;
        let mut sector = [0; SECTOR];
        self.disk.read(number, &mut sector)?;
        Ok((number, usize::try_from(self.at % SECTOR as u64).unwrap(), sector))
    }
}

impl Read for Bytes {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (_, offset, sector) = self.sector()?;
        let length = into.len().min(SECTOR - offset);
        into[..length].copy_from_slice(&sector[offset..offset + length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Write for Bytes {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let (number, offset, mut sector) = self.sector()?;
        let length = from.len().min(SECTOR - offset);
        sector[offset..offset + length].copy_from_slice(&from[..length]);
        // fatfs marks the volume as in use in the boot sector, which firmware leaves alone.
        if number != 0 {
            self.disk.write(number, &sector)?;
        }
        self.at += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.at.checked_add_signed(by).unwrap(),
            SeekFrom::End(by) => (self.disk.sectors() * SECTOR as u64).checked_add_signed(by).unwrap(),
        };
        Ok(self.at)
    }
}

impl Machine {
    /// Chooses an entry and spends a try of it; `None` if the machine stays in its firmware.
    ///
    /// The rename is in the write cache when this returns: the caller decides whether it was cut.
    pub(crate) fn firmware(&mut self) -> Result<Option<Boot>, Fault> {
        let esp = if self.is_partitioned() { Esp::open(self.esp.clone()).ok() } else { None };
        let Some((mut esp, confs)) = esp.and_then(|mut esp| esp.confs().ok().map(|confs| (esp, confs)))
        else {
            return Ok(None);
        };
        if !esp.has_loader().unwrap_or(false) {
            return Ok(None);
        }
        let mut objects = Vec::new();
        for digest in confs.iter().flat_map(|(_, text)| digests(text)) {
            objects.push((format!("{OBJECTS}/{digest}"), esp.object(digest)?));
        }
        let found: Vec<Found<'_>> = confs.iter().map(|(file, text)| Found { file, text }).collect();
        let choice = choose(&found, &self.efi, |path| {
            objects.iter().find(|(known, _)| known == path).map_or(BootFile::Missing, |(_, state)| *state)
        });
        self.efi.oneshot = None;
        let Some(choice) = choice else { return Ok(None) };
        if choice.ends != Ends::Starts {
            return Err(Fault::Broken(format!("{} ends with {:?}", choice.file, choice.ends)));
        }
        if choice.counted {
            let bytes = Bytes { disk: self.esp.clone(), at: 0 };
            let system = fatfs::FileSystem::new(bytes, fatfs::FsOptions::new())?;
            let folder = system.root_dir().open_dir(ENTRIES)?;
            self.counting = true;
            folder.rename(&choice.file, &folder, &choice.becomes)?;
            self.counting = false;
        }
        Ok(Some(Boot { file: choice.file, counted: choice.counted }))
    }
}

fn digests(text: &[u8]) -> Vec<Digest> {
    let text = String::from_utf8_lossy(text).into_owned();
    text.split(['/', '\n', '=', ' ']).filter_map(|word| word.parse().ok()).collect()
}
