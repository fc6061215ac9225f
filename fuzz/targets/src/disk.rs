//! A disk in memory, mostly holes, that a target bends before it is read.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use edeploy_ab::esp::{BlockDevice, SECTOR, SyncId};

use crate::input::Input;

/// Its sectors; those that are not there are zero.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    sectors: BTreeMap<u64, [u8; SECTOR]>,
    size: u64,
    at: u64,
}

impl Disk {
    /// An empty disk of so many bytes.
    pub(crate) fn new(size: u64) -> Self {
        Self { sectors: BTreeMap::new(), size, at: 0 }
    }

    /// Whether it holds what the other does.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.sectors == other.sectors
    }

    /// How many sectors hold something.
    pub(crate) fn written(&self) -> usize {
        self.sectors.len()
    }

    /// Writes over bytes of it as `input` says: which of the sectors that hold something, where in it, how many, and what.
    pub(crate) fn bend(&mut self, input: &mut Input<'_>) {
        let known: Vec<u64> = self.sectors.keys().copied().collect();
        while !input.0.is_empty() && !known.is_empty() {
            let sector = known[usize::from(input.short()) % known.len()];
            let at = usize::from(input.short()) % SECTOR;
            let length = usize::from(input.byte() % 33);
            let bytes = input.take(length.min(SECTOR - at));
            self.sectors.entry(sector).or_insert([0; SECTOR])[at..at + bytes.len()].copy_from_slice(bytes);
        }
    }

    /// Changes bytes from `at` on, which lie in one sector.
    pub(crate) fn put(&mut self, at: u64, bytes: &[u8]) {
        let sector = self.sectors.entry(at / SECTOR as u64).or_insert([0; SECTOR]);
        let begin = (at % SECTOR as u64) as usize;
        sector[begin..begin + bytes.len()].copy_from_slice(bytes);
    }

    /// The bytes from `at` on.
    pub(crate) fn bytes(&self, at: u64, length: usize) -> Vec<u8> {
        let byte =
            |at: u64| self.sectors.get(&(at / SECTOR as u64)).map_or(0, |s| s[(at % SECTOR as u64) as usize]);
        (at..at + length as u64).map(byte).collect()
    }

    fn within(&self, at: u64, length: usize) -> usize {
        usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX).min(length)
    }
}

impl Read for Disk {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let begin = (self.at % SECTOR as u64) as usize;
        let n = self.within(self.at, into.len().min(SECTOR - begin));
        match self.sectors.get(&(self.at / SECTOR as u64)) {
            Some(sector) => into[..n].copy_from_slice(&sector[begin..begin + n]),
            None => into[..n].fill(0),
        }
        self.at += n as u64;
        Ok(n)
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let begin = (self.at % SECTOR as u64) as usize;
        let n = self.within(self.at, bytes.len().min(SECTOR - begin));
        let number = self.at / SECTOR as u64;
        if self.sectors.contains_key(&number) || bytes[..n].iter().any(|b| *b != 0) {
            self.put(self.at, &bytes[..n]);
        }
        self.at += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.size / SECTOR as u64
    }

    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
        let at = first.checked_mul(SECTOR as u64).ok_or(io::ErrorKind::InvalidInput)?;
        self.seek(SeekFrom::Start(at))?;
        self.read_exact(into)
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        let at = first.checked_mul(SECTOR as u64).ok_or(io::ErrorKind::InvalidInput)?;
        self.seek(SeekFrom::Start(at))?;
        self.write_all(from)
    }

    fn sync(&mut self, _id: SyncId) -> io::Result<()> {
        Ok(())
    }
}
