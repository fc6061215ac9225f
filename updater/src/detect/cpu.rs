//! Processors: sockets and logical processors.
//!
//! /proc/cpuinfo says what they are, /sys which of them share a socket, the firmware what the sockets are made for.

use std::collections::{BTreeMap, BTreeSet};

use super::dmi::{Processor, Table, processors};
use super::list::List;
use super::tree::Tree;

/// The fields of one logical processor in /proc/cpuinfo.
type Fields = BTreeMap<String, String>;

/// Adds the lines of the class `cpu`.
pub(super) fn detect(tree: &Tree, table: &Table, list: &mut List) {
    let info = logical(&tree.text("proc/cpuinfo").unwrap_or_default());
    let sockets = sockets(tree, &info);
    let firmware = processors(table);
    for (socket, members) in &sockets {
        let Some(fields) = members.iter().find_map(|number| info.get(number)) else { continue };
        physical(*socket, fields, firmware.get(*socket), members.len(), list);
        shown(tree, *socket, members, list);
    }
    list.push("cpu", "physical", "number", sockets.len().to_string());
    let number: usize = sockets.iter().map(|(_, members)| members.len()).sum();
    list.push("cpu", "logical", "number", number.to_string());
    for (number, fields) in &info {
        let item = format!("logical_{number}");
        let rate = fields.get("bogomips").or_else(|| fields.get("BogoMIPS"));
        list.maybe("cpu", &item, "bogomips", rate.cloned());
        list.maybe("cpu", &item, "cache_size", fields.get("cache size").map(|size| size.replace(' ', "")));
    }
}

/// What /proc/cpuinfo says, by processor.
fn logical(text: &str) -> BTreeMap<u64, Fields> {
    let mut all = BTreeMap::new();
    for part in text.split("\n\n") {
        let pairs = part.lines().filter_map(|line| line.split_once(':'));
        let fields: Fields =
            pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        if let Some(number) = fields.get("processor").and_then(|number| number.parse().ok()) {
            all.insert(number, fields);
        }
    }
    all
}

/// The logical processors of each socket, both in the order of their numbers; sockets are counted from 0.
fn sockets(tree: &Tree, info: &BTreeMap<u64, Fields>) -> Vec<(usize, BTreeSet<u64>)> {
    let mut sockets: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for number in info.keys() {
        let path = format!("sys/devices/system/cpu/cpu{number}/topology/physical_package_id");
        let told = || info[number].get("physical id").and_then(|id| id.parse().ok());
        // Where nobody says it (−1 on some boards), there is one.
        let socket = tree.number(&path).or_else(told).unwrap_or(0);
        sockets.entry(socket).or_default().insert(*number);
    }
    sockets.into_values().enumerate().collect()
}

fn physical(socket: usize, fields: &Fields, made: Option<&Processor>, members: usize, list: &mut List) {
    let item = format!("physical_{socket}");
    let mut say = |attribute: &str, value: Option<String>| list.maybe("cpu", &item, attribute, value);
    let field = |key: &str| fields.get(key).filter(|value| !value.is_empty()).cloned();
    let number = |key: &str| field(key).and_then(|text| text.parse::<u16>().ok());
    let hertz = |mhz: u16| (u64::from(mhz) * 1_000_000).to_string();
    let now = field("cpu MHz").and_then(|mhz| mhz.parse::<f64>().ok()).map(|mhz| (mhz * 1e6).round());
    let cores = made.and_then(|made| made.cores).or(number("cpu cores"));
    let threads = made.and_then(|made| made.threads).or(number("siblings"));
    say("physid", Some(made.map_or_else(|| socket.to_string(), |made| format!("{:x}", made.handle))));
    say("product", field("model name").map(|name| name.split_whitespace().collect::<Vec<_>>().join(" ")));
    say("vendor", field("vendor_id").map(maker));
    say("frequency", made.and_then(|made| made.speed).map(hertz).or(now.map(|hertz| format!("{hertz:.0}"))));
    say("clock", made.and_then(|made| made.clock).map(hertz));
    say("cores", cores.map(|cores| cores.to_string()));
    let enabled = made.and_then(|made| made.enabled).or(cores);
    say("enabled_cores", enabled.map(|cores| cores.to_string()));
    say("threads", Some(threads.map_or(members, usize::from).to_string()));
    say("family", field("cpu family"));
    say("model", field("model"));
    say("stepping", field("stepping"));
    say("flags", field("flags").or_else(|| field("Features")));
}

/// What the kernel knows of a socket by its first processor: caches and limits, as `lscpu` said it.
fn shown(tree: &Tree, socket: usize, members: &BTreeSet<u64>, list: &mut List) {
    let item = format!("physical_{socket}");
    let Some(first) = members.first() else { return };
    let folder = format!("sys/devices/system/cpu/cpu{first}");
    for cache in tree.names(&format!("{folder}/cache")) {
        let of = |file: &str| tree.value(&format!("{folder}/cache/{cache}/{file}"));
        let (Some(level), Some(kind), Some(size)) = (of("level"), of("type"), of("size")) else { continue };
        let letter = match kind.as_str() {
            "Data" => "d",
            "Instruction" => "i",
            _ => "",
        };
        list.push("cpu", &item, &format!("l{level}{letter} cache"), size);
    }
    for (attribute, file) in [("min_Mhz", "cpuinfo_min_freq"), ("max_Mhz", "cpuinfo_max_freq")] {
        let khz = tree.number(&format!("{folder}/cpufreq/{file}"));
        list.maybe("cpu", &item, attribute, khz.map(|khz| format!("{}.{}", khz / 1000, khz % 1000 / 100)));
    }
    let siblings = tree.value(&format!("{folder}/topology/thread_siblings_list"));
    let count = siblings.map(|text| ranges(&text));
    list.maybe("cpu", &item, "threads_per_core", count.map(|count| count.to_string()));
}

/// How many numbers a list of ranges has: `0-3,8` has five.
pub(super) fn ranges(text: &str) -> u64 {
    let count = |part: &str| -> Option<u64> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (first.trim().parse::<u32>().ok()?, last.trim().parse::<u32>().ok()?);
        Some(u64::from(last.checked_sub(first)?) + 1)
    };
    text.split(',').filter_map(count).sum()
}

/// Makers by the name lshw gives them.
fn maker(id: String) -> String {
    match id.as_str() {
        "GenuineIntel" => "Intel Corp.".to_owned(),
        "AuthenticAMD" => "Advanced Micro Devices [AMD]".to_owned(),
        _ => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_counted() {
        assert_eq!(ranges("0-3,8"), 5);
        assert_eq!(ranges("7"), 1);
        assert_eq!((ranges(""), ranges("a-b,3-1"), ranges("0-99999999999")), (0, 0, 0));
    }
}
