//! The disk as a cut would leave it: at every flush, and between two.

use std::path::Path;

use super::cut::{Dice, survivors};
use super::log::{Event, Log};
use super::medium::Medium;
use super::record::Recording;
use crate::disk::ESP;

const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;

/// A moment of a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// The number of the flush that had just ended, or, of a sample, that had not ended yet.
    pub flush: usize,
    /// The number of the sample; `None` right after the flush.
    pub sample: Option<u32>,
}

/// What happens between two flushes.
#[derive(Debug)]
pub struct Interval<'a> {
    /// The number of the flush that ends it.
    pub flush: usize,
    writes: &'a [Write],
}

impl Interval<'_> {
    /// Whether anything is written to a place (beginning and length in bytes).
    #[must_use]
    pub fn touches(&self, (at, size): (u64, u64)) -> bool {
        self.writes.iter().any(|write| write.at < at + size && at < write.at + write.length)
    }

    /// How many writes it has.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.writes.len()
    }
}

#[derive(Debug)]
struct Write {
    at: u64,
    length: u64,
    /// Which log holds the bytes, and where.
    bytes: (usize, u64),
    durable: bool,
}

impl Write {
    /// What of it is written whole or not at all, in bytes: on the ESP a sector; elsewhere, where it can be, a block of
    /// ext4, which does not survive a super block that is torn.
    fn unit(&self, esp: (u64, u64)) -> u64 {
        let on_esp = self.at < esp.0 + esp.1;
        let whole = self.at.is_multiple_of(BLOCK) && self.length.is_multiple_of(BLOCK);
        if on_esp || !whole { SECTOR } else { BLOCK }
    }
}

/// A recording that can be played again and again.
pub struct Replay {
    logs: Vec<Log>,
    seed: u64,
    flushes: bool,
}

impl Replay {
    /// The replay of a recording, whose samples `seed` chooses.
    ///
    /// # Panics
    /// If a log cannot be read.
    #[must_use]
    pub fn new(recording: &Recording, seed: u64) -> Self {
        let log =
            |path: &std::path::PathBuf| Log::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Self { logs: recording.logs.iter().map(log).collect(), seed, flushes: true }
    }

    /// The same on a disk that ignores flushes: everything is in one interval, from beginning to end.
    #[must_use]
    pub fn ignoring_flushes(self) -> Self {
        Self { flushes: false, ..self }
    }

    /// What happened, of all logs.
    fn events(&self) -> impl Iterator<Item = (usize, Event)> {
        self.logs.iter().enumerate().flat_map(|(n, log)| log.events.iter().map(move |event| (n, *event)))
    }

    /// How many writes, bytes of them, flushes and discards there were.
    #[must_use]
    pub fn counts(&self) -> [u64; 4] {
        let mut counts = [0; 4];
        for (_, event) in self.events() {
            match event {
                Event::Write { length, .. } => {
                    counts[0] += 1;
                    counts[1] += length;
                }
                Event::Flush => counts[2] += 1,
                Event::Discard { .. } => counts[3] += 1,
            }
        }
        counts
    }

