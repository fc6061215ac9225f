//! The verbs of the real host.

use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;

use edeploy_format::boot::{Entry, Options, PartUuid};
use edeploy_format::digest::Digest;
use edeploy_format::exit::Exit;
use edeploy_format::manifest::Head;
use edeploy_format::path::TreePath;
use edeploy_format::slot::Slot;
use edeploy_format::transition::Hook;

use super::remains::Version;
use super::{Blank, Linux, PARTITIONING, SPARE_INODES, Subject};
use crate::commands::warn;
use crate::disk::fs::{Ext4, Tool};
use crate::disk::gpt::{self, GptError, Sizes};
use crate::disk::mount::{Access, Mount};
use crate::disk::place::{self, Place};
use crate::disk::sectors::Sectors;
use crate::efi::Variable;
use crate::esp::SyncId;
use crate::failure::{Failure, chain};
use crate::hooks;
use crate::host::{Host, Record, Wish};
use crate::installed::mount_point;
use crate::journal::all_refused;
use crate::machine::{Closed, Filled, Held, Running, State, Verified, World};
use crate::random;
use crate::slot::{self, Carrying, Filling, Index, Kept, Verifying};
use crate::trust::{STATE_FOLDER, Store};

const ESP_SIZE: u64 = 512 << 20;
/// Bytes for one inode, where the tree does not ask for more of them.
const BYTES_PER_INODE: u64 = 16 << 10;
/// So many differences found by reading back are named.
const NAMED: usize = 10;
/// The EFI variables that come before entries and counters.
const OVERRIDES: [Variable; 2] = [Variable::EntryDefault, Variable::EntryOneShot];

