//! Part `match`: how long the matcher takes where disks are alike, with an answer and without one.
//!
//! Each disk is asked for in two spec lines. `edeploy-fleet match` is run as operators run it, so its start and the
//! explanation count. An answer that is not the right one fails the part.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::bench::{Bench, Outcome, Way};
use crate::cli::Part;
use crate::error::{Result, file, unexpected};
use crate::folder;
use crate::ours;
use crate::run::Call;

/// How many disks there are.
pub const DISKS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// The ways of this part, as they are shown: there is an answer; one disk more is asked for than there is; all are
/// asked for, and the last one's second line fits none.
pub const WAYS: [&str; 3] = ["ours-matched", "ours-one-more", "ours-last-line"];

/// The exit code where nothing matches.
const NO_MATCH: i32 = 9;
const VENDOR: &str = "X";

/// Measures all numbers of disks that were asked for.
///
/// # Errors
/// When something fails, or an answer is wrong.
pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let folder = bench.path("match");
    folder::fresh(&folder)?;
    let done = DISKS.into_iter().try_for_each(|disks| one(bench, &folder, disks));
    folder::remove(&folder)?;
    done
}

fn one(bench: &mut Bench, folder: &Path, disks: usize) -> Result<()> {
    let case = disks.to_string();
    if !bench.wants(&case) {
        return Ok(());
    }
    let hardware = folder.join("hardware.json");
    write(&hardware, &machine(disks))?;
    let asked = [asked(disks, VENDOR), asked(disks + 1, VENDOR), asked(disks, "Y")];
    let mut ways = Vec::new();
    for ((name, lines), matches) in WAYS.into_iter().zip(asked).zip([true, false, false]) {
        let specs = folder.join(format!("{name}.json"));
        write(&specs, &lines)?;
        let call = Call::new(&bench.cli.fleet).words("--json match").arg(&hardware).arg(&specs);
        ways.push(Way::new(name, move || answered(&call, matches)));
    }
    bench.interleave(Part::Match, &case, ways)
}

/// One run, whose answer must be this one.
fn answered(call: &Call, matches: bool) -> Result<Outcome> {
    let ended = call.clone().or_code(NO_MATCH).measure()?;
    match ours::parse(&ended.stdout)?["matched"].as_bool() {
        Some(answer) if answer == matches => Ok(Outcome::timed(&ended)),
        Some(_) | None => Err(unexpected("edeploy-fleet match", ended.stdout)),
    }
}

/// A machine whose disks differ in name, slot and serial number alone.
fn machine(disks: usize) -> Value {
    let disk = |n: usize| {
        let line = |attribute: &str, value: String| json!(["disk", format!("sd{n}"), attribute, value]);
        [
            line("size", "1000".to_owned()),
            line("vendor", VENDOR.to_owned()),
            line("slot", format!("0:{n}")),
            line("serial", format!("S{n}")),
        ]
    };
    (0..disks).flat_map(disk).collect()
}

/// Two lines for each of so many disks; the last is to be of this vendor.
fn asked(disks: usize, last: &str) -> Value {
    let disk = |n: usize| {
        let vendor = if n + 1 == disks { last } else { VENDOR };
        let name = format!("$disk{n}");
        [json!(["disk", name, "size", "gt(10)"]), json!(["disk", name, "vendor", vendor])]
    };
    (0..disks).flat_map(disk).collect()
}

fn write(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, value.to_string()).map_err(file("writing", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_disk_is_asked_for_in_two_lines_and_only_the_last_one_is_another() {
        let machine = machine(64);
        assert_eq!(machine.as_array().map(Vec::len), Some(64 * 4));
        assert_eq!(machine[5], json!(["disk", "sd1", "vendor", "X"]));
        let lines = asked(64, "Y");
        assert_eq!(lines.as_array().map(Vec::len), Some(64 * 2));
        assert_eq!(lines[125], json!(["disk", "$disk62", "vendor", "X"]));
        assert_eq!(lines[127], json!(["disk", "$disk63", "vendor", "Y"]));
    }
}
