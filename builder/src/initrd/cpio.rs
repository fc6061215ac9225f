//! The cpio format of the kernel, "newc", as `Documentation/driver-api/early-userspace/buffer-format.rst` has it.
//!
//! Reads one archive up to its trailer and refuses whatever does not fit; writes single records. What records mean
//! to one another (links, later ones in place of earlier ones) is in `contents.rs`.

use std::ops::Range;

use super::Defect;

/// The bits of a mode that tell the kind.
pub(super) const KIND: u32 = 0o170_000;
/// A folder.
pub(super) const FOLDER: u32 = 0o040_000;
/// A regular file.
pub(super) const FILE: u32 = 0o100_000;
/// A symbolic link.
pub(super) const SYMLINK: u32 = 0o120_000;
/// What else there can be: FIFO, character device, block device, socket.
const OTHERS: [u32; 4] = [0o010_000, 0o020_000, 0o060_000, 0o140_000];

/// What every header begins with, whatever its form.
pub(super) const MAGIC: &[u8] = b"0707";
/// Without and with a checksum of the data.
const FORMS: [(&[u8], bool); 2] = [(b"070701", false), (b"070702", true)];
/// The magic, then 13 numbers of 8 hex digits.
const HEADER: usize = 110;
const NUMBERS: usize = 13;
/// The kernel's limit for names and targets of links, the NUL counted.
pub(super) const PATH_LIMIT: usize = 4096;
const TRAILER: &[u8] = b"TRAILER!!!";

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Record<'a> {
    /// Where it begins, counted as the reader was told to.
    pub at: usize,
    /// The name as it stands there, without its NUL.
    pub name: &'a [u8],
    /// The number of the inode, and the device it is counted on.
    pub inode: [u32; 3],
    /// Kind and permissions.
    pub mode: u32,
    /// Owner and group.
    pub owner: [u32; 2],
    /// How many names the inode had.
    pub links: u32,
    /// Major and minor number of a device node.
    pub special: [u32; 2],
    /// The content of a file, or the target of a link.
    pub data: &'a [u8],
}

impl Record<'_> {
    /// The kind: [`FOLDER`], [`FILE`], [`SYMLINK`] or one of the others.
    pub(super) fn kind(&self) -> u32 {
        self.mode & KIND
    }
}

/// Reads the records of one archive.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    bytes: &'a [u8],
    base: usize,
    at: usize,
}

impl<'a> Archive<'a> {
    /// The archive that `bytes` begins with; errors count from `base`.
    pub(super) fn new(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, base, at: 0 }
    }

    /// How many bytes were read: after the last record, the length of the archive.
    pub(super) fn read(&self) -> usize {
        self.at
    }

    /// The next record; `None` at the trailer.
    ///
    /// # Errors
    /// [`Defect::Archive`].
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, Defect> {
        let at = self.at;
        let wrong = |what| Defect::Archive { at: self.base + at, what };
        let header = self.bytes.get(at..at + HEADER).ok_or(wrong("it ends within a header"))?;
        let form = FORMS.iter().find(|(magic, _)| header.starts_with(magic));
        let (magic, sum) = form.ok_or(wrong("no header of the format newc"))?;
        let numbers = numbers(&header[magic.len()..]).ok_or(wrong("a number that is none"))?;
        let [inode, mode, uid, gid, links, _time, size, major, minor, special, special_minor, length, check] =
            numbers;
        let (name, data) = self.places(at, length, size).ok_or(wrong("it ends within a record"))?;
        let (name, data) = (&self.bytes[name], &self.bytes[data.clone()]);
        let name = match name.split_last() {
            Some((0, name)) if !name.is_empty() && !name.contains(&0) => name,
            _ => return Err(wrong("a name that is empty or does not end with its only NUL")),
        };
        if name.len() >= PATH_LIMIT {
            return Err(wrong("a name longer than a path can be"));
        }
        if *sum && check != data.iter().fold(0, |sum: u32, byte| sum.wrapping_add(u32::from(*byte))) {
            return Err(wrong("data that its checksum does not match"));
        }
        let end = at + HEADER + name.len() + 1;
        self.at = (end.next_multiple_of(4) + data.len()).next_multiple_of(4).min(self.bytes.len());
        if name == TRAILER {
            return Ok(None);
        }
        let data = match mode & KIND {
            FILE => data,
            SYMLINK if !data.is_empty() && data.len() < PATH_LIMIT => data,
            SYMLINK => return Err(wrong("a link whose target is empty or longer than a path can be")),
            kind if kind == FOLDER || OTHERS.contains(&kind) => &[],
            _ => return Err(wrong("a mode of no kind of file")),
        };
        Ok(Some(Record {
            at: self.base + at,
            name,
            inode: [inode, major, minor],
            mode,
            owner: [uid, gid],
            links,
            special: [special, special_minor],
            data,
        }))
    }

    /// Where name and data of the record at `at` lie; `None` beyond the end.
    fn places(&self, at: usize, length: u32, size: u32) -> Option<(Range<usize>, Range<usize>)> {
        let name = at + HEADER..(at + HEADER).checked_add(length.try_into().ok()?)?;
        let start = if size == 0 { name.end } else { name.end.checked_next_multiple_of(4)? };
        let data = start..start.checked_add(size.try_into().ok()?)?;
        (data.end <= self.bytes.len()).then_some((name, data))
    }
}

fn numbers(digits: &[u8]) -> Option<[u32; NUMBERS]> {
    let mut numbers = [0; NUMBERS];
    for (number, digits) in numbers.iter_mut().zip(digits.chunks(8)) {
        for digit in digits {
            *number = *number << 4 | char::from(*digit).to_digit(16)?;
        }
    }
    Some(numbers)
}

/// Appends a record; its times and the device it was counted on are zero.
pub(super) fn write(out: &mut Vec<u8>, record: &Record<'_>) {
    let [uid, gid] = record.owner;
    let [special, special_minor] = record.special;
    let size = u32::try_from(record.data.len()).expect("it was read from a record");
    let length = u32::try_from(record.name.len() + 1).expect("it was read from a record");
    let [inode, major, minor] = record.inode;
    let numbers: [u32; NUMBERS] = [
        inode,
        record.mode,
        uid,
        gid,
        record.links,
        0,
        size,
        major,
        minor,
        special,
        special_minor,
        length,
        0,
    ];
    out.extend_from_slice(FORMS[0].0);
    out.extend(numbers.iter().flat_map(|number| format!("{number:08x}").into_bytes()));
    out.extend_from_slice(record.name);
    out.push(0);
    pad(out);
    out.extend_from_slice(record.data);
    pad(out);
}

/// Appends what ends an archive.
pub(super) fn write_trailer(out: &mut Vec<u8>) {
    let (at, mode, data): (_, _, &[u8]) = (0, 0, &[]);
    write(
        out,
        &Record { at, name: TRAILER, inode: [0; 3], mode, owner: [0; 2], links: 1, special: [0; 2], data },
    );
}

/// Fills up to a multiple of four bytes.
pub(super) fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(4), 0);
}
