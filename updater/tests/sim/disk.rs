//! A disk of sectors whose write cache the test owns: after a cut, any part of it may be lost.

use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use edeploy_ab::esp::{BlockDevice, SECTOR, SyncId};

type Sector = [u8; SECTOR];

/// A disk. Sectors that were never written are zero and take no memory; copies share sectors.
#[derive(Clone)]
pub(crate) struct Disk {
    sectors: u64,
    durable: BTreeMap<u64, Rc<Sector>>,
    /// Writes since the last sync, in their order.
    pending: Vec<(u64, Rc<Sector>)>,
    /// What a reader sees of them.
    cached: BTreeMap<u64, Rc<Sector>>,
    /// Effects (a sector written, a sync) until the power is cut.
    left: Option<usize>,
    /// All barriers that were passed, and the one that does nothing.
    pub(crate) synced: Vec<SyncId>,
    pub(crate) without: Option<SyncId>,
}

/// The error every effect ends with once the power is cut.
pub(crate) fn cut() -> io::Error {
    io::Error::other("the power is cut")
}

impl Disk {
    pub(crate) fn new(bytes: u64) -> Self {
        let sectors = bytes / SECTOR as u64;
        let (durable, cached) = (BTreeMap::new(), BTreeMap::new());
        Self { sectors, durable, cached, pending: Vec::new(), left: None, synced: Vec::new(), without: None }
    }

    /// Cuts the power after `effects` more of them.
    pub(crate) fn cut_after(&mut self, effects: Option<usize>) {
        self.left = effects;
    }

    /// One effect.
    pub(crate) fn tick(&mut self) -> io::Result<()> {
        match &mut self.left {
            None => Ok(()),
            Some(0) => Err(cut()),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// How many writes may be lost.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The disk after the power came back, with those writes that `kept` says.
    pub(crate) fn after_cut(&self, kept: impl Fn(usize) -> bool) -> Self {
        let mut disk = self.clone();
        (disk.pending, disk.cached, disk.left) = (Vec::new(), BTreeMap::new(), None);
        for (n, (number, sector)) in self.pending.iter().enumerate() {
            if kept(n) {
                disk.durable.insert(*number, Rc::clone(sector));
            }
        }
        disk
    }

    /// Everything is written, as by an orderly shutdown.
    pub(crate) fn settle(&mut self) {
        self.pending.clear();
        self.durable.append(&mut self.cached);
    }

    fn sector(&self, number: u64) -> Option<&Sector> {
        self.cached.get(&number).or_else(|| self.durable.get(&number)).map(|sector| &**sector)
    }

    /// Every sector that is not zero, as a reader sees it.
    pub(crate) fn content(&self) -> BTreeMap<u64, Rc<Sector>> {
        let mut all = self.durable.clone();
        all.extend(self.cached.clone());
        all.retain(|_, sector| **sector != [0; SECTOR]);
        all
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
        for (number, bytes) in (first..).zip(into.as_chunks_mut().0) {
            assert!(number < self.sectors, "read behind the end");
            *bytes = *self.sector(number).unwrap_or(&[0; SECTOR]);
        }
        Ok(())
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        let (sectors, rest) = from.as_chunks();
        assert!(rest.is_empty() && first + sectors.len() as u64 <= self.sectors, "torn or outside");
        for (number, sector) in (first..).zip(sectors) {
            self.tick()?;
            let sector = Rc::new(*sector);
            self.pending.push((number, Rc::clone(&sector)));
            self.cached.insert(number, sector);
        }
        Ok(())
    }

    fn sync(&mut self, id: SyncId) -> io::Result<()> {
        self.tick()?;
        self.synced.push(id);
        if self.without != Some(id) {
            self.settle();
        }
        Ok(())
    }
}
