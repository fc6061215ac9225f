//! The simulated machine: disks with a write cache, and what a host does on them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};

use edeploy_ab::esp::{BlockDevice, Esp, SyncId};
use edeploy_ab::hooks::Wish;
use edeploy_ab::host::{Host, Record};
use edeploy_ab::machine::{Closed, Filled, Held, Running, State, Verified, World};
use edeploy_format::boot::{BootFile, Efi, Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;
use edeploy_format::transition::Hook;

use crate::disk::{Disk, Power, Sector, Shared};
use crate::esp::{SMALL, content, entry};
use crate::fault::Fault;
use crate::tree::{HOOKED, KEPT, LEFT, OWN, TREE, Tree};

/// A machine.
pub(crate) struct Machine {
    pub(crate) power: Power,
    pub(crate) table: Shared,
    pub(crate) esp: Shared,
    pub(crate) slots: [Shared; 2],
    pub(crate) state: Shared,
    /// A file on the state partition, with a barrier of its own.
    pub(crate) journal: Shared,
    pub(crate) efi: Efi,
    pub(crate) running: Option<Running>,
    /// The loader is renaming an entry.
    pub(crate) counting: bool,
    /// The version that is wanted.
    pub(crate) goal: Tree,
    /// What the hook `post` says.
    pub(crate) wish: Wish,
    /// What the slots hold, for a repair, which knows no other version.
    pub(crate) remains: [Option<Tree>; 2],
}

/// A sector that says that something was made.
const MADE: [u8; 512] = [0x11; 512];
/// Kinds of records in the journal, at the beginning of their sectors.
const FELL_BACK: u8 = 2;

impl Machine {
    pub(crate) fn blank(goal: Tree) -> Self {
        let power = Power::default();
        let disk = |bytes| Shared::new(Disk::new(bytes, &power));
        Self {
            table: disk(512),
            esp: disk(SMALL),
            slots: [disk(8 * 512), disk(8 * 512)],
            state: disk(512),
            journal: disk(1 << 20),
            efi: Efi::default(),
            running: None,
            counting: false,
            goal,
            wish: Wish::Nothing,
            remains: [None; 2],
            power,
        }
    }

    pub(crate) fn disks(&self) -> [&Shared; 6] {
        let [a, b] = &self.slots;
        [&self.table, &self.esp, a, b, &self.state, &self.journal]
    }

    /// How many writes may be lost.
    pub(crate) fn pending(&self) -> usize {
        self.disks().iter().map(|disk| disk.0.borrow().pending()).sum()
    }

    /// The machine after a cut, with those writes that are kept.
    pub(crate) fn after_cut(&self, kept: &[bool]) -> Self {
        let mut before = 0;
        let machine = self.map(|disk, power| {
            let from = before;
            before += disk.pending();
            disk.after_cut(power, |n| kept[from + n])
        });
        Self { running: None, ..machine }
    }

    /// The same machine, still on, with a power switch of its own.
    pub(crate) fn again(&self) -> Self {
        self.map(Disk::on)
    }

    fn map(&self, mut each: impl FnMut(&Disk, &Power) -> Disk) -> Self {
        let power = Power::default();
        let mut disk = |shared: &Shared| Shared::new(each(&shared.0.borrow(), &power));
        Self {
            table: disk(&self.table),
            esp: disk(&self.esp),
            slots: [disk(&self.slots[0]), disk(&self.slots[1])],
            state: disk(&self.state),
            journal: disk(&self.journal),
            efi: self.efi.clone(),
            running: self.running,
            counting: false,
            goal: self.goal,
            wish: self.wish,
            remains: self.remains,
            power,
        }
    }

    /// An orderly shutdown.
    pub(crate) fn settle(&mut self) {
        self.disks().iter().for_each(|disk| disk.0.borrow_mut().settle());
        self.running = None;
    }

    /// Leaves out one barrier.
    pub(crate) fn without(&mut self, id: Option<SyncId>) {
        self.disks().iter().for_each(|disk| disk.0.borrow_mut().without = id);
    }

    /// What is on the disks, as a number.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for disk in self.disks() {
            disk.0.borrow().hash(&mut hasher);
        }
        hasher.finish()
    }

    /// What readers see of the machine, as a number: that of [`Self::fingerprint`] with the ESP's files
    /// for its sectors, and the journal's failures for its records.
    pub(crate) fn looks(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for disk in [&self.table, &self.slots[0], &self.slots[1]] {
            disk.0.borrow().hash(&mut hasher);
        }
        (self.has_state(), self.refused(), &self.efi.default).hash(&mut hasher);
        if let Ok(mut esp) = Esp::open(self.esp.clone()) {
            let entries = esp.confs().unwrap_or_default();
            let objects =
                entries.iter().filter_map(|(name, text)| Entry::parse(name.parse().ok()?, text).ok());
            let objects: Vec<Digest> = objects.flat_map(|entry| entry.objects()).collect();
            for digest in objects {
                (digest, esp.object(digest).is_ok_and(|state| state == BootFile::Whole)).hash(&mut hasher);
            }
            let mut entries = entries;
            entries.sort();
            entries.hash(&mut hasher);
        }
        hasher.finish()
    }

    /// The tree that a slot holds for a repair, or else is to get.
    fn tree_for(&self, slot: Slot) -> Tree {
        self.remains[slot.index()].unwrap_or(self.goal)
    }

    fn slot(&self, slot: Slot) -> Shared {
        self.slots[slot.index()].clone()
    }

    fn sector(&self, disk: &Shared, number: u64) -> [u8; 512] {
        disk.0.borrow().sector(number)
    }

    /// Does the slot hold this whole tree, in a file system?
    pub(crate) fn holds(&self, slot: Slot, tree: Tree) -> bool {
        let disk = self.slot(slot);
        self.sector(&disk, 0) == MADE && TREE.into_iter().all(|n| self.sector(&disk, n) == tree.sector(n))
    }

    /// Is the machine's own path in the slot what the machine keeps there, and what `post` left there?
    pub(crate) fn keeps_its_own(&self, slot: Slot) -> bool {
        let has = |number, byte| self.sector(&self.slot(slot), number) == [byte; 512];
        has(OWN, KEPT) && has(HOOKED, LEFT)
    }

    /// What is read back must come from the medium.
    fn must_be_cold(&self, slot: Slot) -> Result<(), Fault> {
        match self.slot(slot).0.borrow().pending() {
            0 => Ok(()),
            _ => Err(Fault::Broken("P3: what is read back is not on the medium".to_owned())),
        }
    }

    /// Nothing is left of ESP and state partition.
    pub(crate) fn lose(&mut self) {
        self.esp = Shared::new(Disk::new(SMALL, &self.power));
        self.state = Shared::new(Disk::new(512, &self.power));
        self.journal = Shared::new(Disk::new(1 << 20, &self.power));
    }

    /// A file on the ESP that begins like this begins with `rot`.
    pub(crate) fn rot(&mut self, bytes: &[u8], rot: &[u8]) {
        let sectors = self.esp.0.borrow().content();
        let begins = |sector: &Sector| sector.starts_with(&bytes[..bytes.len().min(512)]);
        let (number, mut sector) =
            sectors.into_iter().find(|(_, sector)| begins(sector)).map(|(n, s)| (n, *s)).unwrap();
        sector[..rot.len()].copy_from_slice(rot);
        self.esp.write(number, &sector).unwrap();
        self.settle();
    }

    pub(crate) fn is_partitioned(&self) -> bool {
        self.sector(&self.table, 0) == MADE
    }

    pub(crate) fn has_state(&self) -> bool {
        self.sector(&self.state, 0) == MADE
    }

    fn records(&self) -> Vec<[u8; 512]> {
        let records = (0..).map(|n| self.sector(&self.journal, n));
        records.take_while(|record| *record != [0; 512]).collect()
    }

    /// The versions fallen back from.
    pub(crate) fn refused(&self) -> Vec<Digest> {
        let failures = self.records().into_iter().filter(|record| record[0] == FELL_BACK);
        failures.map(|record| Digest([record[1]; 32])).collect()
    }

    fn append(&mut self, record: [u8; 2]) -> Result<(), Fault> {
        let mut sector = [0; 512];
        sector[..2].copy_from_slice(&record);
        let number = self.records().len() as u64;
        self.journal.write(number, &sector)?;
        Ok(self.journal.sync(SyncId::Journal)?)
    }

    /// Every write to a slot passes here: P1 and P2.
    fn write_slot(&mut self, slot: Slot, number: u64, sector: [u8; 512]) -> Result<(), Fault> {
        if self.running.is_some_and(|running| running.slot == slot) {
            return Err(Fault::Broken(format!("P1: slot {slot} runs and is written")));
        }
        let durable = self.esp.0.borrow().after_cut(&Power::default(), |_| false);
        for mut disk in [durable, self.esp.0.borrow().clone()] {
            // On an ESP that is still being made there is no entry.
            let entries = Esp::open(&mut disk).and_then(|mut esp| esp.entries()).unwrap_or_default();
            if let Some(listed) = entries.iter().find(|listed| listed.name.slot == slot) {
                return Err(Fault::Broken(format!(
                    "P2: slot {slot} is written while {} is there",
                    listed.name
                )));
            }
        }
        Ok(self.slot(slot).write(number, &sector)?)
    }
}

