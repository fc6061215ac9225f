//! The log of all writes to a disk, in the format of the kernel's dm-log-writes.
//!
//! Source: `drivers/md/dm-log-writes.c`; QEMU's `blklogwrites` writes the same. All numbers are
//! little-endian. A super block (magic, version, number of entries, length of a sector), then the
//! entries: a sector with a head (first sector, number of sectors, flags, length of a mark, the mark), then
//! the sectors that were written; discards have none.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const VERSION: u64 = 1;
const FLUSH: u64 = 1;
const FUA: u64 = 2;
const DISCARD: u64 = 4;

/// A log, open for reading.
#[derive(Debug)]
pub struct Log {
    file: File,
    /// What happened to the disk, in the order in which it ended.
    pub events: Vec<Event>,
}

/// What happened to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bytes were written.
    Write {
        /// Where on the disk, in bytes.
        at: u64,
        /// How many bytes.
        length: u64,
        /// Where the bytes lie in the log.
        bytes: u64,
        /// They were durable when the disk said that they were written.
        durable: bool,
    },
    /// Bytes were given up: afterwards anything may be read there.
    Discard {
        /// Where on the disk, in bytes.
        at: u64,
        /// How many bytes.
        length: u64,
    },
    /// All that was written before became durable.
    Flush,
}

impl Log {
    /// Reads the heads of all entries of a log.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut head = [0; 28];
        file.read_exact_at(&mut head, 0)?;
        let sector = u64::from(u32::from_le_bytes(head[24..].try_into().expect("4 bytes: sliced")));
        if number(&head, 0) != MAGIC || number(&head, 1) != VERSION || !(512..=1 << 16).contains(&sector) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no log of dm-log-writes, version 1"));
        }
        let (mut at, mut events) = (sector, Vec::new());
        for _ in 0..number(&head, 2) {
            let mut head = [0; 32];
            file.read_exact_at(&mut head, at)?;
            at += sector;
            let [first, sectors, flags] = [0, 1, 2].map(|n| number(&head, n));
            let (to, length) = (first * sector, sectors * sector);
            if flags & FLUSH != 0 {
                events.push(Event::Flush);
            }
            if flags & DISCARD != 0 {
                events.push(Event::Discard { at: to, length });
            } else if length > 0 {
                events.push(Event::Write { at: to, length, bytes: at, durable: flags & FUA != 0 });
                at += length;
            }
        }
        Ok(Self { file, events })
    }

    /// Bytes of the log, from `at` on.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn read(&self, at: u64, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).expect("a write fits in memory")];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

fn number(head: &[u8], n: usize) -> u64 {
    u64::from_le_bytes(head[8 * n..8 * n + 8].try_into().expect("8 bytes: sliced"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]
mod tests {
    use super::*;

    const MARK: u64 = 8;

    fn sector(numbers: [u64; 4]) -> Vec<u8> {
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        bytes.resize(512, 0);
        bytes
    }

    fn log(name: &str, sectors: &[Vec<u8>]) -> io::Result<Log> {
        let path = std::env::temp_dir().join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, sectors.concat()).unwrap();
        let log = Log::open(&path);
        std::fs::remove_file(path).unwrap();
        log
    }

    #[test]
    fn a_log_is_read_as_dm_log_writes_writes_it() {
        let log = log(
            "log",
            &[
                sector([MAGIC, 1, 6, 512]),
                sector([3, 2, 0, 0]),
                vec![7; 1024],
                sector([0, 0, FLUSH, 0]),
                sector([8, 4, DISCARD, 0]),
                sector([0, 0, MARK, 5]),
                sector([9, 1, FLUSH | FUA, 0]),
                vec![8; 512],
                sector([1, 1, 0, 0]),
                vec![9; 512],
                sector([2, 1, 0, 0]),
            ],
        )
        .unwrap();
        let write = |at, length, bytes, durable| Event::Write { at, length, bytes, durable };
        let expected = [
            write(1536, 1024, 1024, false),
            Event::Flush,
            Event::Discard { at: 4096, length: 2048 },
            Event::Flush,
            write(4608, 512, 4096, true),
            write(512, 512, 5120, false),
        ];
        assert_eq!(log.events, expected);
        assert_eq!(log.read(5120, 512).unwrap(), [9; 512]);
    }

    #[test]
    fn another_file_is_no_log() {
        let error = log("none", &[sector([MAGIC + 1, 1, 0, 512])]).unwrap_err();
        assert_eq!(error.to_string(), "no log of dm-log-writes, version 1");
        assert!(log("short", &[vec![0; 20]]).is_err());
    }
}
