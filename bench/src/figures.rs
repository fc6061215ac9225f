//! The figures that were promised, each with its bound, held against what was measured.

use crate::parts::MATCH_WAYS;
use crate::results::{Record, Results};

const MIB: f64 = 1_048_576.0;

/// What came of a promise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judged {
    /// Ours, for people.
    pub ours: String,
    /// The peer's.
    pub peer: String,
    /// Ours by the peer's.
    pub ratio: Option<f64>,
    /// Whether the bound holds.
    pub holds: bool,
    /// Whether a time was taken on a machine that did something else.
    pub busy: bool,
    /// Whether two times are of two runs.
    pub apart: bool,
}

/// A promise.
#[derive(Debug)]
pub struct Figure {
    /// Of what.
    pub what: &'static str,
    /// The bound, in words.
    pub bound: &'static str,
    /// Looks it up; nothing where something is not measured.
    pub judge: fn(&Results) -> Option<Judged>,
}

/// All, in the order they are shown in.
pub const FIGURES: [Figure; 36] = [
    Figure {
        what: "delta, security update (web1 → web2)",
        bound: "≤ 12 MB and ≤ 0.40 × ostree",
        judge: |r| size(r, "web1-web2", "ostree", 0.40, Some(12e6)),
    },
    Figure {
        what: "the same, against ostree on the trees that we finish",
        bound: "≤ 0.40 × ostree",
        judge: |r| size(r, "web1-web2", "ostree-finished", 0.40, None),
    },
    Figure {
        what: "delta, database role (db1 → db2)",
        bound: "≤ 0.50 × ostree",
        judge: |r| size(r, "db1-db2", "ostree", 0.50, None),
    },
    Figure {
        what: "the same, against ostree on the trees that we finish",
        bound: "≤ 0.50 × ostree",
        judge: |r| size(r, "db1-db2", "ostree-finished", 0.50, None),
    },
    Figure {
        what: "delta, small update (web2 → web3)",
        bound: "≤ 45 kB",
        judge: |r| size(r, "web2-web3", "ostree", f64::INFINITY, Some(45e3)),
    },
    Figure {
        what: "the same, with all that describes the version to a host",
        bound: "≤ 45 kB",
        judge: |r| {
            let beside = r.of("delta", "web2-web3 beside", "ours")?.bytes?;
            let delta = r.of("delta", "web2-web3", "ours")?;
            let all = Record { bytes: Some(delta.bytes? + beside), ..delta.clone() };
            bytes(&all, r.of("delta", "web2-web3", "ostree")?, f64::INFINITY, Some(45e3))
        },
    },
    Figure {
        what: "delta, major upgrade (min12 → min13)",
        bound: "≤ 0.80 × ostree",
        judge: |r| size(r, "min12-min13", "ostree", 0.80, None),
    },
    Figure {
        what: "the same, against ostree on the trees that we finish",
        bound: "≤ 0.80 × ostree",
        judge: |r| size(r, "min12-min13", "ostree-finished", 0.80, None),
    },
    Figure {
        what: "bytes fetched without a delta (web1 → web2)",
        bound: "≤ 0.7 × casync's new chunks",
        judge: |r| bytes(r.of("any", "web1-web2", "ours")?, r.of("any", "web1-web2", "casync")?, 0.7, None),
    },
    Figure {
        what: "the same, against casync on the trees that we finish",
        bound: "≤ 0.7 × casync's new chunks",
        judge: |r| {
            bytes(r.of("any", "web1-web2", "ours")?, r.of("any", "web1-web2", "casync-finished")?, 0.7, None)
        },
    },
    Figure {
        what: "fast delta, security update: processor time",
        bound: "≤ 0.05 × ostree",
        judge: |r| cpu(r.of("delta", "web1-web2", "ours-fast")?, r.of("delta", "web1-web2", "ostree")?, 0.05),
    },
    Figure {
        what: "fast delta, security update: size",
        bound: "≤ 1.3 × ostree",
        judge: |r| {
            bytes(r.of("delta", "web1-web2", "ours-fast")?, r.of("delta", "web1-web2", "ostree")?, 1.3, None)
        },
    },
    Figure {
        what: "the same two, against ostree on the trees that we finish: processor time",
        bound: "≤ 0.05 × ostree",
        judge: |r| {
            cpu(
                r.of("delta", "web1-web2", "ours-fast")?,
                r.of("delta", "web1-web2", "ostree-finished")?,
                0.05,
            )
        },
    },
    Figure {
        what: "and size",
        bound: "≤ 1.3 × ostree",
        judge: |r| {
            let peer = r.of("delta", "web1-web2", "ostree-finished")?;
            bytes(r.of("delta", "web1-web2", "ours-fast")?, peer, 1.3, None)
        },
    },
    Figure {
        what: "making the security delta, wall",
        bound: "≤ 0.35 × ostree",
        judge: |r| wall(r.of("delta", "web1-web2", "ours")?, r.of("delta", "web1-web2", "ostree")?, 0.35),
    },
    Figure {
        what: "the same, against ostree on the trees that we finish",
        bound: "≤ 0.35 × ostree",
        judge: |r| {
            wall(r.of("delta", "web1-web2", "ours")?, r.of("delta", "web1-web2", "ostree-finished")?, 0.35)
        },
    },
    Figure {
        what: "the whole upgrade by it, processor time, against applying alone (members repacked)",
        bound: "≤ 1.6 × ostree",
        judge: |r| cpu(r.of("apply", "web1-web2", "ours")?, r.of("apply", "web1-web2", "ostree")?, 1.6),
    },
    Figure {
        what: "the same, against ostree where its checkout shares nothing, as slots do",
        bound: "≤ 1.6 × ostree",
        judge: |r| cpu(r.of("apply", "web1-web2", "ours")?, r.of("apply", "web1-web2", "ostree-copy")?, 1.6),
    },
    Figure {
        what: "the whole upgrade by one, processor time, where nothing is repacked (web2 → web3)",
        bound: "≤ 1.0 × ostree",
        judge: |r| cpu(r.of("apply", "web2-web3", "ours")?, r.of("apply", "web2-web3", "ostree")?, 1.0),
    },
    Figure {
        what: "the same, against ostree where its checkout shares nothing",
        bound: "≤ 1.0 × ostree",
        judge: |r| cpu(r.of("apply", "web2-web3", "ours")?, r.of("apply", "web2-web3", "ostree-copy")?, 1.0),
    },
    Figure {
        what: "peak memory of the whole upgrade (web1 → web2)",
        bound: "≤ 64 MiB",
        judge: |r| memory(r.of("apply", "web1-web2", "ours")?, r.of("apply", "web1-web2", "ostree")),
    },
    Figure {
        what: "peak memory of the whole upgrade, 1,000,000 files",
        bound: "≤ 64 MiB",
        judge: |r| memory(r.of("growth", "1m", "ours-upgrade")?, None),
    },
    Figure {
        what: "the same, with a kernel beside them that is packed again",
        bound: "≤ 64 MiB",
        judge: |r| memory(r.of("growth", "1m and a kernel", "ours-upgrade")?, None),
    },
    Figure {
        what: "peak memory of the whole upgrade, one file of 4 GiB",
        bound: "≤ 64 MiB",
        judge: |r| memory(r.of("growth", "4gib", "ours-upgrade")?, None),
    },
    Figure {
        what: "whole upgrade, cold, against writing the slot's image",
        bound: "≤ 1.0 × dd with fsync",
        judge: |r| wall(r.of("upgrade", "web1-web2", "ours")?, r.of("upgrade", "web1-web2", "dd")?, 1.0),
    },
    Figure {
        what: "whole upgrade, cold, against reading the slot and writing what changed",
        bound: "≤ 2.5 ×",
        judge: |r| {
            wall(r.of("upgrade", "web1-web2", "ours")?, r.of("upgrade", "web1-web2", "read-write")?, 2.5)
        },
    },
    Figure {
        what: "`verify` of the slot, cold",
        bound: "≤ 1.3 × find and b3sum",
        judge: |r| wall(r.of("verify", "web1-web2", "ours")?, r.of("verify", "web1-web2", "b3sum")?, 1.3),
    },
    Figure {
        what: "writing and verifying the tree of a first install, cold, against unpacking an archive",
        bound: "≤ 1.5 × tar --zstd -x",
        judge: |r| {
            wall(r.of("install", "web1-web2", "ours-tree")?, r.of("install", "web1-web2", "tar-zstd")?, 1.5)
        },
    },
    Figure {
        what: "the same, with all else that a first install does",
        bound: "≤ 1.5 × tar --zstd -x",
        judge: |r| {
            wall(r.of("install", "web1-web2", "ours")?, r.of("install", "web1-web2", "tar-zstd")?, 1.5)
        },
    },
    Figure {
        what: "building an unchanged tree again",
        bound: "≤ 0.1 × ostree commit",
        judge: |r| {
            wall(r.of("build", "web2 again", "ours")?, r.of("build", "web2 again", "ostree-archive")?, 0.1)
        },
    },
    Figure {
        what: "building and packing a new tree",
        bound: "≤ 1.0 × ostree commit, archive mode",
        judge: |r| {
            wall(r.of("build", "web2 new", "ours")?, r.of("build", "web2 new", "ostree-archive")?, 1.0)
        },
    },
    Figure {
        what: "growth from 100,000 to 1,000,000 files: time of the upgrade",
        bound: "linear: ≤ 12 × for 10 × the files",
        judge: |r| wall(r.of("growth", "1m", "ours-upgrade")?, r.of("growth", "100k", "ours-upgrade")?, 12.0),
    },
    Figure {
        what: "64 disks that are alike: matched, or refused, and explained",
        bound: "milliseconds: ≤ 0.1 s",
        judge: |r| within(&MATCH_WAYS.map(|way| r.of("match", "64", way)), 0.1),
    },
    Figure {
        what: "500 machines that report at once, also for the newest version: until the last has its plan",
        bound: "≤ 5 s",
        judge: |r| within(&["ours-report", "ours-newest"].map(|way| r.of("fleet", "500", way)), 5.0),
    },
    Figure {
        what: "peak memory of the fleet service then, against one machine that reports",
        bound: "flat: ≤ 2 ×",
        judge: |r| {
            let (many, one) = (r.of("fleet", "500", "ours-report")?, r.of("fleet", "1", "ours-report")?);
            Some(Judged { holds: many.peak()? <= 2.0 * one.peak()?, ..memory(many, Some(one))? })
        },
    },
    Figure {
        what: "`edeploy-ab`, stripped, static",
        bound: "≤ 2.6 MB (musl)",
        judge: |r| {
            let bytes = r.of("size", "binary", "ours")?.bytes? as f64;
            let holds = bytes <= 2.6e6;
            Some(Judged { ours: octets(bytes), holds, ..Judged::default() })
        },
    },
];

