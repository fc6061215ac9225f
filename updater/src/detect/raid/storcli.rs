//! LSI's MegaRAID by `storcli`, which answers in JSON: the same classes and items as by `megacli`.

use serde_json::Value;

use super::super::list::List;
use super::{gigabytes, item, sum};

/// Adds the lines of all controllers, from the answer to `/call show all J`.
pub(super) fn lines(answer: &str, list: &mut List) {
    let Ok(answer) = serde_json::from_str::<Value>(answer) else { return };
    let Some(controllers) = answer["Controllers"].as_array() else { return };
    let mut count = 0;
    for (number, controller) in controllers.iter().enumerate() {
        let data = &controller["Response Data"];
        if !data.is_object() {
            continue;
        }
        let item = format!("Controller_{number}");
        list.push("megaraid", &item, "ProductName", text(&data["Basics"]["Model"]));
        list.push("megaraid", &item, "SerialNo", text(&data["Basics"]["Serial Number"]));
        list.push("megaraid", &item, "FirmwareVersion", text(&data["Version"]["Firmware Version"]));
        count += physical(&data["PD LIST"], number, list);
        logical(&data["VD LIST"], number, list);
    }
    if count > 0 {
        list.push("disk", "megaraid", "count", count.to_string());
    }
}

fn physical(drives: &Value, controller: usize, list: &mut List) -> usize {
    let drives = drives.as_array().map_or(&[][..], Vec::as_slice);
    let mut sizes = Vec::new();
    for drive in drives {
        let id = text(&drive["EID:Slt"]);
        let Some((_, slot)) = id.split_once(':') else { continue };
        let item = item(&format!("disk{}", slot.trim()), controller == 0, controller);
        let size = gigabytes(&text(&drive["Size"]));
        list.push("pdisk", &item, "ctrl", controller.to_string());
        list.push("pdisk", &item, "type", text(&drive["Intf"]));
        list.push("pdisk", &item, "id", &id);
        list.push("pdisk", &item, "size", &size);
        list.push("pdisk", &item, "MediaType", text(&drive["Med"]));
        list.push("pdisk", &item, "FirmwareState", text(&drive["State"]));
        list.push("pdisk", &item, "Model", text(&drive["Model"]));
        sizes.push(size);
    }
    if !sizes.is_empty() {
        let all = item("all", controller == 0, controller);
        list.push("pdisk", &all, "size", sum(sizes.iter().map(String::as_str)));
    }
    sizes.len()
}

fn logical(drives: &Value, controller: usize, list: &mut List) {
    for (number, drive) in drives.as_array().into_iter().flatten().enumerate() {
        let item = item(&format!("disk{number}"), controller == 0, controller);
        list.push("ldisk", &item, "RaidLevel", text(&drive["TYPE"]));
        list.push("ldisk", &item, "State", text(&drive["State"]));
        list.push("ldisk", &item, "Size", gigabytes(&text(&drive["Size"])));
        list.push("ldisk", &item, "Name", text(&drive["Name"]));
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_has_physical_and_logical_disks() {
        let answer = r#"{"Controllers":[{"Command Status":{"Status":"Success"},"Response Data":{
            "Basics":{"Model":"PERC H730","Serial Number":"57C00AF"},"Version":{"Firmware Version":"4.3"},
            "PD LIST":[{"EID:Slt":"32:0","State":"Onln","DG":0,"Size":"278.875 GB","Intf":"SAS","Med":"HDD",
            "Model":"ST300MM0006     "},{"EID:Slt":7}],
            "VD LIST":[{"DG/VD":"0/0","TYPE":"RAID1","State":"Optl","Size":"1.090 TB","Name":""}]}},
            {"Response Data":null}]}"#;
        let mut list = List::default();
        lines(answer, &mut list);
        let lines: Vec<String> = list.into_lines().iter().map(|line| line.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "megaraid Controller_0 ProductName PERC H730",
                "megaraid Controller_0 SerialNo 57C00AF",
                "megaraid Controller_0 FirmwareVersion 4.3",
                "pdisk disk0 ctrl 0",
                "pdisk disk0 type SAS",
                "pdisk disk0 id 32:0",
                "pdisk disk0 size 278.875",
                "pdisk disk0 MediaType HDD",
                "pdisk disk0 FirmwareState Onln",
                "pdisk disk0 Model ST300MM0006",
                "pdisk all size 278.88",
                "ldisk disk0 RaidLevel RAID1",
                "ldisk disk0 State Optl",
                "ldisk disk0 Size 1090",
                "disk megaraid count 1",
            ]
        );
    }

    #[test]
    fn an_answer_of_another_form_says_nothing() {
        for answer in
            ["", "{", "[]", r#"{"Controllers":{}}"#, r#"{"Controllers":[1,{"Response Data":{"PD LIST":3}}]}"#]
        {
            let mut list = List::default();
            lines(answer, &mut list);
            assert!(list.into_lines().is_empty(), "{answer}");
        }
    }
}