    /// Plays it on `medium`, which holds the disk as it was before, and shows the medium at each flush and at as
    /// many samples before it as `samples` says. What was shown at a sample is undone afterwards.
    ///
    /// QEMU throws no discarded bytes away, so neither does this.
    pub fn play(
        &self,
        medium: &mut Medium,
        samples: impl Fn(&Interval<'_>) -> u32,
        mut show: impl FnMut(Moment, &mut Medium),
    ) {
        let (mut flush, mut writes) = (0, Vec::new());
        let mut end = |writes: &mut Vec<Write>, flush: usize| {
            for sample in 0..samples(&Interval { flush, writes }) {
                let undo = self.cut(medium, writes, flush, sample);
                show(Moment { flush, sample: Some(sample) }, medium);
                undo.iter().rev().for_each(|(at, bytes)| medium.write(*at, bytes));
            }
            for write in writes.drain(..) {
                medium.write(write.at, &self.bytes(&write, 0, write.length));
            }
            show(Moment { flush, sample: None }, medium);
        };
        for (log, event) in self.events() {
            match event {
                Event::Write { at, length, bytes, durable } => {
                    writes.push(Write { at, length, bytes: (log, bytes), durable });
                }
                Event::Discard { .. } => {}
                Event::Flush if !self.flushes => {}
                Event::Flush => {
                    end(&mut writes, flush);
                    flush += 1;
                }
            }
        }
        if !writes.is_empty() {
            end(&mut writes, flush);
        }
    }

    fn bytes(&self, write: &Write, from: u64, length: u64) -> Vec<u8> {
        let (log, at) = write.bytes;
        self.logs[log].read(at + from, length).expect("the log of writes")
    }

    /// Writes what survives of `writes`; what was there before, to be written back from the last to the first.
    fn cut(&self, medium: &mut Medium, writes: &[Write], flush: usize, sample: u32) -> Vec<(u64, Vec<u8>)> {
        let esp = medium.place(ESP);
        let units: Vec<u64> = writes.iter().map(|write| write.unit(esp)).collect();
        let lengths: Vec<u64> = writes.iter().zip(&units).map(|(write, unit)| write.length / unit).collect();
        let mut dice = Dice::new(self.seed, &[flush as u64, u64::from(sample)]);
        let mut undo = Vec::new();
        let kept = survivors(&lengths, sample, &mut dice);
        for ((write, unit), kept) in writes.iter().zip(units).zip(kept) {
            let kept = if write.durable { 0..write.length / unit } else { kept };
            if kept.is_empty() {
                continue;
            }
            let (from, length) = (kept.start * unit, (kept.end - kept.start) * unit);
            undo.push((write.at + from, medium.read(write.at + from, length)));
            medium.write(write.at + from, &self.bytes(write, from, length));
        }
        undo
    }

    /// Whether the replay ends with the very disk that QEMU left.
    #[must_use]
    pub fn ends_as_recorded(&self, recording: &Recording, scratch: &Path) -> bool {
        let mut medium = Medium::copy_of(&recording.before, scratch);
        self.play(&mut medium, |_| 0, |_, _| ());
        let mut left = Medium::copy_of(&recording.after, &scratch.with_extension("left"));
        let same = medium.digest_of_all() == left.digest_of_all();
        std::fs::remove_file(scratch).expect("a file of ours");
        std::fs::remove_file(left.path()).expect("a file of ours");
        same
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics on the first surprise")]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use super::*;

    const AT: u64 = 1 << 20;

    /// A folder with a recording of these entries (first sector of partition 1 on, bytes, flags).
    fn recording(name: &str, entries: &[(u64, &[u8], u64)]) -> (PathBuf, Recording) {
        let folder = std::env::temp_dir().join(format!("{}-replay-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let [before, after, log] = ["before", "after", "log"].map(|name| folder.join(name));
        std::fs::File::create(&before).unwrap().set_len(6 << 20).unwrap();
        let mut sfdisk = Command::new("sfdisk");
        sfdisk.args(["--quiet", "--label", "gpt"]).arg(&before).stdin(Stdio::piped());
        let mut table = sfdisk.spawn().unwrap();
        table.stdin.take().unwrap().write_all(b",1M\n,1M\n,1M\n,1M\n").unwrap();
        assert!(table.wait().unwrap().success());
        let sector = |numbers: [u64; 4]| {
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            bytes.resize(512, 0);
            bytes
        };
        let mut bytes = sector([0x006a_7366_7773_6872, 1, entries.len() as u64, 512]);
        let mut left = std::fs::read(&before).unwrap();
        for (first, content, flags) in entries {
            bytes.extend(sector([AT / 512 + first, content.len() as u64 / 512, *flags, 0]));
            bytes.extend(*content);
            let at = usize::try_from(AT + first * 512).unwrap();
            left[at..at + content.len()].copy_from_slice(content);
        }
        std::fs::write(&log, bytes).unwrap();
        std::fs::write(&after, left).unwrap();
        (folder, Recording { before, after, logs: vec![log] })
    }

    /// The first byte of each of the first sectors of partition 1.
    fn sectors(medium: &Medium) -> [u8; 4] {
        [0, 1, 2, 3].map(|n| medium.read(AT + n * 512, 1)[0])
    }

    #[test]
    fn at_each_flush_all_writes_before_are_there_and_a_sample_leaves_no_trace() {
        let (one, two, three) = ([1; 1024], [2; 512], [3; 1024]);
        let entries: [(u64, &[u8], u64); 6] =
            [(0, &one, 0), (3, &two, 2), (0, &[], 1), (1, &three, 0), (0, &[], 1), (3, &three[..512], 0)];
        let (folder, recording) = recording("flush", &entries);
        let replay = Replay::new(&recording, 1);
        assert_eq!(replay.counts(), [4, 3072, 2, 0]);
        assert!(replay.ends_as_recorded(&recording, &folder.join("scratch")));
        let mut medium = Medium::copy_of(&recording.before, &folder.join("medium"));
        let mut seen = Vec::new();
        let mut sampled = Vec::new();
        replay.play(
            &mut medium,
            |interval| if interval.touches((AT, 512)) { 50 } else { 5 },
            |moment, medium| match moment.sample {
                None => seen.push((moment.flush, sectors(medium))),
                Some(_) => sampled.push((moment.flush, sectors(medium))),
            },
        );
        assert_eq!(seen, [(0, [1, 1, 0, 2]), (1, [1, 3, 3, 2]), (2, [1, 3, 3, 3])]);
        assert_eq!(sampled.len(), 60);
        // The second write says that it is durable by itself.
        assert!(sampled[..50].iter().all(|(_, sectors)| sectors[3] == 2), "{sampled:?}");
        let mut first: Vec<_> = sampled[..50].iter().map(|(_, sectors)| (sectors[0], sectors[1])).collect();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first, [(0, 0), (0, 1), (1, 0), (1, 1)], "torn both ways, lost, whole");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_log_that_leads_elsewhere_is_not_believed() {
        let (folder, recording) = recording("elsewhere", &[(0, &[1; 512], 0), (0, &[], 1)]);
        std::fs::copy(&recording.before, &recording.after).unwrap();
        assert!(!Replay::new(&recording, 1).ends_as_recorded(&recording, &folder.join("scratch")));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