impl Host for Linux<'_> {
    type Error = Failure;
    type Device = Sectors;

    fn world(&mut self) -> Result<World, Failure> {
        if let Subject::Remains(remains) = self.subject {
            return Ok(self.world_of(remains));
        }
        let Subject::Installed(installed) = self.subject else {
            return Ok(World {
                running: None,
                overridden: false,
                refused: Vec::new(),
                volatile: false,
                counted: None,
                sound: false,
            });
        };
        if self.closed && self.sound.is_none() {
            self.sound = Some(self.is_sound(installed.slot().other())?);
        }
        let mut overridden = false;
        for variable in OVERRIDES {
            overridden |= installed.efi().map(|efi| efi.read(variable)).transpose()?.flatten().is_some();
        }
        Ok(World {
            running: Some(Running { slot: installed.slot(), manifest: installed.options.manifest }),
            overridden,
            refused: all_refused(&self.journal().read()?),
            volatile: installed.volatile().is_some(),
            counted: installed.trial.entry(),
            sound: self.sound.unwrap_or(false),
        })
    }

    fn esp(&mut self) -> Result<Sectors, Failure> {
        let access = match self.subject {
            Subject::Remains(remains) => remains.access,
            Subject::Installed(_) | Subject::Blank(_) => Access::ReadWrite,
        };
        let volume = self.volume(&self.place()?.layout.esp.clone(), access)?;
        Ok(Sectors::open(volume, access)?)
    }

    fn partition(&mut self) -> Result<(), Failure> {
        let Subject::Blank(blank) = self.subject else {
            return Err(Failure::new(Exit::Failed, "an installed disk is never partitioned again"));
        };
        let mut disk = place::open(blank.disk, Access::ReadWrite)?;
        let of_disk = |e: GptError| {
            let exit = if matches!(e, GptError::Io { .. }) { Exit::Failed } else { Exit::Unsuitable };
            Failure::new(exit, format!("{}: {}", blank.disk.display(), chain(&e)))
        };
        if !blank.wipe {
            gpt::must_be_blank(&mut disk).map_err(of_disk)?;
        }
        let slot = self.coming()?.wanted.head.slot_size.next_multiple_of(1 << 20);
        gpt::create(&mut disk, Sizes { esp: ESP_SIZE, slot }, |disk| {
            self.progress.stage(PARTITIONING, 0);
            disk.sync_all()
        })
        .map_err(of_disk)?;
        disk.sync_all().map_err(|source| of_disk(GptError::Io { action: "syncing", source }))?;
        drop(disk);
        self.progress.done();
        self.new_place = Some(Place::image(blank.disk)?);
        Ok(())
    }

    fn volume_id(&mut self) -> Result<u32, Failure> {
        random::number()
    }

    fn make_state(&mut self) -> Result<(), Failure> {
        // A file system that only lacks what is ours is kept.
        let kept = match self.subject {
            Subject::Remains(remains) => remains.mounted.take(),
            Subject::Installed(_) | Subject::Blank(_) => None,
        };
        let volume = self.volume(&self.place()?.layout.state.clone(), Access::ReadWrite)?;
        match kept {
            Some((mount, _volume)) => mount.unmount()?,
            None => {
                let uuid = PartUuid(random::uuid()?).to_string();
                Tool::MakeExt4(&Ext4 { label: "state".to_owned(), uuid, inodes: None, journal: true })
                    .run(volume.path())?;
            }
        }
        let root = mount_point("machine");
        let mount = Mount::ext4(volume.path(), &root.join("var"), Access::ReadWrite)?;
        self.prepare_state(&root)
            .map_err(|e| Failure::new(Exit::Failed, format!("preparing the state partition: {e}")))?;
        let trusted = match self.coming {
            Some(coming) => Some(coming.wanted.trusted.clone()),
            None => self.kept_by_slots(),
        };
        if let Some(trusted) = trusted {
            Store::new(root.join(STATE_FOLDER)).save(&trusted)?;
        }
        self.state = Some((mount, volume));
        Ok(())
    }

    fn make_slot(&mut self, slot: &Closed) -> Result<(), Failure> {
        let partition = self.place()?.layout.slot(slot.slot()).clone();
        let volume = self.volume(&partition, Access::ReadWrite)?;
        let needed = self.coming()?.wanted.head.entries + SPARE_INODES;
        let inodes = Some(needed.max(partition.size / BYTES_PER_INODE));
        let label = slot.slot().partition_name().to_owned();
        let uuid = PartUuid(random::uuid()?).to_string();
        Ok(Tool::MakeExt4(&Ext4 { label, uuid, inodes, journal: false }).run(volume.path())?)
    }

    fn fill(&mut self, slot: &Closed) -> Result<(), Failure> {
        let tree = self.mount(slot.slot(), Access::ReadWrite)?;
        let coming = self.coming()?;
        let pack = coming.wanted.pack(coming.fetch);
        let manifest = &coming.wanted.manifest;
        let delta = coming.wanted.delta(coming.fetch);
        let filling = |running| {
            Filling { slot: &tree, manifest, running, delta, pack, progress: self.progress }
                .run()
                .map_err(Failure::from)
        };
        self.filled = match self.subject {
            Subject::Blank(_) | Subject::Remains(_) => filling(None)?,
            Subject::Installed(installed) => match installed.source(self.progress) {
                Some((own, kept)) => {
                    let index = Index::of_running(&own, &kept)?;
                    filling(Some(slot::Running { tree: &installed.tree, index: &index }))?
                }
                None => filling(None)?,
            },
        };
        self.write_own(&tree)
    }

    fn verify(&mut self, filled: &Filled) -> Result<(), Failure> {
        let tree = self.mount(filled.slot(), Access::ReadOnly)?;
        let manifest = &self.coming()?.wanted.manifest;
        let (mut named, mut count) = (Vec::new(), 0);
        Verifying { slot: &tree, manifest, kept: &Kept::nothing(), progress: self.progress }.run(
            &mut |drift| {
                count += 1;
                if named.len() < NAMED {
                    named.push(drift.to_string());
                }
            },
        )?;
        if count > 0 {
            let text = format!("{count} paths do not read back as they were written: {}", named.join("; "));
            return Err(Failure::new(Exit::Differs, text));
        }
        self.check_own(&tree)?;
        self.lay()
    }

    fn boot_objects(&mut self, slot: Slot) -> Result<[(Digest, u64); 2], Failure> {
        Ok(self.version(slot)?.boot.objects)
    }

    fn boot_object(&mut self, slot: &Verified, digest: Digest) -> Result<Box<dyn Read>, Failure> {
        let Version { head, boot, .. } = self.version(slot.slot())?;
        let path = if digest == boot.objects[0].0 { &head.kernel } else { &head.initrd };
        Ok(Box::new(self.open_in_slot(slot.slot(), path)?))
    }

    fn loader(&mut self, slot: &Verified) -> Result<Vec<u8>, Failure> {
        let mut loader = Vec::new();
        let Version { head: Head { loader: path, .. }, boot, .. } = self.version(slot.slot())?;
        let mut file = self.open_in_slot(slot.slot(), &path)?;
        file.read_to_end(&mut loader)
            .map_err(|e| Failure::new(Exit::Failed, format!("reading {path} of the slot: {e}")))?;
        still_is(&path, &loader, boot.loader)?;
        Ok(loader)
    }

    fn entry(&mut self, slot: &Verified, generation: u64) -> Result<Entry, Failure> {
        let Version { head, manifest, boot } = self.version(slot.slot())?;
        let [(kernel, _), (initrd, _)] = boot.objects;
        let layout = &self.place()?.layout;
        let id = |text: &str| text.parse::<PartUuid>().map_err(|e| Failure::new(Exit::Unsuitable, e));
        let options = Options {
            root: id(&layout.slot(slot.slot()).uuid)?,
            slot: slot.slot(),
            state: id(&layout.state.uuid)?,
            manifest,
            machine: self.machine,
            role: head.options.clone(),
        };
        let title = format!("{} {} (slot {})", head.role, head.version, slot.slot());
        Ok(Entry { title, generation, kernel, initrd, options })
    }

    fn state(&mut self) -> Result<State, Failure> {
        Ok(match self.subject {
            Subject::Remains(remains) if self.state.is_none() => remains.state,
            Subject::Remains(_) | Subject::Installed(_) | Subject::Blank(_) => State::Sound,
        })
    }

    fn held(&mut self, slot: Slot) -> Result<Option<Held>, Failure> {
        Ok(self.judged(slot))
    }

    fn hook(&mut self, hook: Hook, slot: Slot) -> Result<Wish, Failure> {
        let Subject::Installed(installed) = self.subject else { return Ok(Wish::Nothing) };
        let wanted = self.coming()?.wanted;
        let rule = wanted.rule(&installed.head)?;
        if rule.hook(hook).is_none() {
            return Ok(Wish::Nothing);
        }
        let root = match hook {
            Hook::Check => std::path::PathBuf::from("/"),
            Hook::Pre | Hook::Post => {
                self.mount(slot, Access::ReadWrite)?;
                mount_point("inactive")
            }
        };
        let context = hooks::Context {
            role: &installed.head.role,
            profile: &installed.settings.profile,
            from: &installed.head.version,
            to: &wanted.head.version,
            slot,
            root: &root,
            trial: installed.trial != crate::boot::Trial::No,
        };
        self.progress.note(&format!("running the hook {}", hook.name()));
        let result = hooks::run(rule, hook, &context, &mut |line| self.progress.note(line));
        self.record_hook(hook, result)
    }

    fn carry(&mut self, slot: &Verified) -> Result<(), Failure> {
        self.carrying(slot, Access::ReadWrite)
    }

    fn check_carried(&mut self, slot: &Verified) -> Result<(), Failure> {
        self.carrying(slot, Access::ReadOnly)
    }

    fn record(&mut self, record: &Record) -> Result<(), Failure> {
        self.closed |= matches!(record, Record::Started(_));
        if matches!((record, self.subject), (Record::Started(_), Subject::Blank(_))) {
            // An install is on record when it is done: before, there is no machine.
            return Ok(());
        }
        Ok(self.journal().append(self.event(record)?)?)
    }

    fn warn(&mut self, fault: &Failure) {
        warn(fault);
    }

    fn clear_override(&mut self) -> Result<(), Failure> {
        let Subject::Installed(installed) = self.subject else { return Ok(()) };
        for variable in OVERRIDES {
            if let Some(efi) = installed.efi()
                && efi.clear(variable)?
            {
                let name = variable.name();
                self.progress.note(&format!("cleared the EFI variable {name}, which overrides boot entries"));
            }
        }
        Ok(())
    }

    fn sync(&mut self, id: SyncId) -> Result<(), Failure> {
        match id {
            SyncId::SlotFilled | SyncId::SlotSealed => self.sync_slot(),
            SyncId::State => self.state.iter().try_for_each(|(mount, _)| Ok(mount.sync()?)),
            // Synced where they are written: the table, every record, and each phase on the ESP.
            SyncId::Table
            | SyncId::Journal
            | SyncId::EspSettled
            | SyncId::EspContent
            | SyncId::EspName
            | SyncId::EspGone => Ok(()),
        }
    }
}

