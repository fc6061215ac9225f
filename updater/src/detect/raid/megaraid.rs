//! LSI's MegaRAID by `megacli`: controllers, physical and logical disks.

use std::collections::BTreeMap;

use super::super::list::List;
use super::{Ask, gigabytes, item, pair, sum};

/// Controllers, at most.
const CONTROLLERS: usize = 16;

/// Adds the lines of all controllers.
pub(super) fn detect(ask: &Ask<'_>, list: &mut List) {
    let count = number(&fields(&ask(&["-adpCount"])), "ControllerCount").min(CONTROLLERS);
    if count == 0 {
        return;
    }
    let mut disks = 0;
    for controller in 0..count {
        let adapter = format!("-a{controller}");
        for (attribute, value) in fields(&ask(&["-adpallinfo", &adapter])) {
            list.push("megaraid", &format!("Controller_{controller}"), &attribute, value);
        }
        disks += physical(&ask(&["-PDList", &adapter]), controller, list);
        logical(&ask(&["-LDInfo", "-Lall", &adapter]), controller, list);
    }
    list.push("disk", "megaraid", "count", disks.to_string());
}

/// The drives of a controller; how many there are.
pub(super) fn physical(answer: &str, controller: usize, list: &mut List) -> usize {
    let mut sizes = Vec::new();
    for part in parts(answer, "Enclosure Device ID") {
        let drive = fields(&part);
        let of = |name: &str| drive.get(name).map_or("", String::as_str);
        if of("PdType").is_empty() {
            continue;
        }
        let item = item(&format!("disk{}", of("SlotNumber")), controller == 0, controller);
        let coerced: Vec<&str> = of("CoercedSize").split_whitespace().take(2).collect();
        let size = gigabytes(&coerced.concat());
        list.push("pdisk", &item, "ctrl", controller.to_string());
        list.push("pdisk", &item, "type", of("PdType"));
        list.push("pdisk", &item, "id", format!("{}:{}", of("EnclosureDeviceId"), of("SlotNumber")));
        list.push("pdisk", &item, "size", &size);
        sizes.push(size);
        for (attribute, value) in &drive {
            if !["PdType", "EnclosureDeviceId", "CoercedSize"].contains(&attribute.as_str()) {
                list.push("pdisk", &item, attribute, value);
            }
        }
    }
    if !sizes.is_empty() {
        let all = item("all", controller == 0, controller);
        list.push("pdisk", &all, "size", sum(sizes.iter().map(String::as_str)));
    }
    sizes.len()
}

/// The logical disks of a controller.
pub(super) fn logical(answer: &str, controller: usize, list: &mut List) {
    for (number, part) in parts(answer, "Virtual Drive:").iter().enumerate() {
        let item = item(&format!("disk{number}"), controller == 0, controller);
        for (attribute, value) in fields(part) {
            let value = if attribute == "Size" { gigabytes(&value) } else { value };
            list.push("ldisk", &item, &attribute, value);
        }
    }
}

fn number(fields: &BTreeMap<String, String>, name: &str) -> usize {
    fields.get(name).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn fields(answer: &str) -> BTreeMap<String, String> {
    answer.lines().filter_map(pair).filter(|(name, _)| name != "ExitCode").collect()
}

/// The parts of an answer that begin with such a line; what is before the first is none.
fn parts(answer: &str, beginning: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in answer.lines() {
        if line.trim_start().starts_with(beginning) {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(list: List) -> Vec<String> {
        list.into_lines().iter().map(|line| line.join(" ")).collect()
    }

    #[test]
    fn logical_disks_have_megaclis_fields() {
        let mut list = List::default();
        logical(include_str!("../../../tests/detect/answers/megacli_ld_get_info"), 0, &mut list);
        let value = |attribute| list.value("ldisk", "disk0", attribute);
        assert_eq!(value("Size"), Some("465.25"));
        assert_eq!(value("RaidLevel"), Some("Primary-1, Secondary-0, RAID Level Qualifier-0"));
        assert_eq!(value("NumberOfDrives"), Some("2"));
        assert_eq!(value("State"), Some("Optimal"));
        assert_eq!(value("Name"), None, "it has none");
    }

    #[test]
    fn controllers_are_counted_and_each_is_asked() {
        let count = include_str!("../../../tests/detect/answers/megacli_adpcount");
        let adapter = include_str!("../../../tests/detect/answers/megacli_adp_all_info");
        let drives = "Adapter #0\n\nEnclosure Device ID: 32\nSlot Number: 1\nPD Type: SAS\nCoerced Size: 278.875 GB [0x22dc0000 Sectors]\nForeign State: None \n\nEnclosure Device ID: 32\nSlot Number: 9\nRaw Size: 1 TB\n\nExit Code: 0x00\n";
        let tool = |arguments: &[&str]| {
            match arguments {
                ["-adpCount"] => count,
                ["-adpallinfo", "-a0"] => adapter,
                ["-PDList", "-a0"] => drives,
                ["-LDInfo", "-Lall", "-a0"] => "",
                other => panic!("asked for {other:?}"),
            }
            .to_owned()
        };
        let mut list = List::default();
        detect(&tool, &mut list);
        assert_eq!(list.value("megaraid", "Controller_0", "ProductName"), Some("PERC H710 Mini"));
        let lines: Vec<String> =
            said(list).into_iter().filter(|line| !line.starts_with("megaraid")).collect();
        assert_eq!(
            lines,
            [
                "pdisk disk1 ctrl 0",
                "pdisk disk1 type SAS",
                "pdisk disk1 id 32:1",
                "pdisk disk1 size 278.875",
                "pdisk disk1 ForeignState None",
                "pdisk disk1 SlotNumber 1",
                "pdisk all size 278.88",
                "disk megaraid count 1",
            ]
        );
    }
}
