//! RAID controllers, by the tools of their makers where these are there.
//!
//! HP by `ssacli` and its forerunners, LSI by `megacli` or `storcli`, Areca by `cli64`. Nothing but questions is
//! asked of them, and no password is sent.

mod areca;
mod hp;
mod megaraid;
mod storcli;

use super::list::List;
use super::tools::Tools;

/// Adds the lines of the classes `hpa`, `megaraid`, `areca`, `pdisk` and `ldisk`, and of disks behind HP's.
pub(super) fn detect(tools: &Tools<'_>, list: &mut List) {
    if let Some(ssacli) = tools.find(&["ssacli", "hpssacli", "hpacucli"]) {
        hp::detect(&|arguments| ssacli.ask(arguments), list);
    }
    if let Some(megacli) = tools.find(&["megacli", "MegaCli64", "MegaCli"]) {
        megaraid::detect(&|arguments| megacli.ask(arguments), list);
    } else if let Some(storcli) = tools.find(&["storcli64", "storcli"]) {
        storcli::lines(&storcli.ask(&["/call", "show", "all", "J"]), list);
    }
    if let Some(cli) = tools.find(&["cli64"]) {
        areca::detect(&|arguments| cli.ask(arguments), list);
    }
}

/// Whom a controller's reader asks.
type Ask<'a> = dyn Fn(&[&str]) -> String + 'a;

/// The item of what is `name` behind a controller: that is eDeploy's name for it, and stays so behind the first one;
/// behind another it is told apart by that one's `number`.
fn item(name: &str, is_first: bool, number: impl std::fmt::Display) -> String {
    if is_first { name.to_owned() } else { format!("{name}@{number}") }
}

/// A size in GB without its unit; TB are 1000 of them.
fn gigabytes(size: &str) -> String {
    let size = size.replace(' ', "");
    if let Some(terabytes) = size.strip_suffix("TB") {
        return terabytes.parse::<f64>().map_or(size.clone(), |number| format!("{:.0}", number * 1000.0));
    }
    size.strip_suffix("GB").unwrap_or(&size).to_owned()
}

/// The sum of sizes in GB, with two digits behind the point.
fn sum<'a>(sizes: impl Iterator<Item = &'a str>) -> String {
    format!("{:.2}", sizes.filter_map(|size| size.parse::<f64>().ok()).sum::<f64>())
}

/// A key as eDeploy writes it: each word with a capital, without spaces.
fn key(text: &str) -> String {
    let mut inside = false;
    let mut key = String::new();
    for letter in text.trim().chars() {
        if !letter.is_whitespace() {
            key.extend(if inside { letter.to_lowercase().next() } else { letter.to_uppercase().next() });
        }
        inside = letter.is_alphabetic();
    }
    key
}

/// Key and value of a line with one colon; a full stop behind the value is dropped.
fn pair(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let value = value.trim();
    if value.contains(':') || name.trim().is_empty() {
        return None;
    }
    Some((key(name), value.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(value).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::list::Line;
    use super::*;

    #[test]
    fn what_is_behind_a_second_controller_has_names_of_its_own() {
        let (mut hp, mut lsi) = (List::default(), List::default());
        hp::detect(
            &|arguments| match arguments.join(" ").as_str() {
                "ctrl all show" => {
                    "Smart Array P420i in Slot 0 (sn: 1)\nSmart Array P822 in Slot 3 (sn: 2)\n".to_owned()
                }
                line if line.ends_with("pd all show") => {
                    "physicaldrive 1I:1:1 (port 1I, SATA, 1 TB, OK)\n".to_owned()
                }
                line if line.ends_with("pd 1I:1:1 show") => "Size: 1 TB\n".to_owned(),
                _ => String::new(),
            },
            &mut hp,
        );
        let two = serde_json::json!({ "PD LIST": [{ "EID:Slt": "252:0", "Size": "1 TB" }], "VD LIST": [{ "TYPE": "RAID1" }] });
        let answer =
            serde_json::json!({ "Controllers": [{ "Response Data": two }, { "Response Data": two }] });
        storcli::lines(&answer.to_string(), &mut lsi);
        let (hp, lsi) = (hp.into_lines(), lsi.into_lines());
        let items = |lines: &[Line], class: &str, attribute: &str| -> Vec<String> {
            let of = |line: &&Line| line[0] == class && line[2] == attribute;
            lines.iter().filter(of).map(|line| line[1].clone()).collect()
        };
        assert_eq!(items(&hp, "disk", "slot"), ["1I:1:1", "1I:1:1@3"]);
        assert_eq!(items(&lsi, "pdisk", "id"), ["disk0", "disk0@1"]);
        assert_eq!(items(&lsi, "pdisk", "size"), ["disk0", "all", "disk0@1", "all@1"]);
        assert_eq!(items(&lsi, "ldisk", "RaidLevel"), ["disk0", "disk0@1"]);
    }

    #[test]
    fn sizes_are_in_gigabytes() {
        assert_eq!(
            ["100 GB", "1 TB", "1.6 TB", "278.875GB", "odd"].map(gigabytes),
            ["100", "1000", "1600", "278.875", "odd"]
        );
        assert_eq!(sum(["100", "1.5", "odd"].into_iter()), "101.50");
    }

    #[test]
    fn keys_are_words_with_capitals() {
        assert_eq!(
            ["RAID Level", "DDR-II +1.8V", "Controller Temp."].map(key),
            ["RaidLevel", "Ddr-Ii+1.8V", "ControllerTemp."]
        );
        assert_eq!(pair("Controller Count: 1."), Some(("ControllerCount".to_owned(), "1".to_owned())));
        assert_eq!((pair("Virtual Drive: 0 (Target Id: 0)"), pair("none")), (None, None));
    }
}