impl Linux<'_> {
    /// Carries over, or, where the slot may only be read, checks; a first install carries nothing.
    fn carrying(&mut self, slot: &Verified, access: Access) -> Result<(), Failure> {
        let Subject::Installed(installed) = self.subject else { return Ok(()) };
        let tree = self.mount(slot.slot(), access)?;
        let (running, manifest, kept) = (&installed.tree, &self.coming()?.wanted.manifest, self.kept()?);
        let carrying = Carrying { running, slot: &tree, manifest, kept: &kept, progress: self.progress };
        match access {
            Access::ReadWrite => carrying.run()?,
            Access::ReadOnly => carrying.check()?,
        };
        Ok(())
    }

    /// Lays what belongs to a new machine onto its state partition, durably; no boot entry is there yet.
    /// The verified slot is mounted.
    fn lay(&mut self) -> Result<(), Failure> {
        let Subject::Blank(Blank { own: Some(own), .. }) = self.subject else { return Ok(()) };
        own.lay(&mount_point("inactive"), &mount_point("machine"))?;
        self.sync(SyncId::State)
    }

    /// What must be on the state partition before the first boot.
    fn prepare_state(&self, root: &std::path::Path) -> std::io::Result<()> {
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o755);
        // journald writes to /var only if this is there when it flushes, which is before tmpfiles.
        folder.create(root.join("var/log/journal"))?;
        folder.create(root.join("var/lib/edeploy/persistent/etc"))?;
        if let Subject::Blank(blank) = self.subject
            && let Some(name) = blank.hostname
        {
            fs::write(root.join("var/lib/edeploy/persistent/etc/hostname"), format!("{name}\n"))?;
        }
        Ok(())
    }
}

/// That what is read once more, after it was verified, is what was signed.
fn still_is(path: &TreePath, bytes: &[u8], signed: Digest) -> Result<(), Failure> {
    if Digest::of(bytes) == signed {
        return Ok(());
    }
    let text = format!("/{path} of the slot was verified, and now reads as something else: see to its disk");
    Err(Failure::new(Exit::Differs, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_that_reads_as_something_else_than_what_was_verified_is_not_written() {
        let path = TreePath::new("usr/lib/systemd/boot/efi/systemd-bootx64.efi").unwrap();
        let still = |bytes: &[u8]| still_is(&path, bytes, Digest::of(b"MZ signed"));
        assert!(still(b"MZ signed").is_ok());
        for other in [&b"MZ sIgned"[..], b"MZ", b""] {
            let failure = still(other).unwrap_err();
            assert_eq!(failure.exit, Exit::Differs);
            assert!(failure.to_string().contains(path.as_str()), "{failure}");
        }
    }
}
