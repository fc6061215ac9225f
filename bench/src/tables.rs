//! Tables in Markdown.

use std::fmt::Write;

use crate::figures::{FIGURES, mebibytes, milliseconds, octets, seconds, time};
use crate::parts::{DISKS, FLEET_WAYS, GROWTH, GROWTH_WAYS, HOSTS, LOAD_WAYS, MACHINES, MATCH_WAYS};
use crate::results::{Record, Results};
use crate::stats::Summary;
use crate::trees::PAIRS;

/// What the marks say.
const BUSY: &str = "\n† The machine did other work meanwhile: times mean little, bytes and memory hold.\n";
const OTHERS: &str = "\n‡ Of another run than ours, on a machine that is not always equally fast: its times are none to compare.\n";
const APART: &str = "\n‡ The two are of two runs, on a machine that is not always equally fast: see the table of the part for both.\n";

/// What was promised, and what came of it.
pub fn figures(results: &Results) -> String {
    let mut text = "| what | bound | ours | peer | ratio | holds |\n|---|---|---|---|---|---|\n".to_owned();
    let (mut busy, mut apart) = (false, false);
    for figure in &FIGURES {
        let _ = match (figure.judge)(results) {
            None => writeln!(text, "| {} | {} | not measured | | | |", figure.what, figure.bound),
            Some(judged) => {
                busy |= judged.busy;
                apart |= judged.apart;
                let ratio = judged.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
                let holds = if judged.holds { "yes" } else { "**no**" };
                let mark = format!("{}{}", mark(judged.busy), if judged.apart { " ‡" } else { "" });
                let marked =
                    |text: &str| if text.is_empty() { String::new() } else { format!("{text}{mark}") };
                let (what, bound, ours, peer) = (figure.what, figure.bound, judged.ours, judged.peer);
                writeln!(
                    text,
                    "| {what} | {bound} | {ours}{mark} | {} | {} | {holds}{mark} |",
                    marked(&peer),
                    marked(&ratio)
                )
            }
        };
    }
    text + if busy { BUSY } else { "" } + if apart { APART } else { "" }
}

/// The pairs of a part, one table each.
pub fn pairs(results: &Results, part: &str) -> String {
    let tables = PAIRS.iter().map(|pair| {
        let title = format!("{} → {}: {}", pair.from, pair.to, pair.what);
        ways(results, part, &pair.name(), &title)
    });
    tables.collect::<Vec<_>>().concat()
}

/// The pairs of part `delta`, each with what comes on top.
pub fn deltas(results: &Results) -> String {
    let tables = PAIRS.iter().map(|pair| {
        let title = format!("{} → {}: {}", pair.from, pair.to, pair.what);
        let table = ways(results, "delta", &pair.name(), &title);
        let beside = results.of("delta", &pair.beside(), "ours");
        let line = beside.and_then(|record| record.bytes).map(|bytes| {
            let bytes = octets(bytes as f64);
            format!("\nOn top of ours come manifest, index of the pack and transition: {bytes} bytes.\n")
        });
        table + &line.unwrap_or_default()
    });
    tables.collect::<Vec<_>>().concat()
}

/// The cases of a part that are named after the newer tree.
pub fn trees(results: &Results, part: &str) -> String {
    let cases = PAIRS.iter().flat_map(|pair| ["new", "again"].map(|word| format!("{} {word}", pair.to)));
    cases.map(|case| ways(results, part, &case, &case)).collect::<Vec<_>>().concat()
}

/// All ways of one case.
fn ways(results: &Results, part: &str, case: &str, title: &str) -> String {
    let records: Vec<&Record> = results.case(part, case).collect();
    if records.is_empty() {
        return String::new();
    }
    let ours = records.iter().find(|record| record.way == "ours").map(|record| record.run);
    let is_apart =
        |record: &Record| ours.is_some_and(|ours| record.run != ours) && !record.samples.is_empty();
    let mut text = format!("\n**{title}**\n\n");
    text +=
        "| way | bytes | wall | spread | processor | peak memory | rounds |\n|---|---|---|---|---|---|---|\n";
    for record in &records {
        let bytes = record.bytes.map(|bytes| octets(bytes as f64)).unwrap_or_default();
        // Nothing is nothing that was measured.
        let middle =
            |s: Option<Summary>| s.filter(|s| s.median > 0.0).map(|s| seconds(s.median)).unwrap_or_default();
        let spread = record.wall().map(|s| format!("{:.2}–{:.2}", s.least, s.most)).unwrap_or_default();
        let peak = record.peak().filter(|peak| *peak > 0.0).map(mebibytes).unwrap_or_default();
        let (wall, cpu) = (middle(record.wall()), middle(record.cpu()));
        let apart = if is_apart(record) && !wall.is_empty() { " ‡" } else { "" };
        let mark = format!("{}{apart}", mark(record.is_busy()));
        let (way, rounds) = (label(&record.way), record.samples.len().max(1));
        let _ =
            writeln!(text, "| {way} | {bytes} | {wall}{mark} | {spread} | {cpu}{mark} | {peak} | {rounds} |");
    }
    text += if records.iter().any(|record| record.is_busy()) { BUSY } else { "" };
    text + if records.iter().any(|record| is_apart(record)) { OTHERS } else { "" }
}

