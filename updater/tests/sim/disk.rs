//! A disk of sectors whose write cache the test owns: after a cut, any part of it may be lost.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::io;
use std::rc::Rc;

use edeploy_ab::esp::{BlockDevice, SECTOR, SyncId};

pub(crate) type Sector = [u8; SECTOR];

/// What a disk that fails answers.
const EIO: i32 = 5;

/// The switch of all disks of a machine, and their faults.
#[derive(Clone, Default)]
pub(crate) struct Power(Rc<Cell<Option<usize>>>, Rc<Cell<Faults>>);

/// Effects or reads that go well, and how many fail then.
#[derive(Clone, Copy, Default)]
struct Faults {
    reads: bool,
    after: usize,
    count: usize,
}

impl Faults {
    /// Does the next one fail?
    fn strike(&mut self) -> bool {
        if self.after > 0 || self.count == 0 {
            self.after = self.after.saturating_sub(1);
            return false;
        }
        self.count -= 1;
        true
    }
}

impl Power {
    /// Cuts it after `effects` more (a sector written, a barrier); with `None`, never.
    pub(crate) fn cut_after(&self, effects: Option<usize>) {
        self.0.set(effects);
    }

    /// Lets `count` effects fail after the next `after`, while the power stays on.
    pub(crate) fn fail_after(&self, after: usize, count: usize) {
        self.1.set(Faults { reads: false, after, count });
    }

    /// Lets `count` reads fail after the next `after`.
    pub(crate) fn fail_reads_after(&self, after: usize, count: usize) {
        self.1.set(Faults { reads: true, after, count });
    }

    /// How many of the faults that were asked for have not happened.
    pub(crate) fn faults_left(&self) -> usize {
        self.1.get().count
    }

    pub(crate) fn is_out(&self) -> bool {
        self.0.get() == Some(0)
    }

    /// It will not be cut.
    pub(crate) fn is_steady(&self) -> bool {
        self.0.get().is_none()
    }

    fn may_fail(&self, reads: bool) -> io::Result<()> {
        let mut faults = self.1.get();
        if faults.reads != reads {
            return Ok(());
        }
        let struck = faults.strike();
        self.1.set(faults);
        if struck { Err(io::Error::from_raw_os_error(EIO)) } else { Ok(()) }
    }

    fn tick(&self) -> io::Result<()> {
        self.may_fail(false)?;
        match self.0.get() {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is cut")),
            Some(left) => {
                self.0.set(Some(left - 1));
                Ok(())
            }
        }
    }
}

/// A disk. Sectors that were never written are zero and take no memory; copies share sectors.
#[derive(Clone)]
pub(crate) struct Disk {
    sectors: u64,
    durable: BTreeMap<u64, Rc<Sector>>,
    /// Writes since the last sync, in their order.
    pending: Vec<(u64, Rc<Sector>)>,
    /// What a reader sees of them.
    cached: BTreeMap<u64, Rc<Sector>>,
    power: Power,
    /// The one barrier that does nothing.
    pub(crate) without: Option<SyncId>,
}

impl Disk {
    pub(crate) fn new(bytes: u64, power: &Power) -> Self {
        Self {
            sectors: bytes / SECTOR as u64,
            durable: BTreeMap::new(),
            pending: Vec::new(),
            cached: BTreeMap::new(),
            power: power.clone(),
            without: None,
        }
    }

    /// How many writes may be lost.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The disk after the power came back, with those writes that are `kept`.
    pub(crate) fn after_cut(&self, power: &Power, kept: impl Fn(usize) -> bool) -> Self {
        let mut disk = self.clone();
        (disk.pending, disk.cached, disk.power) = (Vec::new(), BTreeMap::new(), power.clone());
        for (n, (number, sector)) in self.pending.iter().enumerate() {
            if kept(n) {
                disk.durable.insert(*number, Rc::clone(sector));
            }
        }
        disk
    }

    /// The same disk under another switch.
    pub(crate) fn on(&self, power: &Power) -> Self {
        Self { power: power.clone(), ..self.clone() }
    }

    /// Everything is written, as by an orderly shutdown.
    pub(crate) fn settle(&mut self) {
        self.pending.clear();
        self.durable.append(&mut self.cached);
        self.durable.retain(|_, sector| **sector != [0; SECTOR]);
    }

    /// A sector, as a reader sees it.
    pub(crate) fn sector(&self, number: u64) -> Sector {
        let known = self.cached.get(&number).or_else(|| self.durable.get(&number));
        known.map_or([0; SECTOR], |sector| **sector)
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
        let end = first + (into.len() / SECTOR) as u64;
        assert!(end <= self.sectors, "read behind the end");
        self.power.may_fail(true)?;
        into.fill(0);
        let known = self.durable.range(first..end).chain(self.cached.range(first..end));
        for (number, sector) in known {
            let at = usize::try_from(number - first).unwrap() * SECTOR;
            into[at..at + SECTOR].copy_from_slice(&**sector);
        }
        Ok(())
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        let (sectors, rest) = from.as_chunks();
        assert!(rest.is_empty() && first + sectors.len() as u64 <= self.sectors, "torn or outside");
        for (number, sector) in (first..).zip(sectors) {
            self.power.tick()?;
            let sector = Rc::new(*sector);
            self.pending.push((number, Rc::clone(&sector)));
            self.cached.insert(number, sector);
        }
        Ok(())
    }

    fn sync(&mut self, id: SyncId) -> io::Result<()> {
        self.power.tick()?;
        if self.without != Some(id) {
            self.settle();
        }
        Ok(())
    }
}

impl Hash for Disk {
    /// What is on it when nothing is pending.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.durable.hash(state);
    }
}

/// A device that a machine hands out while it keeps the disk.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) Rc<RefCell<Disk>>);

impl Shared {
    pub(crate) fn new(disk: Disk) -> Self {
        Self(Rc::new(RefCell::new(disk)))
    }
}

impl BlockDevice for Shared {
    fn sectors(&self) -> u64 {
        self.0.borrow().sectors()
    }

    fn read(&mut self, first: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.borrow_mut().read(first, into)
    }

    fn write(&mut self, first: u64, from: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().write(first, from)
    }

    fn sync(&mut self, id: SyncId) -> io::Result<()> {
        self.0.borrow_mut().sync(id)
    }
}