fn size(results: &Results, pair: &str, peer: &str, bound: f64, most: Option<f64>) -> Option<Judged> {
    bytes(results.of("delta", pair, "ours")?, results.of("delta", pair, peer)?, bound, most)
}

fn bytes(ours: &Record, peer: &Record, bound: f64, most: Option<f64>) -> Option<Judged> {
    let (own, other) = (ours.bytes? as f64, peer.bytes? as f64);
    let holds = own <= bound * other && most.is_none_or(|most| own <= most);
    let (shown, ratio) = (octets(own), Some(own / other));
    Some(Judged { ours: shown, peer: octets(other), ratio, holds, ..Judged::default() })
}

fn cpu(ours: &Record, peer: &Record, bound: f64) -> Option<Judged> {
    times(ours, peer, [ours.cpu()?.median, peer.cpu()?.median], bound)
}

fn wall(ours: &Record, peer: &Record, bound: f64) -> Option<Judged> {
    times(ours, peer, [ours.wall()?.median, peer.wall()?.median], bound)
}

fn times(ours: &Record, peer: &Record, [own, other]: [f64; 2], bound: f64) -> Option<Judged> {
    Some(Judged {
        ours: seconds(own),
        peer: seconds(other),
        ratio: Some(own / other),
        holds: own <= bound * other,
        busy: ours.is_busy() || peer.is_busy(),
        apart: ours.run != peer.run,
    })
}