/// Time and memory by size.
pub fn growth(results: &Results) -> String {
    let mut text = "| way |".to_owned();
    for case in GROWTH {
        let _ = write!(text, " {} |", case.name);
    }
    text += "\n|---|";
    text += &"---|".repeat(GROWTH.len());
    text.push('\n');
    let mut busy = false;
    for way in GROWTH_WAYS {
        let _ = write!(text, "| {} |", label(way));
        for case in GROWTH {
            let cell = results.of("growth", case.name, way).and_then(|record| {
                busy |= record.is_busy();
                let mark = mark(record.is_busy());
                Some(format!("{}{mark}, {}", seconds(record.wall()?.median), mebibytes(record.peak()?)))
            });
            let _ = write!(text, " {} |", cell.unwrap_or_default());
        }
        text.push('\n');
    }
    text + if busy { BUSY } else { "" }
}

/// Hosts that upgrade at once.
pub fn load(results: &Results) -> String {
    let mut text = "| hosts | way | wall | for each host | processor, for each host | served | requests | peak memory of a host | rounds |\n\
                    |---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let cases = HOSTS.iter().flat_map(|hosts| LOAD_WAYS.map(|way| (*hosts, way)));
    for (hosts, way) in cases {
        let case = hosts.to_string();
        let Some(record) = results.of("load", &case, way) else { continue };
        let each =
            |summary: Option<Summary>| summary.map(|s| seconds(s.median / hosts as f64)).unwrap_or_default();
        let wall = record.wall().map(|s| seconds(s.median)).unwrap_or_default();
        let count = |count: Option<u64>| count.map(|n| octets(n as f64)).unwrap_or_default();
        let peak = record.peak().map(mebibytes).unwrap_or_default();
        let _ = writeln!(
            text,
            "| {hosts} | {} | {wall} | {} | {} | {} | {} | {peak} | {} |",
            label(way),
            each(record.wall()),
            each(record.cpu()),
            count(record.bytes),
            count(record.requests),
            record.samples.len()
        );
    }
    text
}

/// Time by disks that are alike.
pub fn matching(results: &Results) -> String {
    let mut text = "| disks |".to_owned();
    MATCH_WAYS.iter().for_each(|way| text += &format!(" {} |", label(way)));
    text += " peak memory |\n|---|---|---|---|---|\n";
    let mut busy = false;
    for disks in DISKS.map(|disks| disks.to_string()) {
        let records = MATCH_WAYS.map(|way| results.of("match", &disks, way));
        if records.iter().all(Option::is_none) {
            continue;
        }
        let _ = write!(text, "| {disks} |");
        for record in records {
            busy |= record.is_some_and(Record::is_busy);
            let mark = mark(record.is_some_and(Record::is_busy));
            let time =
                record.and_then(Record::wall).map(|wall| milliseconds(wall.median)).unwrap_or_default();
            let _ = write!(text, " {time}{mark} |");
        }
        let peak = records.into_iter().flatten().filter_map(Record::peak).reduce(f64::max);
        let _ = writeln!(text, " {} |", peak.map(mebibytes).unwrap_or_default());
    }
    text + if busy { BUSY } else { "" }
}

/// Machines that ask at once.
pub fn fleet(results: &Results) -> String {
    let mut text = "| machines | asked for | requests | wall | spread | processor | peak memory | rounds |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut busy = false;
    for (machines, way) in MACHINES.iter().flat_map(|machines| FLEET_WAYS.map(|way| (*machines, way))) {
        let Some(record) = results.of("fleet", &machines.to_string(), way) else { continue };
        busy |= record.is_busy();
        let wall = record.wall().map(|wall| time(wall.median)).unwrap_or_default();
        let spread = record.wall().map(|s| format!("{:.3}–{:.3}", s.least, s.most)).unwrap_or_default();
        let cpu = record.cpu().map(|cpu| seconds(cpu.median)).unwrap_or_default();
        let mark = mark(record.is_busy());
        let requests = record.requests.map(|n| octets(n as f64)).unwrap_or_default();
        let peak = record.peak().map(mebibytes).unwrap_or_default();
        let (way, rounds) = (label(way), record.samples.len());
        let _ = writeln!(
            text,
            "| {machines} | {way} | {requests} | {wall}{mark} | {spread} | {cpu}{mark} | {peak} | {rounds} |"
        );
    }
    text + if busy { BUSY } else { "" }
}