impl Host for Machine {
    type Error = Fault;
    type Device = Shared;

    fn world(&mut self) -> Result<World, Fault> {
        let sound = self.running.is_some_and(|running| {
            let spare = self.slot(running.slot.other());
            self.sector(&spare, 0) == MADE
        });
        Ok(World {
            running: self.running,
            overridden: self.efi != Efi::default(),
            refused: self.refused(),
            volatile: !self.has_state(),
            counted: None,
            sound,
        })
    }

    fn esp(&mut self) -> Result<Shared, Fault> {
        Ok(self.esp.clone())
    }

    fn partition(&mut self) -> Result<(), Fault> {
        Ok(self.table.write(0, &MADE)?)
    }

    fn volume_id(&mut self) -> Result<u32, Fault> {
        Ok(7)
    }

    fn make_state(&mut self) -> Result<(), Fault> {
        Ok(self.state.write(0, &MADE)?)
    }

    fn make_slot(&mut self, slot: &Closed) -> Result<(), Fault> {
        self.write_slot(slot.slot(), 0, MADE)
    }

    fn fill(&mut self, slot: &Closed) -> Result<(), Fault> {
        for number in TREE.chain([OWN, HOOKED]) {
            let right = self.goal.sector(number);
            if self.sector(&self.slot(slot.slot()), number) != right {
                self.write_slot(slot.slot(), number, right)?;
            }
        }
        Ok(())
    }