/// The longest of some times against a bound of seconds.
fn within(records: &[Option<&Record>], bound: f64) -> Option<Judged> {
    let walls: Option<Vec<f64>> = records.iter().map(|record| Some((*record)?.wall()?.median)).collect();
    let longest = walls?.into_iter().reduce(f64::max)?;
    let busy = records.iter().flatten().any(|record| record.is_busy());
    Some(Judged { ours: time(longest), holds: longest <= bound, busy, ..Judged::default() })
}

fn memory(ours: &Record, peer: Option<&Record>) -> Option<Judged> {
    let (own, other) = (ours.peak()?, peer.and_then(Record::peak));
    let peer = other.map(mebibytes).unwrap_or_default();
    let ratio = other.map(|other| own / other);
    Some(Judged { ours: mebibytes(own), peer, ratio, holds: own <= 64.0 * MIB, ..Judged::default() })
}

/// Bytes for people: exact ones with separators.
pub fn octets(bytes: f64) -> String {
    let digits = format!("{bytes:.0}");
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds for people.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.2} s"),
        s if s < 99.5 => format!("{s:.1} s"),
        s => format!("{s:.0} s"),
    }
}

/// What takes less than a second, for people.
pub fn milliseconds(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1000.0)
}

/// A time of any length, for people.
pub fn time(length: f64) -> String {
    if length < 1.0 { milliseconds(length) } else { seconds(length) }
}

