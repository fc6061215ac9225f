//! Files of a volume: made and read through fatfs, made in two ordered phases.

use std::io::{self, Read, Seek, SeekFrom, Write};

use edeploy_format::digest::{Digest, Hasher};
use fatfs::{Date, DateTime, FileSystem, FsOptions, Time, TimeProvider};

use super::EspError;
use super::cache::Cache;
use super::device::{BlockDevice, SyncId};
use super::folder::Folders;
use super::geometry::Geometry;

/// Bytes handed on at once.
const PIECE: usize = 1 << 16;

/// The first day of FAT's calendar, as every folder has it. fatfs's own default is a day 0 of a month 0:
/// firmware then refuses to rename the file, and the loader cannot count a try.
#[derive(Debug)]
struct FirstDay;

impl TimeProvider for FirstDay {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time { hour: 0, min: 0, sec: 0, millis: 0 };
        DateTime { date: self.get_current_date(), time }
    }
}

fn mount<D: BlockDevice>(cache: &mut Cache<D>) -> io::Result<FileSystem<&mut Cache<D>>> {
    cache.seek(SeekFrom::Start(0))?;
    FileSystem::new(cache, FsOptions::new().time_provider(&FirstDay))
}

/// Makes the file `name` in `folder` with all of `content`, and says what the digest of that was.
///
/// First everything but the name becomes durable, then the name. The caller has made sure that there
/// is no such file and enough room, and discards the cache when this fails: nothing names what was
/// written then.
pub(super) fn create<D: BlockDevice>(
    cache: &mut Cache<D>,
    volume: &Geometry,
    folder: &str,
    name: &str,
    content: &mut dyn Read,
    accept: impl FnOnce(Digest) -> Result<(), EspError>,
) -> Result<(), EspError> {
    let folders = Folders::read(cache, volume)?;
    let path = format!("{folder}/{name}");
    if !folders.find(folder)?.has_room_for(name) {
        return Err(EspError::FolderFull { folder: folder.to_owned() });
    }
    let writing = EspError::writing(&path);
    cache.stream(folders.streams(volume));
    fill(cache, &path, content).map_err(&writing).and_then(accept)?;
    let streams = folders.streams(volume);
    cache.flush_where(|number| !streams.folders.contains(&number)).map_err(&writing)?;
    cache.sync(SyncId::EspContent).map_err(&writing)?;
    cache.flush_where(|_| true).map_err(&writing)?;
    cache.sync(SyncId::EspName).map_err(&writing)
}

fn fill<D: BlockDevice>(cache: &mut Cache<D>, path: &str, content: &mut dyn Read) -> io::Result<Digest> {
    let system = mount(cache)?;
    let mut hasher = Hasher::new();
    {
        let mut file = system.root_dir().create_file(path)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = content.read(&mut piece)?;
            if length == 0 {
                break;
            }
            hasher.update(&piece[..length]);
            file.write_all(&piece[..length])?;
            file.flush()?;
        }
    }
    system.unmount()?;
    Ok(hasher.finish())
}

/// Hands the content of the file at `path` on, piece by piece.
pub(super) fn read<D: BlockDevice>(
    cache: &mut Cache<D>,
    path: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<(), EspError> {
    let mut read = || -> io::Result<()> {
        let system = mount(cache)?;
        let mut file = system.root_dir().open_file(path)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            take(&piece[..length]);
        }
    };
    read().map_err(EspError::reading(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::esp::{Esp, SECTOR};

    struct Memory(Vec<u8>);

    impl BlockDevice for Memory {
        fn sectors(&self) -> u64 {
            (self.0.len() / SECTOR) as u64
        }

        fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
            let at = usize::try_from(first).unwrap() * SECTOR;
            into.copy_from_slice(&self.0[at..at + into.len()]);
            Ok(())
        }

        fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
            let at = usize::try_from(first).unwrap() * SECTOR;
            self.0[at..at + from.len()].copy_from_slice(from);
            Ok(())
        }

        fn sync(&mut self, _: SyncId) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_date_is_one_that_firmware_takes() {
        let mut memory = Memory(vec![0; 64 << 20]);
        Esp::format(&mut memory, 7).unwrap();
        let mut cache = Cache::new(&mut memory);
        let volume = Geometry::read(&mut cache).unwrap();
        let name = "edeploy-a-g1+3.conf";
        create(&mut cache, &volume, "loader/entries", name, &mut &b"text"[..], |_| Ok(())).unwrap();
        let named = memory.0.as_chunks::<32>().0.iter().filter(|slot| &slot[..6] == b"EDEPLO");
        let dates = named.map(|slot| [16, 18, 24].map(|at| u16::from_le_bytes([slot[at], slot[at + 1]])));
        // The folder of kernels, and the file.
        assert_eq!(dates.collect::<Vec<_>>(), [[1 << 5 | 1; 3]; 2]);
    }
}
