//! HP's Smart Array: `ssacli`, `hpssacli` or `hpacucli`, which speak alike.

use super::super::list::List;
use super::{Ask, gigabytes, item, sum};

/// Adds the lines of all controllers, and one disk for each drive behind them.
pub(super) fn detect(ask: &Ask<'_>, list: &mut List) {
    let slots = slots(&ask(&["ctrl", "all", "show"]));
    if slots.is_empty() {
        return;
    }
    list.push("hpa", "slots", "count", slots.len().to_string());
    let mut sizes = Vec::new();
    let mut count = 0_usize;
    for (number, slot) in slots.iter().enumerate() {
        let selector = format!("slot={slot}");
        for (attribute, value) in fields(&ask(&["ctrl", &selector, "show"]), &["slot"]) {
            list.push("hpa", &format!("slot_{slot}"), &attribute, value);
        }
        for (drive, kind) in drives(&ask(&["ctrl", &selector, "pd", "all", "show"])) {
            count += 1;
            let item = item(&drive, number == 0, slot);
            list.push("disk", &item, "type", kind);
            list.push("disk", &item, "slot", slot);
            let answer = ask(&["ctrl", &selector, "pd", &drive, "show"]);
            for (attribute, value) in fields(&answer, &["port", "bay", "box"]) {
                let value = if attribute == "size" { gigabytes(&value) } else { value };
                if attribute == "size" {
                    sizes.push(value.clone());
                }
                list.push("disk", &item, &attribute, value);
            }
        }
    }
    if !sizes.is_empty() {
        list.push("disk", "hpa", "size", sum(sizes.iter().map(String::as_str)));
    }
    list.push("disk", "hpa", "count", count.to_string());
}

/// Slots of `Smart Array P420i in Slot 0 (Embedded)    (sn: 001438…)`.
fn slots(answer: &str) -> Vec<String> {
    let slot = |line: &str| {
        let (_, behind) = line.split_once(" in Slot ")?;
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        (behind.contains("(sn:") && !digits.is_empty()).then_some(digits)
    };
    answer.lines().filter_map(slot).collect()
}

/// Drives of `physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SATA, 1 TB, OK)`, with their kinds.
fn drives(answer: &str) -> Vec<(String, String)> {
    let drive = |line: &str| {
        let (name, behind) = line.trim().strip_prefix("physicaldrive ")?.split_once(" (")?;
        let parts: Vec<&str> = behind.trim_end_matches(')').split(", ").collect();
        let [_, kind, _, _, ..] = parts[..] else { return None };
        Some((name.to_owned(), kind.to_owned()))
    };
    answer.lines().filter_map(drive).collect()
}

/// `Key: value` lines, and `array A`; keys in small letters with underscores.
fn fields(answer: &str, without: &[&str]) -> Vec<(String, String)> {
    let field = |line: &str| {
        let line = line.trim();
        if let Some(array) = line.strip_prefix("array ") {
            return Some(("array".to_owned(), array.to_owned()));
        }
        let (name, value) = line.split_once(": ")?;
        let name = name.to_lowercase().replace(' ', "_");
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        (!without.contains(&name.as_str())).then_some((name, value))
    };
    answer.lines().filter_map(field).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(arguments: &[&str]) -> String {
        match arguments.join(" ").as_str() {
            "ctrl all show" => "\nSmart Array P420i in Slot 0 (Embedded)    (sn: 001438024E3B210)\n\n",
            "ctrl slot=0 show" => {
                "\nSmart Array P420i in Slot 0 (Embedded)\n   Bus Interface: PCI\n   Slot: 0\n   Firmware Version: 3.42\n"
            }
            "ctrl slot=0 pd all show" => {
                "\n   array A\n\n      physicaldrive 1I:1:1 (port 1I:box 1:bay 1, Solid State SATA, 100 GB, OK)\n\n   unassigned\n\n      physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SATA, 1 TB, OK)\n      physicaldrive broken\n"
            }
            "ctrl slot=0 pd 1I:1:1 show" => "   array A\n\n      Port: 1I\n      Status: OK\n      Size: 100 GB\n",
            "ctrl slot=0 pd 1I:1:2 show" => "      Bay: 2\n      Size: 1 TB\n      Model: ATA     MB1000GCEEK\n",
            other => panic!("asked for {other:?}"),
        }
        .to_owned()
    }

    #[test]
    fn drives_behind_a_controller_are_disks() {
        let mut list = List::default();
        detect(&tool, &mut list);
        let lines: Vec<String> = list.into_lines().iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "hpa slots count 1",
                "hpa slot_0 bus_interface PCI",
                "hpa slot_0 firmware_version 3.42",
                "disk 1I:1:1 type Solid State SATA",
                "disk 1I:1:1 slot 0",
                "disk 1I:1:1 array A",
                "disk 1I:1:1 status OK",
                "disk 1I:1:1 size 100",
                "disk 1I:1:2 type SATA",
                "disk 1I:1:2 slot 0",
                "disk 1I:1:2 size 1000",
                "disk 1I:1:2 model ATA MB1000GCEEK",
                "disk hpa size 1100.00",
                "disk hpa count 2",
            ]
        );
    }

    #[test]
    fn an_error_is_no_controller() {
        let mut list = List::default();
        detect(&|_: &[&str]| "Error: No controllers detected.\n".to_owned(), &mut list);
        assert!(list.into_lines().is_empty());
    }
}
