//! The ESP by itself: other tools find it sound, and no cut within one command leaves a broken name.

use std::os::unix::fs::FileExt;
use std::process::Command;

use edeploy_ab::esp::{BlockDevice, Esp, EspError, SECTOR};
use edeploy_format::boot::{BootFile, Entry, EntryName, MachineId, Options, PartUuid, TRIES};
use edeploy_format::digest::Digest;
use edeploy_format::slot::Slot;

use crate::cuts::{Dice, subsets};
use crate::disk::{Disk, Power};

const MIB: u64 = 1 << 20;
/// The smallest FAT32 there is, with clusters of one sector.
pub(crate) const SMALL: u64 = 33 * MIB;

/// Runs a checker of dosfstools or mtools over the content of a disk; its output on failure.
fn check(disk: &Disk, program: &str, arguments: &[&str]) -> Result<String, String> {
    let image = tempfile::NamedTempFile::new().unwrap();
    image.as_file().set_len(disk.sectors() * SECTOR as u64).unwrap();
    for (number, sector) in disk.content() {
        image.as_file().write_all_at(&*sector, number * SECTOR as u64).unwrap();
    }
    let path = image.path().to_str().unwrap();
    let arguments = arguments.iter().map(|a| if *a == "IMAGE" { path } else { a });
    let run = Command::new(program).args(arguments).output();
    let output = run.unwrap_or_else(|e| panic!("{program}: {e}; run `apt-get install dosfstools mtools`"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// `fsck.fat` has nothing to say about it.
pub(crate) fn fsck(disk: &Disk) -> Result<(), String> {
    check(disk, "fsck.fat", &["-n", "-V", "IMAGE"]).map(drop)
}

pub(crate) fn content(seed: u8, length: usize) -> (Digest, Vec<u8>) {
    let bytes: Vec<u8> = (0..length).map(|n| (n % 251) as u8 ^ seed).collect();
    (Digest::of(&bytes), bytes)
}

pub(crate) fn entry(name: EntryName, kernel: Digest, initrd: Digest) -> Entry {
    let options = Options {
        root: PartUuid([1 + name.slot.index() as u8; 16]),
        slot: name.slot,
        state: PartUuid([3; 16]),
        manifest: Digest([4; 32]),
        machine: MachineId([5; 16]),
        role: "console=ttyS0 panic=5".to_owned(),
    };
    Entry { title: "web 1.0".to_owned(), generation: name.generation, kernel, initrd, options }
}

/// An ESP with a loader, one kernel, one initrd and a plain entry of slot a.
fn installed(bytes: u64) -> (Disk, Entry) {
    let mut disk = Disk::new(bytes, &Power::default());
    let mut esp = Esp::format(&mut disk, 0x1234_5678).unwrap();
    esp.install_loader(&content(9, 3000).1).unwrap();
    let ((kernel, bytes), (initrd, more)) = (content(1, 9000), content(2, 5000));
    esp.put(kernel, 9000, &mut &*bytes).unwrap();
    esp.put(initrd, 5000, &mut &*more).unwrap();
    let name = EntryName::plain(Slot::A, 1);
    esp.write_entry(name, &entry(name, kernel, initrd)).unwrap();
    (disk, entry(name, kernel, initrd))
}

#[test]
fn an_esp_of_any_size_is_sound_to_fsck_and_mtools() {
    for size in [SMALL, 64 * MIB, 100 * MIB, 300 * MIB, 512 * MIB] {
        let (disk, entry) = installed(size);
        assert_eq!(fsck(&disk), Ok(()), "{size}");
        let listing = check(&disk, "mdir", &["-i", "IMAGE", "-b", "-/", "::"]).unwrap();
        let mut paths: Vec<&str> = listing.lines().filter(|line| !line.ends_with('/')).collect();
        paths.sort_unstable();
        let objects = entry.objects().map(|digest| format!("::/edeploy/{digest}"));
        let mut expected =
            vec!["::/EFI/BOOT/BOOTX64.EFI", "::/loader/entries/edeploy-a-g1.conf", "::/loader/loader.conf"];
        expected.extend(objects.iter().map(String::as_str));
        expected.sort_unstable();
        assert_eq!(paths, expected, "{size}");
        let text = check(&disk, "mtype", &["-i", "IMAGE", "::/loader/entries/edeploy-a-g1.conf"]).unwrap();
        assert_eq!(text, entry.to_string(), "{size}");
    }
}

#[test]
fn too_small_a_volume_is_refused() {
    let mut disk = Disk::new(32 * MIB, &Power::default());
    assert!(matches!(Esp::format(&mut disk, 1), Err(EspError::TooSmall { sectors: 65536 })));
    assert!(matches!(Esp::open(&mut disk), Err(EspError::NotFat32)));
}

#[test]
fn entries_are_listed_with_what_is_wrong_with_them() {
    let (mut disk, old) = installed(SMALL);
    let mut esp = Esp::open(&mut disk).unwrap();
    let name = EntryName::trial(Slot::B, 2, TRIES);
    esp.write_entry(name, &entry(name, old.kernel, old.initrd)).unwrap();
    let listed = esp.entries().unwrap();
    assert_eq!(listed.iter().map(|l| l.name).collect::<Vec<_>>(), [name, EntryName::plain(Slot::A, 1)]);
    assert!(listed.iter().all(|l| l.whole().is_some()));
    let next = esp.next_boot(&Default::default()).unwrap().unwrap();
    assert_eq!((next.file.as_str(), next.becomes.as_str()), ("edeploy-b-g2+3.conf", "edeploy-b-g2+2-1.conf"));
}

#[test]
fn an_entry_whose_objects_are_not_there_is_not_written() {
    let (mut disk, old) = installed(SMALL);
    let name = EntryName::trial(Slot::B, 2, TRIES);
    let mut esp = Esp::open(&mut disk).unwrap();
    let error = esp.write_entry(name, &entry(name, old.kernel, Digest([0; 32]))).unwrap_err();
    assert!(matches!(error, EspError::Incomplete { object: Digest([0, ..]), .. }), "{error}");
}

#[test]
fn an_object_that_is_there_and_right_costs_no_write() {
    let (disk, old) = installed(SMALL);
    let power = Power::default();
    let mut disk = disk.after_cut(&power, |_| true);
    power.cut_after(Some(0));
    let mut esp = Esp::open(&mut disk).unwrap();
    esp.put(old.kernel, 9000, &mut std::io::empty()).unwrap();
    assert_eq!(esp.object(old.kernel).unwrap(), BootFile::Whole);
}

#[test]
fn other_content_than_the_digest_says_leaves_no_name() {
    let (mut disk, _) = installed(SMALL);
    let (digest, mut bytes) = content(3, 40_000);
    bytes[39_999] ^= 1;
    let mut esp = Esp::open(&mut disk).unwrap();
    let error = esp.put(digest, 40_000, &mut &*bytes).unwrap_err();
    assert!(matches!(error, EspError::Content { expected, .. } if expected == digest), "{error}");
    assert_eq!(esp.object(digest).unwrap(), BootFile::Missing);
    assert_eq!(fsck(&disk), Ok(()));
}

#[test]
fn what_no_entry_names_is_pruned_and_its_room_is_free_again() {
    let (mut disk, old) = installed(SMALL);
    let ((kernel, bytes), (kept, more)) = (content(3, 30_000), content(4, 600));
    let mut esp = Esp::open(&mut disk).unwrap();
    esp.put(kernel, 30_000, &mut &*bytes).unwrap();
    esp.put(kept, 600, &mut &*more).unwrap();
    esp.prune(&[kept]).unwrap();
    let states = [old.kernel, old.initrd, kept, kernel].map(|digest| esp.object(digest).unwrap());
    assert_eq!(states, [BootFile::Whole, BootFile::Whole, BootFile::Whole, BootFile::Missing]);
    assert_eq!(fsck(&disk), Ok(()));
}

#[test]
fn the_mark_of_an_unclean_shutdown_and_unequal_tables_are_taken_back() {
    let (mut disk, _) = installed(SMALL);
    let mut table = [0; SECTOR];
    disk.read(8, &mut table).unwrap();
    // As the firmware's driver leaves the first of the two tables when it is cut.
    table[7] &= !0x08;
    disk.write(8, &table).unwrap();
    assert!(fsck(&disk).unwrap_err().contains("Dirty bit is set"));
    Esp::open(&mut disk).unwrap().prune(&[]).unwrap();
    assert_eq!(fsck(&disk), Ok(()));
}

#[test]
fn a_full_esp_still_takes_the_entries_of_a_rollback() {
    let (mut disk, old) = installed(SMALL);
    let mut esp = Esp::open(&mut disk).unwrap();
    let EspError::NoSpace { need, have } =
        esp.put(Digest([0; 32]), 1 << 30, &mut std::io::empty()).unwrap_err()
    else {
        panic!("1 GiB fits")
    };
    assert_eq!(need, 1 << 30);
    let (filler, bytes) = content(3, usize::try_from(have).unwrap());
    esp.put(filler, have, &mut &*bytes).unwrap();
    assert!(matches!(esp.put(Digest([0; 32]), 1, &mut &[0][..]), Err(EspError::NoSpace { have: 0, .. })));
    for generation in 2..6 {
        let name = EntryName::plain(Slot::A, generation);
        esp.write_entry(name, &entry(name, old.kernel, old.initrd)).unwrap();
    }
    assert_eq!(fsck(&disk), Ok(()));
}

#[test]
fn room_is_judged_as_it_will_be_once_the_slot_is_closed() {
    let (mut disk, old) = installed(SMALL);
    let ((kernel, bytes), (other, _)) = (content(3, 20_000_000), content(4, 0));
    let mut esp = Esp::open(&mut disk).unwrap();
    esp.put(kernel, 20_000_000, &mut &*bytes).unwrap();
    let name = EntryName::plain(Slot::B, 2);
    esp.write_entry(name, &entry(name, kernel, old.initrd)).unwrap();
    assert!(esp.check_room(Slot::B, &[(other, 20_000_000)]).is_ok());
    assert!(esp.check_room(Slot::B, &[(kernel, 20_000_000), (other, 10_000_000)]).is_ok());
    assert!(matches!(esp.check_room(Slot::B, &[(other, 40_000_000)]), Err(EspError::NoSpace { .. })));
    assert!(matches!(esp.check_room(Slot::A, &[(other, 20_000_000)]), Err(EspError::NoSpace { .. })));
}

#[test]
fn a_damaged_kernel_that_stays_is_not_taken_away_for_a_new_one() {
    let (mut disk, old) = installed(SMALL);
    let name = EntryName::plain(Slot::B, 2);
    let (kernel, bytes) = content(3, 4_000);
    let mut esp = Esp::open(&mut disk).unwrap();
    esp.put(kernel, 4_000, &mut &*bytes).unwrap();
    esp.write_entry(name, &entry(name, kernel, old.initrd)).unwrap();
    drop(esp);
    let begins = |sector: &[u8; SECTOR]| sector[..] == bytes[..SECTOR];
    let (number, _) = disk.content().into_iter().find(|(_, sector)| begins(sector)).unwrap();
    disk.write(number, &[0; SECTOR]).unwrap();
    let mut esp = Esp::open(&mut disk).unwrap();
    assert_eq!(esp.object(kernel).unwrap(), BootFile::Damaged);
    assert!(
        matches!(esp.check_room(Slot::A, &[(kernel, 4_000)]), Err(EspError::Rotten { object }) if object == kernel)
    );
    // Where no entry needs it any more it may go.
    assert!(esp.check_room(Slot::B, &[(kernel, 4_000)]).is_ok());
}

#[test]
fn a_folder_never_grows() {
    let (mut disk, old) = installed(SMALL);
    let mut esp = Esp::open(&mut disk).unwrap();
    let mut written = 1;
    let error = loop {
        let name = EntryName::plain(Slot::B, 100 + written);
        match esp.write_entry(name, &entry(name, old.kernel, old.initrd)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, EspError::FolderFull { .. }), "{error}");
    assert_eq!(written, 84, "256 slots, less two, three for each");
    assert_eq!(esp.entries().unwrap().len(), 84);
    assert_eq!(fsck(&disk), Ok(()));
}

/// Cuts the power at every effect of a command and lets every subset of its unsynced writes survive;
/// each disk that comes of it is handed to `check`.
fn every_cut(
    before: &Disk,
    command: impl Fn(&mut Disk) -> Result<(), EspError>,
    mut check: impl FnMut(Disk),
) {
    for effects in 0.. {
        let power = Power::default();
        let mut disk = before.after_cut(&power, |_| true);
        power.cut_after(Some(effects));
        let done = command(&mut disk).is_ok();
        let mut dice = Dice::new(effects as u64);
        for kept in subsets(disk.pending(), &mut dice) {
            check(disk.after_cut(&Power::default(), |n| kept[n]));
        }
        if done {
            break;
        }
    }
}

/// Nothing that has a name is broken, and the next command leaves a sound volume.
fn nothing_is_broken(mut disk: Disk, objects: &[Digest], fsck_too: bool) {
    let mut esp = Esp::open(&mut disk).unwrap();
    for listed in esp.entries().unwrap() {
        assert!(listed.whole().is_some(), "{listed:?}");
    }
    for digest in objects {
        assert_ne!(esp.object(*digest).unwrap(), BootFile::Damaged);
    }
    let name = EntryName::plain(Slot::A, 77);
    esp.write_entry(name, &entry(name, objects[0], objects[1])).unwrap();
    esp.prune(objects).unwrap();
    if fsck_too {
        assert_eq!(fsck(&disk), Ok(()));
    }
}

#[test]
fn a_cut_within_any_command_leaves_no_broken_name_and_the_next_one_tidies_up() {
    let (mut before, old) = installed(SMALL);
    let ((kernel, bytes), (unnamed, more)) = (content(3, 1500), content(4, 900));
    let write =
        |disk: &mut Disk, name| Esp::open(disk)?.write_entry(name, &entry(name, old.kernel, old.initrd));
    // So many that the slots of the next one lie in two sectors of the folder.
    for generation in 2..5 {
        write(&mut before, EntryName::plain(Slot::B, generation)).unwrap();
    }
    Esp::open(&mut before).unwrap().put(unnamed, 900, &mut &*more).unwrap();
    before.settle();
    let trial = EntryName::trial(Slot::B, 1_000_000, TRIES);
    let mut armed = before.clone();
    write(&mut armed, trial).unwrap();
    armed.settle();
    type Command<'a> = &'a dyn Fn(&mut Disk) -> Result<(), EspError>;
    let commands: [(&str, &Disk, Command<'_>); 4] = [
        ("put", &before, &|disk| Esp::open(disk)?.put(kernel, 1500, &mut &*bytes)),
        ("write", &before, &|disk| write(disk, trial)),
        ("delete", &armed, &|disk| Esp::open(disk)?.delete_entries(&[trial, EntryName::plain(Slot::B, 2)])),
        ("prune", &before, &|disk| Esp::open(disk)?.prune(&[])),
    ];
    for (name, before, command) in commands {
        let mut cases = 0;
        every_cut(before, command, |disk| {
            cases += 1;
            nothing_is_broken(disk, &[old.kernel, old.initrd, kernel, unnamed], cases % 37 == 0);
        });
        println!("{name}: {cases} cases");
        assert!(cases > 20, "{name}: {cases}");
    }
}

#[test]
fn leftovers_of_earlier_cuts_do_not_add_up() {
    let (before, old) = installed(SMALL);
    let mut dice = Dice::new(1);
    let mut disk = before;
    for round in 0..300 {
        let name = EntryName::plain(if round % 2 == 0 { Slot::A } else { Slot::B }, 2 + round % 5);
        let (kernel, bytes) = content(10 + (round % 7) as u8, 2000);
        let power = Power::default();
        disk = disk.after_cut(&power, |_| true);
        power.cut_after(Some(usize::try_from(dice.roll() % 25).unwrap()));
        let _ = Esp::open(&mut disk).and_then(|mut esp| {
            esp.put(kernel, 2000, &mut &*bytes)?;
            esp.write_entry(name, &entry(name, kernel, old.initrd))?;
            esp.delete_entries(&[EntryName::plain(name.slot, 2 + (round + 1) % 5)])?;
            esp.prune(&[])
        });
        let kept: Vec<bool> = (0..disk.pending()).map(|_| dice.roll() >> 40 & 1 == 1).collect();
        disk = disk.after_cut(&Power::default(), |n| kept[n]);
        for listed in Esp::open(&mut disk).unwrap().entries().unwrap() {
            assert!(listed.whole().is_some(), "round {round}: {listed:?}");
        }
    }
    nothing_is_broken(disk, &[old.kernel, old.initrd], true);
}
