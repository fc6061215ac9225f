//! What a disk says of its health: the answer of `smartctl -a`, of ATA and of SCSI disks, under eDeploy's names.

use super::list::List;

/// What a line begins with, and the attribute its rest becomes.
const FIELDS: [(&str, &str); 20] = [
    ("Vendor:", "vendor"),
    ("Product:", "product"),
    ("Device Model:", "device_model"),
    ("Model Number:", "device_model"),
    ("Serial Number:", "serial_number"),
    ("Serial number:", "serial_number"),
    ("Firmware Version:", "firmware_version"),
    ("SMART Health Status:", "health"),
    ("SMART overall-health self-assessment test result:", "health"),
    ("Specified cycle count over device lifetime:", "specified_start_stop_cycle_count_over_lifetime"),
    ("Accumulated start-stop cycles:", "start_stop_cycle_count"),
    ("Specified load-unload count over device lifetime:", "specified_load_count_over_lifetime"),
    ("Accumulated load-unload cycles:", "load_count"),
    ("number of hours powered up =", "power_on_hours"),
    ("Power On Hours:", "power_on_hours"),
    ("Blocks sent to initiator =", "blocks_sent"),
    ("Blocks received from initiator =", "blocks_received"),
    ("Blocks read from cache and sent to initiator =", "blocks_read_from_cache"),
    ("Non-medium error count:", "non_medium_errors_count"),
    ("Manufactured in", "manufacture_date"),
];
/// Those with a number and a unit.
const TEMPERATURES: [(&str, &str); 3] = [
    ("Current Drive Temperature:", "current_drive_temperature"),
    ("Drive Trip Temperature:", "drive_trip_temperature"),
    ("Temperature:", "current_drive_temperature"),
];

/// Adds the lines of a disk.
pub(super) fn lines(disk: &str, answer: &str, list: &mut List) {
    let mut table = false;
    for line in answer.lines().map(str::trim) {
        if line.starts_with("ID#") {
            table = true;
        } else if table && line.is_empty() {
            table = false;
        } else if table {
            attribute(disk, line, list);
        } else {
            field(disk, line, list);
            errors(disk, line, list);
        }
    }
}

fn field(disk: &str, line: &str, list: &mut List) {
    let rest = |(beginning, name): &(&'static str, &'static str)| {
        line.strip_prefix(beginning).map(|rest| (rest.trim(), *name))
    };
    if let Some((value, name)) = FIELDS.iter().find_map(rest) {
        list.push("disk", disk, &format!("SMART/{name}"), value);
    }
    if let Some((value, name)) = TEMPERATURES.iter().find_map(rest) {
        let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
        list.push("disk", disk, &format!("SMART/{name}"), number);
        list.push("disk", disk, &format!("SMART/{name}_unit"), unit);
    }
}

/// A row of a SCSI disk's error counter log.
fn errors(disk: &str, line: &str, list: &mut List) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kind @ ("read:" | "write:" | "verify:"), _, _, _, corrected, _, gigabytes, uncorrected, ..] =
        words[..]
    else {
        return;
    };
    let kind = kind.trim_end_matches(':');
    list.push("disk", disk, &format!("SMART/{kind}_total_corrected_errors"), corrected);
    list.push("disk", disk, &format!("SMART/{kind}_gigabytes_processed"), gigabytes);
    list.push("disk", disk, &format!("SMART/{kind}_total_uncorrected_errors"), uncorrected);
}

/// A row of an ATA disk's attributes.
fn attribute(disk: &str, line: &str, list: &mut List) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [id, name, _, value, worst, thresh, _, _, failed, raw @ ..] = &words[..] else { return };
    let failed = if *failed == "-" { "NEVER" } else { failed };
    let raw = raw.join(" ");
    let values =
        [("value", *value), ("worst", worst), ("thresh", thresh), ("when_failed", failed), ("raw", &raw)];
    for (title, value) in values {
        list.push("disk", disk, &format!("SMART/{name}({id})/{title}"), value);
    }
}
