//! A write-back cache of whole sectors, so that fatfs's writes of one or two bytes reach no device.
//!
//! What was written stays here until it is flushed, in the order in which the caller asks for; only
//! content of new files, which nothing names yet, may go earlier, so that memory stays bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom, Write};

use super::device::{BlockDevice, SECTOR, SyncId};

type Sector = [u8; SECTOR];

/// A sector that differs, or may differ, from the device's.
struct Dirty {
    now: Sector,
    /// What the device has, where that is known.
    was: Option<Box<Sector>>,
}

/// The cache over a device; it is read, written and sought in bytes.
pub(super) struct Cache<D> {
    device: D,
    dirty: BTreeMap<u64, Dirty>,
    /// Clean sectors that were read together, from the first on; what was used last comes first. A file is read with
    /// one eye on the table that says where it goes on.
    windows: [(u64, Vec<u8>); 2],
    at: u64,
    /// What [`Write::flush`] may write as soon as there is much of it.
    streams: Streams,
    /// Something was written since the last sync.
    unsynced: bool,
}

/// Content of files: sectors from `first` on that are of no folder.
#[derive(Default)]
pub(super) struct Streams {
    pub(super) first: u64,
    pub(super) folders: BTreeSet<u64>,
}

impl Streams {
    pub(super) fn contains(&self, number: u64) -> bool {
        number >= self.first && !self.folders.contains(&number)
    }
}

/// Sectors read at once.
const WINDOW: u64 = 64;
/// Bytes written at once, and those that may wait for it.
const RUN: usize = 1 << 20;

fn outside() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "outside of the device")
}

impl<D: BlockDevice> Cache<D> {
    pub(super) fn new(device: D) -> Self {
        Self {
            device,
            dirty: BTreeMap::new(),
            windows: Default::default(),
            at: 0,
            streams: Streams { first: u64::MAX, folders: BTreeSet::new() },
            unsynced: false,
        }
    }

    pub(super) fn sectors(&self) -> u64 {
        self.device.sectors()
    }

    /// The sector `number` as it will be once all is flushed.
    pub(super) fn sector(&mut self, number: u64) -> io::Result<&Sector> {
        if self.dirty.contains_key(&number) {
            return Ok(&self.dirty[&number].now);
        }
        let holds = |(first, window): &(u64, Vec<u8>)| {
            number >= *first && number - *first < (window.len() / SECTOR) as u64
        };
        if !holds(&self.windows[0]) {
            self.windows.swap(0, 1);
        }
        if !holds(&self.windows[0]) {
            self.read_window(number)?;
        }
        let (first, window) = &self.windows[0];
        let (sectors, _) = window.as_chunks();
        Ok(&sectors[usize::try_from(number - *first).expect("within the window")])
    }

    fn read_window(&mut self, number: u64) -> io::Result<()> {
        let sectors = self.device.sectors();
        if number >= sectors {
            return Err(outside());
        }
        let (first, window) = &mut self.windows[0];
        *first = number / WINDOW * WINDOW;
        let count = WINDOW.min(sectors - *first);
        window.resize(usize::try_from(count).expect("a few sectors") * SECTOR, 0);
        self.device.read(*first, window).inspect_err(|_| window.clear())
    }

    /// What is read from here on comes from the device.
    fn forget(&mut self) {
        self.windows.iter_mut().for_each(|(_, window)| window.clear());
    }

    /// Changes the sector `number`.
    pub(super) fn change(&mut self, number: u64, change: impl FnOnce(&mut Sector)) -> io::Result<()> {
        if !self.dirty.contains_key(&number) {
            let now = *self.sector(number)?;
            self.dirty.insert(number, Dirty { now, was: Some(Box::new(now)) });
        }
        let dirty = self.dirty.get_mut(&number).expect("just put there");
        change(&mut dirty.now);
        Ok(())
    }