    fn verify(&mut self, slot: &Filled) -> Result<(), Fault> {
        self.must_be_cold(slot.slot())?;
        let right = self.holds(slot.slot(), self.goal);
        if right { Ok(()) } else { Err(Fault::Broken(format!("slot {} does not verify", slot.slot()))) }
    }

    fn boot_objects(&mut self, slot: Slot) -> Result<[(Digest, u64); 2], Fault> {
        Ok(self.tree_for(slot).objects().map(|(digest, bytes)| (digest, bytes.len() as u64)))
    }

    fn boot_object(&mut self, slot: &Verified, digest: Digest) -> Result<Box<dyn Read>, Fault> {
        let tree = self.tree_for(slot.slot());
        assert!(self.holds(slot.slot(), tree), "a verified slot");
        let [kernel, initrd] = tree.objects();
        let (_, bytes) = if kernel.0 == digest { kernel } else { initrd };
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    fn loader(&mut self, _slot: &Verified) -> Result<Vec<u8>, Fault> {
        Ok([b"MZ".to_vec(), content(0x40, 900).1].concat())
    }

    fn entry(&mut self, slot: &Verified, generation: u64) -> Result<Entry, Fault> {
        let tree = self.tree_for(slot.slot());
        let [kernel, initrd] = tree.objects();
        let mut entry = entry(EntryName::plain(slot.slot(), generation), kernel.0, initrd.0);
        entry.options.manifest = tree.manifest();
        Ok(entry)
    }

    fn state(&mut self) -> Result<State, Fault> {
        Ok(if self.has_state() { State::Sound } else { State::Lost })
    }

    fn held(&mut self, slot: Slot) -> Result<Option<Held>, Fault> {
        Ok(self.remains[slot.index()].filter(|tree| self.holds(slot, *tree)).map(|tree| Held {
            manifest: tree.manifest(),
            serial: tree.version.into(),
            boot: tree.objects().map(|(digest, _)| digest),
            good: self.running.is_some_and(|running| running.slot == slot),
            ran_last: false,
        }))
    }

    fn hook(&mut self, hook: Hook, slot: Slot) -> Result<Wish, Fault> {
        if hook != Hook::Post {
            return Ok(Wish::Nothing);
        }
        self.write_slot(slot, HOOKED, [LEFT; 512])?;
        Ok(self.wish)
    }

    fn carry(&mut self, slot: &Verified) -> Result<(), Fault> {
        self.write_slot(slot.slot(), OWN, [KEPT; 512])
    }

    fn check_carried(&mut self, slot: &Verified) -> Result<(), Fault> {
        self.must_be_cold(slot.slot())
    }

    fn record(&mut self, record: &Record) -> Result<(), Fault> {
        self.append(match record {
            Record::Started(_) => [1, 0],
            Record::FellBack(_, manifest) => [FELL_BACK, manifest.0[0]],
            Record::Armed(_) => [3, 0],
            Record::Blessed(_) => [4, 0],
            Record::RolledBack(_) => [5, 0],
        })
    }

    fn warn(&mut self, _: &Fault) {}

    fn clear_override(&mut self) -> Result<(), Fault> {
        self.efi = Efi::default();
        Ok(())
    }

    fn sync(&mut self, id: SyncId) -> Result<(), Fault> {
        let mut disk = match id {
            SyncId::Table => self.table.clone(),
            SyncId::State => self.state.clone(),
            SyncId::Journal => self.journal.clone(),
            SyncId::SlotFilled | SyncId::SlotSealed => {
                // One syncfs of the slot that is mounted: the one that does not run.
                let target = self.running.map_or(Slot::A, |running| running.slot.other());
                self.slot(target)
            }
            SyncId::EspSettled | SyncId::EspContent | SyncId::EspName | SyncId::EspGone => self.esp.clone(),
        };
        Ok(disk.sync(id)?)
    }
}