/// Memory for people.
pub fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(ours: u64, raw: u64, finished: u64) -> Results {
        let mut results = Results::default();
        for (way, bytes) in [("ours", ours), ("ostree", raw), ("ostree-finished", finished)] {
            let (part, case) = ("delta".into(), "web1-web2".into());
            results.put(Record { part, case, way: way.into(), bytes: Some(bytes), ..Record::default() });
        }
        results
    }

    #[test]
    fn a_delta_is_held_against_both_bounds_and_against_the_peer_on_either_trees() {
        let judged = |n: usize, ours, raw, finished| {
            let judged = (FIGURES[n].judge)(&results(ours, raw, finished)).unwrap();
            (judged.holds, judged.ratio)
        };
        assert_eq!(judged(0, 10_000_000, 40_000_000, 20_000_000), (true, Some(0.25)));
        assert_eq!(judged(1, 10_000_000, 40_000_000, 20_000_000), (false, Some(0.5)));
        assert!(!judged(0, 10_000_000, 20_000_000, 40_000_000).0);
        assert!(!judged(0, 12_000_001, 60_000_000, 60_000_000).0);
    }

    #[test]
    fn the_longest_of_all_ways_is_held_against_a_bound_of_seconds() {
        let record = |wall| {
            let samples = vec![crate::run::Sample { wall, ..crate::run::Sample::default() }];
            Record { samples, ..Record::default() }
        };
        let (short, long) = (record(0.004), record(0.2));
        let judged = within(&[Some(&short), Some(&long)], 0.1).unwrap();
        assert_eq!((&*judged.ours, judged.holds), ("200.0 ms", false));
        assert!(within(&[Some(&short)], 0.1).unwrap().holds);
        assert_eq!(within(&[Some(&short), None], 0.1), None);
    }

    #[test]
    fn what_is_not_measured_is_not_judged() {
        assert_eq!((FIGURES[0].judge)(&Results::default()), None);
    }

    #[test]
    fn bytes_are_grouped_by_threes() {
        assert_eq!([7.0, 1234.0, 29_821_960.0].map(octets), ["7", "1,234", "29,821,960"]);
    }
}
