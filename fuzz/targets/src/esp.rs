//! An ESP that firmware, other programs, power cuts or decay have changed.

use std::sync::OnceLock;

use edeploy_ab::esp::Esp;
use edeploy_format::boot::{BootFile, Efi, Entry, EntryName};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use crate::disk::Disk;
use crate::input::Input;

/// The least that FAT32 can be, and a little.
const SIZE: u64 = 34 << 20;
const KERNEL: &[u8] = b"a kernel";
const INITRD: &[u8] = &[7; 5000];
/// No more sectors than this are written by what is done here to an ESP that is whole.
const WRITTEN: usize = 200;

/// The one entry of the sound ESP.
fn entry() -> (EntryName, Entry) {
    let name = EntryName::trial(Slot::A, 3, 3);
    let options = "root=PARTUUID=00000000-0000-0000-0000-000000000001 ro edeploy.slot=a \
         edeploy.state=PARTUUID=00000000-0000-0000-0000-000000000002 edeploy.manifest=";
    let machine = "0123456789abcdef0123456789abcdef";
    let manifest = Digest::of(b"manifest");
    let options = format!("{options}{manifest} systemd.machine_id={machine} systemd.gpt_auto=0 quiet");
    let (kernel, initrd) = (Digest::of(KERNEL), Digest::of(INITRD));
    let options = options.parse().expect("as the loader gets them");
    (name, Entry { title: "web 1.0".to_owned(), generation: 3, kernel, initrd, options })
}

/// An ESP with loader, kernel, initrd and entry.
fn sound() -> Disk {
    static DISK: OnceLock<Disk> = OnceLock::new();
    let disk = DISK.get_or_init(|| {
        let mut disk = Disk::new(SIZE);
        let mut esp = Esp::format(&mut disk, 1).expect("large enough");
        esp.install_loader(b"a loader").expect("an empty ESP");
        for content in [KERNEL, INITRD] {
            esp.put(Digest::of(content), content.len() as u64, &mut &*content).expect("room");
        }
        let (name, entry) = entry();
        esp.write_entry(name, &entry).expect("kernel and initrd are there");
        disk
    });
    disk.clone()
}

/// What is read of it is bounded and changes nothing; what is called whole is; what is written then either reads back or
/// fails.
pub(crate) fn esp(data: &[u8]) {
    let mut input = Input(data);
    let write = input.byte() & 1 == 1;
    let mut disk = sound();
    disk.bend(&mut input);
    let known = disk.written();
    let Ok(mut esp) = Esp::open(&mut disk) else { return };
    let entries = esp.entries().unwrap_or_default();
    for listed in entries.iter().filter(|listed| listed.complete) {
        if let Some(entry) = listed.whole() {
            assert_eq!(entry.generation, listed.name.generation);
        }
    }
    let confs = esp.confs().unwrap_or_default();
    assert!(confs.len() <= 256, "a folder has 256 slots");
    assert!(confs.iter().map(|(_, text)| text.len()).sum::<usize>() <= SIZE as usize);
    let _ = esp.next_boot(&Efi::default());
    for digest in [KERNEL, INITRD].map(Digest::of) {
        let _ = esp.object(digest);
    }
    let _ = esp.check_room(Slot::B, &[(Digest::of(b"x"), 1 << 20)]);
    if write {
        change(&mut esp);
    }
    drop(esp);
    assert!(disk.written() <= known + WRITTEN, "{} sectors were written", disk.written() - known);
    if !write {
        assert_eq!(disk.written(), known, "reading writes nothing");
    }
}

fn change(esp: &mut Esp<&mut Disk>) {
    let content: &[u8] = b"another kernel";
    let digest = Digest::of(content);
    if esp.put(digest, content.len() as u64, &mut &*content).is_ok() {
        assert_eq!(esp.object(digest).ok(), Some(BootFile::Whole), "what was put is there");
    }
    let (name, entry) = entry();
    let next = EntryName { generation: 4, ..name };
    // Where a file beside it cannot be read, the folder cannot be listed, neither before nor after.
    let listed_before = esp.entries().is_ok();
    if esp.write_entry(next, &Entry { generation: 4, ..entry }).is_ok() {
        match esp.entries() {
            Ok(entries) => {
                assert!(entries.iter().any(|listed| listed.name == next && listed.whole().is_some()));
            }
            Err(error) => assert!(!listed_before, "what was written made the folder unreadable: {error}"),
        }
    }
    if esp.delete_entries(&[name]).is_ok() {
        let entries = esp.entries().unwrap_or_default();
        assert!(!entries.iter().any(|listed| listed.name == name), "what was deleted is gone");
    }
    let _ = esp.prune(&[]);
}
