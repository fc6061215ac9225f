//! The partition table of a disk that is not, or no longer, what was written on it.

use std::sync::OnceLock;

use edeploy_ab::disk::gpt::{Sizes, create, read};

use crate::disk::Disk;
use crate::input::Input;

const MIB: u64 = 1 << 20;
const SIZE: u64 = 300 * MIB;
const SIZES: Sizes = Sizes { esp: 40 * MIB, slot: 40 * MIB };
const SECTOR: u64 = 512;

/// A disk as `install` leaves it.
fn sound() -> Disk {
    static DISK: OnceLock<Disk> = OnceLock::new();
    let disk = DISK.get_or_init(|| {
        let mut disk = Disk::new(SIZE);
        create(&mut disk, SIZES, |_| Ok(())).expect("the disk is large enough");
        disk
    });
    disk.clone()
}

/// Whatever is found is four partitions that lie within the disk; nothing is written.
///
/// With the first bit of the first byte the check sums of both tables are made right again after the disk was bent, so
/// that what they protect is read at all.
pub(crate) fn gpt(data: &[u8]) {
    let mut input = Input(data);
    let mend = input.byte() & 1 == 1;
    let mut disk = sound();
    disk.bend(&mut input);
    if mend {
        [SECTOR, SIZE - SECTOR].into_iter().for_each(|header| sum(&mut disk, header));
    }
    let before = disk.clone();
    let Ok(layout) = read(&mut disk) else { return };
    assert!(disk.is(&before), "reading changes nothing");
    for part in [&layout.esp, &layout.slots[0], &layout.slots[1], &layout.state] {
        assert!(part.size > 0 && part.size % SECTOR == 0 && part.offset % SECTOR == 0, "{part:?}");
        assert!(part.offset.checked_add(part.size).is_some_and(|end| end <= SIZE), "{part:?}");
        assert!((1..=1024).contains(&part.number), "{part:?}");
    }
}

/// Makes the check sums of a header right, first that of its array.
fn sum(disk: &mut Disk, header: u64) {
    let field = |disk: &Disk, at: u64, length: usize| {
        disk.bytes(header + at, length).iter().rev().fold(0_u64, |number, b| number << 8 | u64::from(*b))
    };
    let (array, count, size) = (field(disk, 72, 8), field(disk, 80, 4), field(disk, 84, 4));
    let length = count.saturating_mul(size);
    if array < SIZE / SECTOR && length <= 1 << 16 {
        let crc = crc32(&disk.bytes(array * SECTOR, length as usize));
        disk.put(header + 88, &crc.to_le_bytes());
    }
    let length = field(disk, 12, 4).min(SECTOR) as usize;
    disk.put(header + 16, &[0; 4]);
    let crc = crc32(&disk.bytes(header, length));
    disk.put(header + 16, &crc.to_le_bytes());
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
