//! What a machine that is installed reads of itself: the tables of its firmware, the words of a switch, a hint.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use edeploy_ab::detect::hint::parse;
use edeploy_ab::detect::{Line, hardware, heard};
use edeploy_fleet::hardware::Hardware;
use edeploy_format::fleet::Hint;

const TABLE: &str = "sys/firmware/dmi/tables/DMI";

/// Whatever firmware says, the report is one that the service takes.
pub(crate) fn dmi(data: &[u8]) {
    static ROOT: OnceLock<tempfile::TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let root = root.path().join(format!("{:?}", std::thread::current().id()));
    let table = root.join(TABLE);
    fs::create_dir_all(table.parent().unwrap_or(Path::new("/"))).expect("a folder");
    fs::write(table, data).expect("room");
    sound(hardware(&root));
}

/// Whatever a switch says, the report is one that the service takes.
pub(crate) fn lldp(data: &[u8]) {
    let lines = heard("eth0", data);
    assert!(lines.iter().all(|[class, card, ..]| class == "lldp" && card == "eth0"), "{lines:?}");
    sound(lines);
}

/// What a report is made of: texts that can be shown, as few and as short as the service takes them.
fn sound(lines: Vec<Line>) {
    for text in lines.iter().flatten() {
        assert!(!text.is_empty() && !text.contains(char::is_control), "{text:?}");
    }
    Hardware::of(lines).expect("the service takes what is found");
}

/// A hint that is read is the same when it is written and read again.
pub(crate) fn hint(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(hint) = parse(text) else { return };
    // What has a quote within cannot be written again.
    let texts = [&hint.name, &hint.by_id, &hint.serial, &hint.model];
    if texts.into_iter().flatten().any(|text| text.contains('"')) {
        return;
    }
    let written = typed(&hint);
    assert_eq!(parse(&written), Ok(hint), "{written}");
}

/// A hint as it is typed, with all values quoted.
fn typed(hint: &Hint) -> String {
    let Hint { name, by_id, serial, model, min_size, max_size, rotational } = hint;
    let numbers = [min_size, max_size].map(|size| size.map(|size| size.to_string()));
    let rotational = rotational.map(|turns| if turns { "yes" } else { "no" }.to_owned());
    let [min, max] = &numbers;
    let values = [
        ("name", name, "/dev/"),
        ("by-id", by_id, "/dev/disk/by-id/"),
        ("serial", serial, ""),
        ("model", model, ""),
        ("min-size", min, ""),
        ("max-size", max, ""),
        ("rotational", &rotational, ""),
    ];
    let parts = values.iter().filter_map(|(key, value, folder)| {
        let value = value.as_ref()?;
        Some(format!("{key}=\"{folder}{value}\""))
    });
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeds::seeds;

    #[test]
    fn the_examples_are_read() {
        let [switch, ..] = &seeds("lldp")[..] else { panic!("an example") };
        assert!(heard("eth0", switch).len() > 5);
        let [full, ..] = &seeds("hint")[..] else { panic!("an example") };
        let full = parse(str::from_utf8(full).unwrap()).unwrap();
        assert_eq!(parse(&typed(&full)).as_ref(), Ok(&full));
        assert!(full.name.is_some() && full.rotational.is_some());
    }

    #[test]
    fn the_table_of_the_example_is_that_of_a_machine() {
        let root = tempfile::tempdir().unwrap();
        let table = root.path().join(TABLE);
        fs::create_dir_all(table.parent().unwrap()).unwrap();
        fs::write(table, &seeds("dmi")[0]).unwrap();
        let lines = hardware(root.path());
        let line = |text: [&str; 4]| lines.contains(&text.map(str::to_owned));
        assert!(line(["memory", "bank:0", "size", "17179869184"]), "{lines:?}");
        assert!(line(["memory", "bank:0", "vendor", "Acme"]), "{lines:?}");
    }
}
