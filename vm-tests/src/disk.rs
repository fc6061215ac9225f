//! The disk of a machine that is switched off, as Debian's own tools see it.

use std::fs;
use std::path::Path;

use crate::tool::{output, run};

/// The number of the state partition.
const STATE: usize = 4;

/// Checks partition table, ESP, both slots and the state partition of a disk in qcow2.
///
/// # Panics
/// If a tool finds anything wrong; with all it said.
pub fn check(disk: &Path) {
    let raw = disk.with_extension("raw");
    run("qemu-img", &["convert", "-O", "raw", text(disk), text(&raw)]);
    let said = run("sgdisk", &["-v", text(&raw)]);
    assert!(said.contains("No problems found"), "{said}");
    let part = disk.with_extension("part");
    for (number, tool) in [
        (1, &["fsck.fat", "-n"][..]),
        (2, &["e2fsck", "-fn"]),
        (3, &["e2fsck", "-fn"]),
        (STATE, &["e2fsck", "-fn"]),
    ] {
        extract(&raw, number, &part);
        let args: Vec<&str> = tool[1..].iter().copied().chain([text(&part)]).collect();
        let ended = output(tool[0], &args);
        let [out, err] = [&ended.stdout, &ended.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        assert!(ended.status.success(), "partition {number}: {tool:?}: {}\n{out}\n{err}", ended.status);
    }
    for file in [raw, part] {
        fs::remove_file(file).expect("a file of ours");
    }
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

/// Where a partition begins, and its length, in bytes.
fn place(raw: &Path, number: usize) -> (u64, u64) {
    let table: serde_json::Value =
        serde_json::from_str(&run("sfdisk", &["--json", text(raw)])).expect("sfdisk speaks JSON");
    let partition = &table["partitiontable"]["partitions"][number - 1];
    let bytes = |key: &str| partition[key].as_u64().expect("a number of sectors") * 512;
    (bytes("start"), bytes("size"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
