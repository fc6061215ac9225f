//! Areca's controllers by `cli64`.

use super::super::list::List;
use super::{Ask, pair};

/// Drives, at most.
const DRIVES: usize = 254;
/// Units that are a line of their own, as they end a value.
const UNITS: [&str; 10] = ["RPM", "%", " V", " C", "Seconds", "Times", "MHz", "KB", "MB", "GB"];

/// Adds the lines of the controller.
pub(super) fn detect(ask: &Ask<'_>, list: &mut List) {
    let system = fields(&ask(&["sys", "info"]));
    if !system.iter().any(|(name, _)| name == "ControllerName") {
        return;
    }
    let mut say = |item: &str, fields: Vec<(String, String)>| {
        fields.iter().for_each(|(attribute, value)| list.push("areca", item, attribute, value));
    };
    say("system", system);
    say("system", fields(&ask(&["adsys", "info"])));
    say("config", fields(&ask(&["sys", "showcfg"])));
    say("hardware", fields(&ask(&["hw", "info"])));
    say("power", fields(&ask(&["hddpwr", "info"])));
    for number in 1..=DRIVES {
        let drive = fields(&ask(&["disk", "info", &format!("drv={number}")]));
        if drive.len() < 2 {
            break;
        }
        say(&format!("disk{number}"), drive);
    }
}

/// Fields of an answer; those below `[Enclosure#1 : …]` have that before their names.
fn fields(answer: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut enclosure = String::new();
    for line in answer.lines().map(str::trim).filter(|line| !line.starts_with("GuiErrMsg")) {
        if let Some(section) = line.strip_prefix('[') {
            let name = section.split_once(':').map_or("", |(name, _)| name.trim());
            enclosure = if name.is_empty() { String::new() } else { format!("{}/", name.replace('#', "")) };
            continue;
        }
        let Some((name, value)) = pair(line) else { continue };
        let name = format!("{enclosure}{name}");
        let unit = UNITS.iter().find(|unit| value.ends_with(**unit));
        let number = unit.and_then(|unit| value.strip_suffix(unit)).map(|value| value.replace(' ', ""));
        fields.push((name.clone(), number.unwrap_or(value)));
        if let Some(unit) = unit {
            fields.push((format!("{name}/unit"), unit.trim().to_owned()));
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_asked_until_there_is_no_more_drive() {
        let tool = |arguments: &[&str]| {
            match arguments {
                ["sys", "info"] => include_str!("../../../tests/detect/answers/areca_sysinfo"),
                ["adsys", "info"] => include_str!("../../../tests/detect/answers/areca_adsysinfo"),
                ["sys", "showcfg"] => include_str!("../../../tests/detect/answers/areca_sys_showcfg"),
                ["hw", "info"] => include_str!("../../../tests/detect/answers/areca_hw_info"),
                ["hddpwr", "info"] => include_str!("../../../tests/detect/answers/areca_hddpwr_info"),
                ["disk", "info", "drv=1"] => include_str!("../../../tests/detect/answers/areca_disks_info"),
                ["disk", "info", "drv=2"] => "GuiErrMsg<0x08>: Invalid device.\n",
                other => panic!("asked for {other:?}"),
            }
            .to_owned()
        };
        let mut list = List::default();
        detect(&tool, &mut list);
        for (item, attribute, value) in [
            ("system", "ControllerName", "ARC-1222"),
            ("system", "MainProcessor", "800"),
            ("system", "MainProcessor/unit", "MHz"),
            ("system", "SystemMemory", "256MB/533MHz/ECC"),
            ("system", "TlerSetting", "7"),
            ("config", "Jbod/RaidConfiguration", "JBOD"),
            ("hardware", "CpuTemperature", "39"),
            ("hardware", "CpuTemperature/unit", "C"),
            ("power", "StaggerPowerOnControl", "0.7"),
            ("disk1", "ModelName", "Hitachi HDS721010CLA330"),
            ("disk1", "DiskCapacity", "1000.2"),
            ("disk1", "DiskCapacity/unit", "GB"),
        ] {
            assert_eq!(list.value("areca", item, attribute), Some(value), "{item} {attribute}");
        }
        assert_eq!(list.value("areca", "disk2", "ModelName"), None);
    }

    #[test]
    fn the_fields_of_an_enclosure_are_told_from_the_controllers() {
        let answer = "[Controller H/W Monitor]\n  CPU Fan : 2596 RPM\n[Enclosure#1 : ARECA]\n  Fan : 3 RPM\n";
        let expected = ["CpuFan=2596", "CpuFan/unit=RPM", "Enclosure1/Fan=3", "Enclosure1/Fan/unit=RPM"];
        let found: Vec<String> =
            fields(answer).iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_controller_is_asked_nothing_more() {
        let mut list = List::default();
        detect(&|arguments: &[&str]| format!("{}\n", arguments.len()), &mut list);
        assert!(list.into_lines().is_empty());
    }
}
