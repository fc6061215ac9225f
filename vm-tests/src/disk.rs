//! The disk of a machine that is switched off, as Debian's own tools see it.

use std::fs;
use std::path::Path;

use crate::tool::{output, run};

/// The number of the ESP.
pub const ESP: usize = 1;
/// The numbers of the slots.
pub const SLOTS: [usize; 2] = [2, 3];
/// The number of the state partition.
pub const STATE: usize = 4;
/// All of them.
pub const ALL: [usize; 4] = [ESP, SLOTS[0], SLOTS[1], STATE];

/// Checks partition table and these partitions of a disk in qcow2: slot b of a new machine was never written.
///
/// # Panics
/// If a tool finds anything wrong; with all it said.
pub fn check_parts(disk: &Path, numbers: &[usize]) {
    let raw = disk.with_extension("raw");
    run("qemu-img", &["convert", "-O", "raw", text(disk), text(&raw)]);
    check_raw(&raw, numbers).unwrap_or_else(|e| panic!("{e}"));
    fs::remove_file(raw).expect("a file of ours");
}

/// Checks partition table and these partitions of a raw image.
///
/// # Errors
/// If a tool finds anything wrong; with all it said.
///
/// # Panics
/// If a tool cannot be run.
pub fn check_raw(raw: &Path, numbers: &[usize]) -> Result<(), String> {
    let said = run("sgdisk", &["-v", text(raw)]);
    if !said.contains("No problems found") {
        return Err(said);
    }
    let part = raw.with_extension("part");
    for &number in numbers {
        let tool = if number == ESP { ["fsck.fat", "-n"] } else { ["e2fsck", "-fn"] };
        extract(raw, number, &part);
        let args: Vec<&str> = tool[1..].iter().copied().chain([text(&part)]).collect();
        let ended = output(tool[0], &args);
        let [out, err] = [&ended.stdout, &ended.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        if !ended.status.success() {
            return Err(format!("partition {number}: {tool:?}: {}\n{out}\n{err}", ended.status));
        }
    }
    fs::remove_file(part).expect("a file of ours");
    Ok(())
}

/// Makes a disk in qcow2 that begins as the raw image `base`.
///
/// # Panics
/// If that fails.
pub fn overlay(base: &Path, disk: &Path) {
    run("qemu-img", &["create", "-q", "-f", "qcow2", "-b", text(base), "-F", "raw", text(disk)]);
}

/// Whether a disk in qcow2 holds what the raw image `base` does.
///
/// # Panics
/// If they cannot be compared.
#[must_use]
pub fn is_as(disk: &Path, base: &Path) -> bool {
    let ended = output("qemu-img", &["compare", "-f", "qcow2", "-F", "raw", text(disk), text(base)]);
    assert!(matches!(ended.status.code(), Some(0 | 1)), "{ended:?}");
    ended.status.success()
}

/// Copies a partition into a file of its own.
fn extract(raw: &Path, number: usize, to: &Path) {
    let (start, size) = place(raw, number);
    let slice = format!("driver=raw,offset={start},size={size},file.filename={}", text(raw));
    run("qemu-img", &["convert", "--image-opts", &slice, "-O", "raw", text(to)]);
}

/// Makes the state partition of a disk in qcow2 unreadable, where `base` is the raw image under it.
///
/// # Panics
/// If that fails.
pub fn lose_state(disk: &Path, base: &Path) {
    let (start, _) = place(base, STATE);
    run("qemu-io", &["-f", "qcow2", "-c", &format!("write -P 0 {start} 1M"), text(disk)]);
}

/// The first sector of 512 bytes of a file in a partition of a raw image.
///
/// # Panics
/// If there is no such file.
#[must_use]
pub fn sector_of(raw: &Path, number: usize, file: &str) -> u64 {
    let (start, _) = place(raw, number);
    let image = format!("{}?offset={start}", text(raw));
    let blocks = run("debugfs", &["-R", &format!("blocks {file}"), &image]);
    let first = blocks.split_whitespace().next().and_then(|block| block.parse::<u64>().ok());
    start / 512 + first.unwrap_or_else(|| panic!("{file}: {blocks:?}")) * (4096 / 512)
}

/// Where a partition begins, and its length, in bytes.
///
/// # Panics
/// If there is no such partition.
#[must_use]
pub fn place(raw: &Path, number: usize) -> (u64, u64) {
    let table: serde_json::Value =
        serde_json::from_str(&run("sfdisk", &["--json", text(raw)])).expect("sfdisk speaks JSON");
    let partition = &table["partitiontable"]["partitions"][number - 1];
    let bytes = |key: &str| partition[key].as_u64().expect("a number of sectors") * 512;
    (bytes("start"), bytes("size"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