    fn replace(&mut self, number: u64, now: Sector) -> io::Result<()> {
        if number >= self.device.sectors() {
            return Err(outside());
        }
        if now == [0; SECTOR] {
            // Most of a new file system is zero, and so is most of a blank disk.
            return self.change(number, |sector| *sector = now);
        }
        match self.dirty.get_mut(&number) {
            Some(dirty) => dirty.now = now,
            None => drop(self.dirty.insert(number, Dirty { now, was: None })),
        }
        Ok(())
    }

    /// Says what may stream out of the cache.
    pub(super) fn stream(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// Writes the dirty sectors `which` accepts to the device; those that changed nothing are dropped.
    pub(super) fn flush_where(&mut self, which: impl Fn(u64) -> bool) -> io::Result<()> {
        let chosen: Vec<u64> = self.dirty.keys().copied().filter(|&number| which(number)).collect();
        let mut run: (u64, Vec<u8>) = (0, Vec::new());
        for number in chosen {
            let dirty = self.dirty.remove(&number).expect("chosen from its keys");
            if dirty.was.is_some_and(|was| *was == dirty.now) {
                continue;
            }
            let follows = run.0 + (run.1.len() / SECTOR) as u64 == number;
            if !follows || run.1.len() >= RUN {
                self.write_run(&mut run)?;
                run.0 = number;
            }
            run.1.extend_from_slice(&dirty.now);
        }
        self.write_run(&mut run)
    }

    fn write_run(&mut self, (first, bytes): &mut (u64, Vec<u8>)) -> io::Result<()> {
        if !bytes.is_empty() {
            self.forget();
            self.unsynced = true;
            self.device.write(*first, bytes)?;
            bytes.clear();
        }
        Ok(())
    }

    /// Makes what was flushed durable; what is read from here on comes from the medium.
    pub(super) fn sync(&mut self, id: SyncId) -> io::Result<()> {
        self.forget();
        self.device.sync(id)?;
        self.unsynced = false;
        Ok(())
    }

    /// Flushes all, and makes it durable where the device has anything to bring to its medium.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.flush_where(|_| true)?;
        if self.unsynced { self.sync(SyncId::EspSettled) } else { Ok(()) }
    }

    /// Forgets all that was not flushed.
    pub(super) fn discard(&mut self) {
        self.dirty.clear();
        self.forget();
    }

    /// Sector and offset within it, and how much of `length` bytes lies in that sector.
    fn place(&self, length: usize) -> (u64, usize, usize) {
        let offset = usize::try_from(self.at % SECTOR as u64).expect("less than a sector");
        (self.at / SECTOR as u64, offset, length.min(SECTOR - offset))
    }
}

impl<D: BlockDevice> Read for Cache<D> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < into.len() {
            let (number, offset, length) = self.place(into.len() - done);
            if number >= self.device.sectors() {
                break;
            }
            into[done..done + length].copy_from_slice(&self.sector(number)?[offset..offset + length]);
            self.at += length as u64;
            done += length;
        }
        Ok(done)
    }
}

impl<D: BlockDevice> Write for Cache<D> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut rest = from;
        while !rest.is_empty() {
            let (number, offset, length) = self.place(rest.len());
            let (now, after) = rest.split_at(length);
            if let Ok(whole) = now.try_into() {
                self.replace(number, whole)?;
            } else {
                self.change(number, |sector| sector[offset..offset + length].copy_from_slice(now))?;
            }
            self.at += length as u64;
            rest = after;
        }
        Ok(from.len())
    }

    /// No barrier: only keeps memory bounded.
    fn flush(&mut self) -> io::Result<()> {
        if self.dirty.len() * SECTOR >= RUN {
            let streams = std::mem::take(&mut self.streams);
            let flushed = self.flush_where(|number| streams.contains(number));
            self.streams = streams;
            flushed?;
        }
        Ok(())
    }
}

impl<D: BlockDevice> Seek for Cache<D> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => (self.device.sectors() * SECTOR as u64).checked_add_signed(by),
        };
        self.at = at.ok_or_else(outside)?;
        Ok(self.at)
    }
}