/// The machine and the peers.
pub fn machine(results: &Results) -> String {
    format!("{}. Peers: {}.\n", results.machine, results.peers.join(", ").replace('=', " "))
}

fn mark(busy: bool) -> &'static str {
    if busy { " †" } else { "" }
}

/// What a way is, in a few words.
pub fn label(way: &str) -> &str {
    match way {
        "ours" => "**ours**",
        "ours-fast" => "**ours**, `--fast`",
        "ours-by-delta" => "**ours**, by a delta",
        "ours-without-delta" => "**ours**, without a delta",
        "ours-build" => "**`rolebuild build`**, new",
        "ours-changed" => "**`rolebuild build`**, every tenth file changed",
        "ours-delta" => "**`rolebuild delta`**",
        "ours-upgrade" => "**`edeploy-ab upgrade`**, cold",
        "ours-verify" => "**`edeploy-ab verify`**, cold",
        "ours-matched" => "matched",
        "ours-one-more" => "one disk too few",
        "ours-last-line" => "the last line fits none",
        "ours-boot" => "boot script",
        "ours-report" => "plan, by a report",
        "ours-newest" => "plan, by a report, of the newest version",
        "ostree" => "ostree static delta",
        "ostree-copy" => "ostree static delta, checkout without hard links",
        "ostree-finished" => "ostree static delta, finished trees",
        "ostree-archive" => "ostree commit, archive",
        "ostree-bare" => "ostree commit, bare",
        "casync-finished" => "casync, finished trees",
        "xdelta3" => "xdelta3 -9, archives",
        "zstd-3-patch" => "zstd -3 --patch-from, archives",
        "zstd-19-patch" => "zstd -19 --patch-from, archives",
        "zstd-19-whole" => "whole, zstd -19",
        "rsync-batch" => "rsync batch, not compressed",
        "bsdiff" => "bsdiff, file by file",
        "dd" => "dd of the slot's image, fsync",
        "read-write" => "reading the slot, writing what changed",
        "b3sum" => "find, xargs -P2 b3sum",
        "b3sum-slot" => "find, xargs -P2 b3sum on the slot, cold",
        "tar" => "tar to a pipe",
        "ours-tree" => "**ours**, of it writing and verifying the tree",
        "tar-zstd" => "tar --zstd -x, sync",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Sample;

    #[test]
    fn a_time_of_a_busy_machine_is_marked() {
        let record = |foreign| {
            let sample = Sample { wall: 2.0, cpu: 1.0, peak: 1 << 20, foreign };
            let (part, case, way) = ("verify".into(), "web1-web2".into(), "ours".into());
            Record { part, case, way, samples: vec![sample], ..Record::default() }
        };
        let table = |foreign| {
            let mut results = Results::default();
            results.put(record(foreign));
            pairs(&results, "verify")
        };
        assert!(
            table(0.0).ends_with("| **ours** |  | 2.00 s | 2.00–2.00 | 1.00 s | 1.0 MiB | 1 |\n"),
            "{}",
            table(0.0)
        );
        assert!(table(1.5).contains("| 2.00 s † |") && table(1.5).ends_with(BUSY));
    }

    #[test]
    fn a_time_of_another_run_than_ours_is_marked() {
        let record = |way: &str, run| {
            let sample = Sample { wall: 2.0, cpu: 1.0, peak: 1 << 20, foreign: 0.0 };
            let (part, case, way) = ("verify".into(), "web1-web2".into(), way.into());
            Record { part, case, way, run, samples: vec![sample], ..Record::default() }
        };
        let table = |peers| {
            let mut results = Results::default();
            results.put(record("ours", 2));
            results.put(record("b3sum", peers));
            pairs(&results, "verify")
        };
        assert!(!table(2).contains('‡'));
        assert!(table(1).contains("| 2.00 s ‡ |") && table(1).ends_with(OTHERS), "{}", table(1));
        assert_eq!(table(1).matches("s ‡").count(), 2, "wall and processor time of the peer alone");
    }
}
